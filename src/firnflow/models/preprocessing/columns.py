"""The check that a table has what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow._text import listing, nearest
from firnflow.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis


def require(table: ibis.Table, names: Iterable[str], setting: str) -> None:
    """Raise DataError, with the nearest name, where the table lacks a column that `setting` names."""
    for name in names:
        if name not in table.columns:
            raise DataError(
                f"{setting}: the table has no column {name!r}.{nearest(name, table.columns)}"
                f" It has: {listing(table.columns)}."
            )
