"""Jobs on compute pools: job services and ML Jobs, each instance a process of this machine.

https://docs.snowflake.com/en/developer-guide/snowpark-container-services/overview,
https://docs.snowflake.com/en/developer-guide/snowflake-ml/ml-jobs/overview
"""
