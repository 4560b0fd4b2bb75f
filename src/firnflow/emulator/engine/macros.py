"""Functions that DuckDB lacks. They are in memory: files of databases do not hold those that go by types."""

from __future__ import annotations

from firnflow.emulator.engine import arrays, flatten, numbers, once, variants

MOVED = "_firnflow_moved"
"""Moves a moment by an interval of whole days, months or years; a date stays one.

https://docs.snowflake.com/en/sql-reference/functions/dateadd#returns
"""
SHAPED = "_firnflow_shaped"
"""Makes of what was computed from a moment a date, where that is one.

https://docs.snowflake.com/en/sql-reference/functions/date_trunc#returns
"""
FITTING = "_firnflow_fitting"
"""Makes an error of a text that is longer than a column takes."""
TEXT = "_firnflow_text"
"""Makes a text of a value: of a text in a VARIANT without quotes, of its null none, of a moment with three digits.

https://docs.snowflake.com/en/sql-reference/functions/to_char#usage-notes
"""
_TEXT = """(given) AS CASE typeof(given)
    WHEN 'JSON' THEN given::VARCHAR::JSON ->> '$'
    WHEN 'TIMESTAMP' THEN strftime(given::VARCHAR::TIMESTAMP, '%Y-%m-%d %H:%M:%S.%g')
    WHEN 'TIMESTAMP_NS' THEN strftime(given::VARCHAR::TIMESTAMP, '%Y-%m-%d %H:%M:%S.%g')
    WHEN 'TIMESTAMP WITH TIME ZONE'
    THEN strftime(timezone('UTC', given::VARCHAR::TIMESTAMPTZ), '%Y-%m-%d %H:%M:%S.%g +0000')
    ELSE given::VARCHAR END"""
"""Moments: https://docs.snowflake.com/en/sql-reference/parameters#timestamp-output-format."""
_FITTING = """(given, most) AS CASE WHEN length(given::VARCHAR) > most
    THEN error('String ''' || given::VARCHAR || ''' is too long and would be truncated') ELSE given END"""
_ONCE = {TEXT: _TEXT, FITTING: _FITTING, **arrays.ONCE, **numbers.ONCE, **variants.ONCE}
NAMES_ONCE = frozenset(_ONCE)
"""Those that stand otherwise in the defaults of columns."""
_MOMENTS = ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_MOVES = {
    "DATE": "CAST(moment + step AS DATE)",
    "VARCHAR": "CAST(moment AS TIMESTAMP) + step",
    **dict.fromkeys(_MOMENTS, "moment + step"),
}
_SHAPES = {"DATE": "CAST(found AS DATE)", **dict.fromkeys((*_MOMENTS, "VARCHAR", "TIME"), "found")}


def creation() -> list[str]:
    """Return the statements that make them."""
    by_type = [
        f"CREATE MACRO {name}" + ", ".join(f"(moment {sort}, {other}) AS {body}" for sort, body in bodies.items())
        for name, other, bodies in ((MOVED, "step", _MOVES), (SHAPED, "found", _SHAPES))
    ]
    others = (*arrays.MACROS, *flatten.MACROS, *numbers.MACROS, *variants.MACROS)
    return [*by_type, *others, *(made for each in _ONCE.items() for made in once.macros(*each))]
