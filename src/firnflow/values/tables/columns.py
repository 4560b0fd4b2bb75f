"""What the columns of a table must be, so that every warehouse can hold them and gives them back as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping


def check(columns: Mapping[str, str]) -> None:
    """Raise DataError for columns, given with their types, that a warehouse would rename or read wrongly."""
    if not columns:
        raise DataError("The table has no columns: the warehouse cannot hold it. Mend: annotate another table type")
    seen: dict[str, str] = {}
    for name, kind in columns.items():
        if not name:
            raise DataError("A column has no name: the warehouse cannot hold it. Mend: rename it")
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise DataError(
                f"The columns {twin!r} and {name!r} differ only in case, which the warehouse does not tell apart. "
                "Mend: rename one of them"
            )
        if kind.startswith("decimal256"):
            raise DataError(f"The column {name!r} is {kind}, but the warehouse has 38 digits. Mend: cast it")
