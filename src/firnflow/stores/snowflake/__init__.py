"""Stores in a Snowflake account: the connection, artifacts on a stage, the state in hybrid tables."""
