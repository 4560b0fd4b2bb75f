"""A project's pipelines as what Snowflake is to hold: plain data, made without Snowflake."""
