"""Functions that DuckDB lacks, made in each connection: files of databases do not hold those that go by types."""

from __future__ import annotations

MOVED = "_firnflow_moved"
"""Moves a moment by an interval of whole days, months or years; a date stays one.

https://docs.snowflake.com/en/sql-reference/functions/dateadd#returns
"""
SHAPED = "_firnflow_shaped"
"""Makes of what was computed from a moment a date, where that is one.

https://docs.snowflake.com/en/sql-reference/functions/date_trunc#returns
"""
_MOMENTS = ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_MOVES = {
    "DATE": "CAST(moment + step AS DATE)",
    "VARCHAR": "CAST(moment AS TIMESTAMP) + step",
    **dict.fromkeys(_MOMENTS, "moment + step"),
}
_SHAPES = {"DATE": "CAST(found AS DATE)", **dict.fromkeys((*_MOMENTS, "VARCHAR", "TIME"), "found")}


def creation() -> list[str]:
    """Return the statements that make them."""
    return [
        f"CREATE TEMP MACRO {name}" + ", ".join(f"(moment {sort}, {other}) AS {body}" for sort, body in bodies.items())
        for name, other, bodies in ((MOVED, "step", _MOVES), (SHAPED, "found", _SHAPES))
    ]
