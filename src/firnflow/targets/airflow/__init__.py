"""Airflow 3 as a target: each pipeline becomes a native DAG, whose tasks run in the project's own environment.

`compile` and `schedule` turn a graph into plain data, `dagfile` and `files` write it into the DAGs folder, `runtime` is
what is written beside it: the one module here that is imported by Airflow, and never by Firnflow.
"""
