"""`firnflow label`: what people say of days of a series. One file a verb."""

from __future__ import annotations

VERBS = ("add", "list", "remove")

HELP = """Say of days of a series whether something had happened: detectors are judged by such answers.

A series is a named table with a column of dates or times, and perhaps a column `category`. Its labels are the named
table NAME_labels, which keeps who has said what, and when.
"""
