"""Checks: the rules of `graph.rules` against rows in the warehouse, in one statement, and what came of it."""
