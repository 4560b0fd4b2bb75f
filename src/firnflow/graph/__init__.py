"""Tasks, pipelines, branches, maps and parameters → the graph as data. Standard library and pydantic only; no I/O."""
