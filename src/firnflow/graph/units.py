"""Amounts as people write them: "8Gi", "2h", "1h30m"."""

from __future__ import annotations

import math
import re

_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_MOST = 1e18  # bytes
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def parse_memory(text: str | float) -> int:
    """Return bytes: `"8Gi"` is 8 · 2³⁰, `"8G"` (or `"8GB"`) 8 · 10⁹; a number is bytes. Raises ValueError."""
    if isinstance(text, str):
        match = _MEMORY.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not an amount of memory: write it like '8Gi' or '512Mi'")
        amount = float(match[1]) * _BYTES[match[2] or ""]
        if amount < _MOST:
            return round(amount)
        raise ValueError(f"{text[:20]}… is more memory than any machine has")
    if not _is_number(text) or text != int(text):
        raise ValueError(f"{text!r} is not a number of bytes: write memory like '8Gi' or '512Mi'")
    return int(text)


def parse_duration(text: str | float) -> float:
    """Return seconds: `"1h30m"` is 5400; units d, h, m, s; a number is seconds. Raises ValueError."""
    if isinstance(text, str):
        compact = re.sub(r"\s+", "", text)
        if not _DURATION.fullmatch(compact):
            raise ValueError(f"{text!r} is not a duration: write it like '2h', '30m' or '1h30m'")
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(compact))
        if math.isfinite(seconds):
            return seconds
        raise ValueError(f"{text[:20]}… is no duration: it does not end")
    if not _is_number(text):
        raise ValueError(f"{text!r} is not a duration: write it like '2h', '30m' or '1h30m'")
    return float(text)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def format_duration(seconds: float) -> str:
    """Return seconds as `parse_duration` reads them: 5400 → `1h30m`."""
    parts = []
    for unit, size in _SECONDS.items():
        count, seconds = divmod(seconds, size) if unit != "s" else (seconds, 0.0)
        if count:
            parts.append(f"{count:g}{unit}")
    return "".join(parts) or "0s"
