"""`firnflow features`: the registry of feature views, and the online store. One file a verb."""

from __future__ import annotations

VERBS = ("apply", "list", "show", "materialize", "get", "export")

HELP = """Write down which feature views there are, look at their versions, fill the online store, and look things up.

The views are those that stand in the modules of [project] pipelines in firnflow.toml.
"""
