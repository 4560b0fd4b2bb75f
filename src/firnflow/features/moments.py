"""Times and lengths of time: one scale for all tables, so that any two can be compared."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from firnflow.errors import FeatureError
from firnflow.graph.units import parse_duration

if TYPE_CHECKING:
    import ibis

_MICRO = 6  # digits of a second
Length = str | float | dt.timedelta
"""How long: a text such as "30d" or "1h30m", seconds, or a timedelta."""


def microseconds(length: Length, what: str) -> int:
    """Return a length of time in microseconds.

    Args:
        length: more than nothing.
        what: whose it is, for the message.

    Raises:
        FeatureError: it is none.
    """
    try:
        exact = isinstance(length, dt.timedelta)
        found = length // dt.timedelta(microseconds=1) if exact else round(parse_duration(length) * 1e6)  # type: ignore[arg-type, operator]
    except ValueError as error:
        raise FeatureError(f"{what}: {error}; '30d' is 30 days") from None
    if found <= 0:
        raise FeatureError(f"{what}: {length!r} is no length of time: it must be more than 0")
    return int(found)


def is_time(column: ibis.Column) -> bool:
    """Whether a column holds moments: timestamps, with or without a zone, or dates."""
    return bool(column.type().is_timestamp() or column.type().is_date())


def instant(column: Any, *, up: bool = False) -> Any:
    """Return a column of moments as UTC to the microsecond, without a zone.

    Times without a zone are UTC; a date is the midnight that begins it. Of nanoseconds the rest is cut off, or
    with `up` made a whole microsecond: a spine is rounded down and what it may see up, so that nothing is seen early.
    """
    import ibis
    from ibis.expr import datatypes

    kind = column.type()
    scale = _MICRO if kind.is_date() or kind.scale is None else kind.scale
    if kind.is_timestamp() and kind.timezone is None and scale == _MICRO:
        return column
    cut = column.cast(datatypes.Timestamp(scale=_MICRO))
    if scale <= _MICRO:
        return cut
    back, one = cut.cast(kind), ibis.interval(microseconds=1)  # a cast goes to zero, which is up before 1970
    return (back < column).ifelse(cut + one, cut) if up else (back > column).ifelse(cut - one, cut)
