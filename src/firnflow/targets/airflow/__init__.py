"""Airflow 3 as a target: each pipeline becomes a native DAG, whose tasks run in the project's own environment.

`compile` and `schedule` turn a graph into plain data, `files` writes it into the DAGs folder. `beside` is copied there
too: the modules that are imported by Airflow, and never by Firnflow.
"""
