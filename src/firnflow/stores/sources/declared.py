"""Whether a source has the columns that the catalog names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow._text import listing, nearest
from firnflow.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.project.catalog import Source


def check_declared(spec: Source, found: Sequence[str], shown: str) -> None:
    """Raise DataError where a column that is declared, or that a check names, was not read.

    Args:
        spec: the source.
        found: the columns that were read.
        shown: where, for people.
    """
    if not all(map(str.strip, found)):
        raise DataError(f"{spec.name} ({shown}) has a column without a name")
    missing = [name for name in spec.rules.named if name not in found]
    if missing:
        raise DataError(
            f"{spec.name} ({shown}) has no column {', '.join(map(repr, missing))}."
            f"{nearest(missing[0], found)} It has: {listing(found, 40)}"
        )
