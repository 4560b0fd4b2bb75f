"""What is copied beside the DAGs: modules that Airflow imports, and Firnflow never does.

They need Airflow (3.2 or newer) and the standard library; Firnflow and the project are installed elsewhere, and called
as a program. Airflow reads them in every process that parses a DAG or runs a task, so they do no more than that takes.
They find each other by relative imports: beside the DAGs the package is named by its digest.
"""
