"""Tasks and task graphs: kept, listed, scheduled and run.

https://docs.snowflake.com/en/user-guide/tasks-intro, https://docs.snowflake.com/en/user-guide/tasks-graphs
"""
