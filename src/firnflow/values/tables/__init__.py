"""Tables: every table type is stored as one Parquet file, and any of them can be loaded as any other.

`meta` of a table's ref: `rows`, and `columns`: name → type as Arrow writes it.
"""
