"""The state in hybrid tables of Snowflake; docs/decisions/0035-the-state-in-hybrid-tables.md says what holds."""
