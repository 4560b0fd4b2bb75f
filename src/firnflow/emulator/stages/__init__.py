"""Stages and their files: put, got, listed, removed, copied, read by queries, loaded and unloaded.

https://docs.snowflake.com/en/user-guide/data-load-overview
"""
