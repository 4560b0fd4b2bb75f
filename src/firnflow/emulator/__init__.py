"""A local Snowflake for tests and rehearsals: Snowflake's own clients connect to it as they do to an account.

fakesnow runs the SQL that DuckDB can run. What stands in this package is the rest: stages, roles and grants,
warehouses, compute pools, secrets, tags, tasks. A statement that neither knows is an error, never a silent success.
Each rule names the page of Snowflake's documentation that it follows. docs/emulator.md says what is emulated, and what
that proves.
"""
