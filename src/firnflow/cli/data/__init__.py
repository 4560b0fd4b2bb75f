"""`firnflow data`: the named tables. One file a verb."""

from __future__ import annotations

VERBS = ("list", "show", "log", "diff", "restore", "export", "checks", "track")

HELP = """Look at the named tables and their versions, bring an older version back, and keep versions of files.

A table is NAME, or NAME/3 for its version 3; NAME alone is its newest version.
"""
