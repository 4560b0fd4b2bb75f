"""The command line: one file a verb, loaded when that verb is called."""

from __future__ import annotations

from firnflow.cli._app import main

__all__ = ["main"]
