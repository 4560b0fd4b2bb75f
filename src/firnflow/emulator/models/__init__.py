"""The Model Registry: models, their versions and the files of each.

https://docs.snowflake.com/en/developer-guide/snowflake-ml/model-registry/overview
"""
