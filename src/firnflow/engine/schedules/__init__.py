"""Runs pipelines by their schedules: what `firnflow up` does."""
