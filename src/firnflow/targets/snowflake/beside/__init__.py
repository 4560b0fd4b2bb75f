"""What is copied to Snowflake: the procedure that tasks call, and the launcher that runs in their containers.

Neither imports Firnflow: the first runs in a warehouse's Python, the second brings Firnflow along.
"""
