"""Whether no two rows of a named table have the same key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from firnflow._text import counted, listing
from firnflow.errors import BadRowsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 3


def check(
    name: str,
    key: Sequence[str],
    rows: ibis.Table,
    others: ibis.Table | None = None,
) -> None:
    """Check that a key is unique in the rows, and in what of the table stays beside them.

    Args:
        name: of the table.
        key: its columns; none: nothing is checked.
        rows: what is to be published.
        others: the rows of the table that stay beside them.

    Raises:
        UsageError: a column is not there.
        BadRowsError: a key stands twice, or is not there; with examples.
    """
    if not key:
        return
    missing = [column for column in key if column not in rows.columns]
    if missing:
        raise UsageError(
            f"key={list(key)}: the table has no column {listing(missing)}. It has: {listing(rows.columns)}"
        )
    nulls = rows.filter(ibis.or_(*(rows[column].isnull() for column in key))).count().execute()
    if nulls:
        raise BadRowsError(f"table {name!r}: {counted(nulls, 'row')} without a value of the key {listing(key)}")
    twice = rows.group_by(*key).agg(n=rows.count())
    refuse(name, key, twice.filter(twice.n > 1).drop("n"), "stands twice in what is to be published")
    if others is not None:
        refuse(name, key, rows.select(*key).semi_join(others.select(*key), list(key)), "is in the table already")


def refuse(name: str, key: Sequence[str], bad: ibis.Table, said: str) -> None:
    """Raise BadRowsError where there are any bad keys, with examples.

    Args:
        name: of the named table.
        key: its columns.
        bad: a table of the bad keys.
        said: what is wrong with one.
    """
    found: list[dict[str, Any]] = bad.limit(_SHOWN + 1).to_pyarrow().to_pylist()
    if not found:
        return
    shown = "; ".join(", ".join(f"{column}={row[column]!r}" for column in key) for row in found[:_SHOWN])
    more = "; …" if len(found) > _SHOWN else ""
    raise BadRowsError(f"table {name!r}: the key {listing(key)} must be unique, but one {said}: {shown}{more}")
