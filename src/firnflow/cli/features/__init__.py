"""`firnflow features`: the registry of feature views, and the online store. One file a verb."""

from __future__ import annotations

VERBS = ("apply", "list", "show")

HELP = """Write down which feature views there are, and look at them and their versions.

The views are those that stand in the modules of [project] pipelines in firnflow.toml.
"""
