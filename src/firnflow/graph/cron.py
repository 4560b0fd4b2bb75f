"""What makes a cron expression and a time zone valid, and which intervals are cron expressions."""

from __future__ import annotations

import re

from firnflow._text import counted, nearest

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_ITEM = re.compile(r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,4}))?")


def check_cron(expression: str) -> str:
    """Return the expression with single spaces. Raises ValueError that names the field."""
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"cron expression {expression!r} has {counted(len(fields), 'field')}, not 5: "
            "minute, hour, day of month, month, day of week"
        )
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        for item in text.split(","):
            if not _item_is_valid(item, low, high, names):
                raise ValueError(f"cron expression {expression!r}: {item!r} is no {name} ({low}-{high})")
    return " ".join(fields)


def _item_is_valid(item: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    match = _ITEM.fullmatch(item)
    if match is None or (match["step"] is not None and not 1 <= int(match["step"]) <= high):
        return False
    if match["all"]:
        return True
    first, last = (_number(match[part], low, names) for part in ("first", "last"))
    if first is None or not low <= first <= high:
        return False
    return match["last"] is None or (last is not None and first <= last <= high)


def _number(text: str | None, low: int, names: tuple[str, ...]) -> int | None:
    if text is not None and text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 2 else None


def check_timezone(name: str) -> str:
    """Return the name of an IANA time zone. Raises ValueError with the nearest name."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        known = zoneinfo.available_timezones()
        raise ValueError(f"{name!r} is not a time zone.{nearest(name, known)}") from None
    return name


def interval_as_cron(seconds: float) -> str | None:
    """Return the cron expression, in UTC, of an interval that divides the hour or the day, or None."""
    for unit, most, form in ((_MINUTE, 60, "{} * * * *"), (_HOUR, 24, "0 {} * * *")):
        if seconds % unit == 0 and seconds // unit < most and most % (seconds // unit) == 0:
            count = int(seconds // unit)
            return form.format("*" if count == 1 else f"*/{count}")
    return "0 0 * * *" if seconds == _DAY else None
