"""Named tables: Apache Iceberg tables of which every commit is a version with a number.

What says which version is the newest is one row of a SQL catalog, beside the state: that row is the commit. The data
files are Parquet in the artifact store, like any other value; manifests and metadata lie beside them, under `tables/`.
"""
