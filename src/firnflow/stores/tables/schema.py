"""Whether rows fit a named table: new columns and wider types do, anything else is an error that shows both schemas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError
from firnflow.stores.tables.types import iceberg_schema, sql_types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.schema import Schema

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_WIDER = {("INTEGER", "BIGINT"), ("FLOAT", "DOUBLE")}


def narrower(name: str, number: int, table: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return column → the table's type of the columns that are narrower than the table's, and are to be cast.

    Args:
        name: of the table.
        number: its version.
        table: column → type, as SQL, of the table.
        given: likewise, of the rows that are to be published.

    Raises:
        DataError: they do not fit.
    """
    problems = [f"{column!r} is missing" for column in table if column not in given]
    by_lower = {column.lower(): column for column in table}
    for column, kind in given.items():
        twin = by_lower.get(column.lower())
        if twin is None:
            continue
        if twin != column:
            problems.append(f"{column!r} differs from {twin!r} in case only")
        elif not (_fits(kind, table[column]) or _fits(table[column], kind)):
            problems.append(f"{column!r} was {table[column]} and is {kind}")
    if problems:
        raise DataError(
            f"What is to be published does not fit table {name!r}: {'; '.join(problems)}.\n"
            f"{_beside(table, given, number)}\n"
            "Mend: give the columns the types of the table, or publish under another name; only columns that are new, "
            "and wider numbers, are taken as they are"
        )
    return {
        column: table[column]
        for column, kind in given.items()
        if table.get(column, kind) != kind and _fits(kind, table[column])
    }


def evolve(transaction: Any, have: Schema, given: Mapping[str, str], connection: Any) -> None:
    """Add what is new in the rows, and widen what is narrower in the table, as a part of a transaction."""
    table = sql_types(have)
    if all(column in table and _fits(kind, table[column]) for column, kind in given.items()):
        return
    changed = {column: kind for column, kind in given.items() if column not in table or not _fits(kind, table[column])}
    with transaction.update_schema() as update:
        update.union_by_name(iceberg_schema(changed, connection))


def evolved(table: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of a table when rows with others were added: what is new, and the wider of two types."""
    wider = {column: given[column] if _fits(kind, given[column]) else kind for column, kind in table.items()}
    return {**wider, **{column: kind for column, kind in given.items() if column not in table}}


def _fits(kind: str, into: str) -> bool:
    """Return whether every value of a type is one of the other type too."""
    if kind == into or (kind, into) in _WIDER:
        return True
    small, large = _DECIMAL.fullmatch(kind), _DECIMAL.fullmatch(into)
    return bool(small and large and small[2] == large[2] and int(small[1]) <= int(large[1]))


def _beside(table: Mapping[str, str], given: Mapping[str, str], number: int) -> str:
    rows = [("column", f"table (version {number})", "published")]
    rows += [(column, table.get(column, "—"), given.get(column, "—")) for column in {**table, **given}]
    widths = [max(len(row[at]) for row in rows) for at in range(2)]
    return "\n".join(f"  {row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}" for row in rows)
