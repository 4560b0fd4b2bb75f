"""`firnflow models`: the registry. One file a verb."""

from __future__ import annotations

VERBS = ("list", "show", "card", "compare", "history", "promote", "approve", "reject", "rollback", "archive", "delete")

HELP = """Look at the registered models, and decide which one is in production.

A model is NAME, NAME/3 or NAME@ALIAS; NAME alone is its champion.
"""
