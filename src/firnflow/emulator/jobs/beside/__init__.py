"""What jobs find instead of what a container of Snowflake has."""
