"""How the values of a column are distributed in two tables, and how far that has moved.

A distribution has moved by its population stability index, the sum over bins of (p - q) ln(p / q) with p and q the
shares of the two tables (N. Siddiqi, "Credit Risk Scorecards", 2006, where below 0.1 is small and above 0.25 large).
The bins are the tenths of the earlier table; of texts the ten commonest; values that are missing, NaN and texts that
are not among the ten have bins of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from firnflow._sql import identifier, literal

SMALL, LARGE = 0.1, 0.25
_BINS, _COMMON = 10, 10
_DAY = 86_400.0  # seconds
_LEAST = 1e-4  # the share that an empty bin is given: its logarithm must be finite
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = (*_WHOLE, *(f"U{each}" for each in _WHOLE), "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("DATE", "TIMESTAMP")
_TEXTS = ("VARCHAR", "BOOLEAN", "ENUM")
_RARE = 3.0902  # the normal quantile of 0.999


@dataclass(frozen=True, slots=True)
class Shift:
    """How the values of a column are distributed in two tables.

    Attributes:
        kind: `numbers`, `times` or `texts`.
        psi: the population stability index.
        bins: what each bin holds, as people read it.
        before: the share of each bin in the earlier table.
        after: likewise in the later one.
        rows: how many rows each has.
    """

    kind: str
    psi: float
    bins: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    rows: tuple[int, int]


def shift(con: Any, names: list[str], column: str, type_: str) -> Shift | None:
    """Return how far a column has moved from one table to another; None where its type has no distribution.

    Args:
        con: a DuckDB connection.
        names: the two tables there, the earlier one first.
        column: in both.
        type_: the column's type in the later one.
    """
    what = kind(type_)
    if what is None:
        return None
    value = identifier(column)
    if what == "texts":
        labels, expression = _categories(con, names[0], value)
    else:
        labels, expression = _tenths(con, names[0], value, times=what == "times")
    counts = []
    for name in names:
        query = f"SELECT {expression} AS bin, count(*) FROM {name} GROUP BY 1"  # noqa: S608 - quoted
        counts.append(dict(con.execute(query).fetchall()))
    used = [at for at in range(len(labels)) if any(count.get(at) for count in counts)]
    rows = [sum(count.values()) for count in counts]
    shares = [[count.get(at, 0) / (total or 1) for at in used] for count, total in zip(counts, rows, strict=True)]
    return Shift(
        kind=what,
        psi=_stability(shares[0], shares[1], rows) if all(rows) else 0.0,
        bins=tuple(labels[at] for at in used),
        before=tuple(shares[0]),
        after=tuple(shares[1]),
        rows=(rows[0], rows[1]),
    )


def by_chance(rows: tuple[int, int], bins: int) -> float:
    """Return the index that samples of one and the same distribution exceed once in a thousand times.

    Without a shift the index is (1 / n + 1 / m) times a chi-squared variable of `bins` - 1 degrees of freedom (B.
    Yurdakul, J. Naranjo, "Statistical properties of the population stability index", 2020); its quantile is
    approximated as E. Wilson and M. Hilferty did, "The distribution of chi-square", 1931.
    """
    degrees = max(1, bins - 1)
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + _RARE * math.sqrt(spread)) ** 3 * sum(1 / max(1, each) for each in rows)


def kind(type_: str) -> str | None:
    """Return whether a type is of `numbers`, `times` or `texts`, or None."""
    kinds = {"numbers": _NUMBERS, "times": _TIMES, "texts": _TEXTS}
    plain = not type_.endswith("]")
    return next((name for name, some in kinds.items() if plain and type_.startswith(some)), None)


def _stability(before: list[float], after: list[float], rows: list[int]) -> float:
    least = [max(_LEAST, 0.5 / each) for each in rows]  # of few rows an empty bin says little: it has half a row
    pairs = [(max(p, least[0]), max(q, least[1])) for p, q in zip(before, after, strict=True)]
    return sum((q - p) * math.log(q / p) for p, q in pairs)


def _categories(con: Any, name: str, value: str) -> tuple[list[str], str]:
    """Return the labels of the bins, and the expression of a value's bin."""
    query = f"SELECT {value}::VARCHAR FROM {name} WHERE {value} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"  # noqa: S608 - quoted
    common = [row[0] for row in con.execute(f"{query} LIMIT {_COMMON}").fetchall()]
    cases = "".join(f" WHEN {value}::VARCHAR = {literal(text)} THEN {at}" for at, text in enumerate(common))
    return [
        *common,
        "others",
        "missing",
    ], f"CASE WHEN {value} IS NULL THEN {len(common) + 1}{cases} ELSE {len(common)} END"


def _tenths(con: Any, name: str, value: str, *, times: bool) -> tuple[list[str], str]:
    """Likewise for numbers and moments, which are seconds."""
    number = f"epoch({value})" if times else f"{value}::DOUBLE"
    real = f"{value} IS NOT NULL AND isfinite({number})"
    parts = ", ".join(str(at / _BINS) for at in range(1, _BINS))
    query = f"SELECT quantile_disc({number}, [{parts}]) FROM {name} WHERE {real}"  # noqa: S608 - quoted
    edges = sorted(set(con.execute(query).fetchone()[0] or []))
    # a number that is written down without quotes is a decimal, which need not be the same double
    cases = "".join(f" WHEN {number} <= {literal(repr(edge))}::DOUBLE THEN {at}" for at, edge in enumerate(edges))
    last = len(edges)
    days = times and bool(edges) and edges[-1] - edges[0] > len(edges) * _DAY
    shown = [_shown(edge, times=times, days=days) for edge in edges]
    labels = [f"≤ {shown[0]}", *(f"≤ {edge}" for edge in shown[1:]), f"> {shown[-1]}"] if edges else ["any"]
    infinite = f" WHEN NOT isfinite({number}) THEN {last + 1}"
    expression = f"CASE WHEN {value} IS NULL THEN {last + 2}{infinite}{cases} ELSE {last} END"
    return [*labels, "NaN, infinite", "missing"], expression


def _shown(edge: float, *, times: bool, days: bool) -> str:
    if not times:
        return f"{edge:.6g}"
    import datetime as dt

    moment = dt.datetime.fromtimestamp(edge, dt.UTC)
    return moment.date().isoformat() if days or moment.time() == dt.time() else moment.isoformat(" ", "minutes")[:16]
