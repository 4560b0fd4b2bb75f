"""The web server: the requests that Snowflake's connectors send, answered by an account."""
