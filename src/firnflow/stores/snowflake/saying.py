"""What Snowflake says of an error, in a line."""

from __future__ import annotations


def said(error: Exception) -> str:
    """Return the first line of what Snowflake says, and of what it says of it."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2])
