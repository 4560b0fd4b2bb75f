"""Runs the partitions of a pipeline that are missing: what `firnflow backfill` does."""
