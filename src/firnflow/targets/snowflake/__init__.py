"""Pipelines on Snowflake: task graphs whose tasks are jobs in containers.

`grammar` checks each statement that is sent, `compile` makes a graph into resources; both need no Snowflake. `target`
reads and changes an account through Snowflake's connector.
"""
