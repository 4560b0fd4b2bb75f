"""Runs a graph on this machine: scheduler, workers, cache, resume."""
