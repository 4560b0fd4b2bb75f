"""`firnflow data`: the named tables. One file a verb."""

from __future__ import annotations

VERBS = ("list", "show", "log", "diff", "restore", "export")

HELP = """Look at the named tables and their versions, and bring an older version back.

A table is NAME, or NAME/3 for its version 3; NAME alone is its newest version.
"""
