"""Whole numbers of JSON lines that a float or a 64-bit integer would round: read exactly, or found to be refused."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier, literal
from firnflow.stores.sources.raw import Raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.graph.rules import Column
    from firnflow.stores.sources.raw import Part

EXACT = "DECIMAL(38,0)"
"""Holds whole numbers of up to 38 digits; Parquet has no HUGEINT."""
_LARGE = 2**53  # up to here each whole number is a float
_LARGE_IN_JSON = r"[\[:,]-?(\d{16,}\.0|[\d.]+[eE])"


def read_as(kind: Any, declared: Column | None) -> str:
    """Return the SQL type to read a column as that DuckDB takes to be of type `kind`."""
    wanted = declared.type if declared is not None else None
    if wanted == "json" and _is_nested(kind):
        return "JSON"  # as it is written
    if wanted is not None and kind.id in {"hugeint", "uhugeint"}:
        return "VARCHAR"
    return _without_hugeint(kind)


def _without_hugeint(kind: Any) -> str:
    if kind.id in {"hugeint", "uhugeint"}:
        return EXACT
    if not _is_nested(kind):
        return str(kind)
    inner = [(name, _without_hugeint(child)) for name, child in kind.children]
    if kind.id == "list":
        return f"{inner[0][1]}[]"
    if kind.id == "map":
        return f"MAP({inner[0][1]}, {inner[1][1]})"
    return f"STRUCT({', '.join(f'{identifier(name)} {child}' for name, child in inner)})"


def _is_nested(kind: Any) -> bool:
    return kind.id in {"list", "map", "struct"}


def _has_float(kind: Any) -> bool:
    return kind.id == "double" or (_is_nested(kind) and any(_has_float(child) for _, child in kind.children))


def doubtful(connection: Any, parts: tuple[Part, ...], kinds: dict[str, Any], types: dict[str, str]) -> list[str]:
    """Return the columns with floats so large that they may be rounded whole numbers."""
    tests = {}
    for number, (name, kind) in enumerate(kinds.items()):
        if _has_float(kind) and types[name] not in {"JSON", "VARCHAR"}:
            is_large = f"abs(c{number}) >= {_LARGE}"
            if _is_nested(kind):
                is_large = f"regexp_matches(CAST(to_json(c{number}) AS VARCHAR), {literal(_LARGE_IN_JSON)})"
            tests[name] = f"coalesce(bool_or({is_large}), false)"
    if not tests:
        return []
    (row,) = connection.con.execute(f"SELECT {', '.join(tests.values())} FROM ({Raw(parts, ()).relation})").fetchall()
    return [name for name, found in zip(tests, row, strict=True) if found]


def is_whole(connection: Any, name: str, source: str) -> bool:
    """Return whether all numbers of a column, given as texts by the SQL `source`, are whole and fit EXACT."""
    whole = rf"bool_and(regexp_full_match({identifier(name)}, '-?\d{{1,38}}'))"
    return bool(connection.con.execute(f"SELECT {whole} FROM {source}").fetchone()[0])


def rounded(value: Any, kind: Any, name: str) -> Iterator[tuple[str, int]]:
    """Yield the whole numbers in a value that its type, which has floats, rounds; each with its place: `order.id`."""
    if kind.id == "double":
        if isinstance(value, int) and not isinstance(value, bool) and not _is_float(value):
            yield name, value
    elif kind.id == "list" and isinstance(value, list):
        for item in value:
            yield from rounded(item, kind.children[0][1], name)
    elif isinstance(value, dict) and _is_nested(kind):
        children = dict(kind.children)
        for key, item in value.items():
            child = children.get(key) if kind.id == "struct" else children["value"]
            if child is not None:
                yield from rounded(item, child, f"{name}.{key}")


def _is_float(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False
