"""The part of the emulator that runs SQL: DuckDB, by way of fakesnow, which knows Snowflake's dialect."""
