"""Times, sizes and numbers as people read them."""

from __future__ import annotations

import time


def seconds(value: float) -> str:
    """Return e.g. `0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`."""
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(value: float) -> str:
    """Return an amount of bytes, e.g. `812 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.3g} GiB" if value < 100 else f"{value:,.0f} GiB"


def when(moment: float, now: float | None = None) -> str:
    """Return how long ago something was, or its date where that is longer than a day."""
    ago = (time.time() if now is None else now) - moment
    if ago < 60:
        return "just now"
    if ago < 3600:
        return f"{ago / 60:.0f} min ago"
    if ago < 86_400:
        return f"{ago / 3600:.0f} h ago"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def number(value: float) -> str:
    """Return a figure with four digits that count, e.g. `0.8345`, `12,345`."""
    if value == int(value) if abs(value) < 1e15 else False:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
