"""What features are about: a customer, an account, a county."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.errors import FeatureError
from firnflow.graph.names import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Entity:
    """Something that features are about, and the columns that say which one it is.

    Attributes:
        name: what it is called, such as `customer`.
        keys: its key columns, such as `customer_id`; one name, or several.
        description: for people.

    Raises:
        FeatureError: the name is none, or there is no key.
    """

    name: str
    keys: Sequence[str]
    description: str = ""

    def __post_init__(self) -> None:
        check_name("entity", self.name)
        object.__setattr__(self, "keys", as_names(f"entity {self.name!r}: keys", self.keys))
        if not self.keys:
            raise FeatureError(f"entity {self.name!r} has no keys. Mend: name the columns that say which one it is")


def check_name(what: str, name: object) -> None:
    """Raise FeatureError unless a name has letters, digits and single underscores, and begins with a letter."""
    if not isinstance(name, str) or not re.fullmatch(NAME, name) or "__" in name or name.endswith("_"):
        raise FeatureError(
            f"{what} {name!r}: a name has at most 100 letters, digits and single underscores, and begins with a letter"
        )


def check_table(table: object, what: str) -> None:
    """Raise FeatureError unless something is an `ibis.Table`."""
    import ibis

    if not isinstance(table, ibis.Table):
        raise FeatureError(
            f"{what} is a {type(table).__name__}, not an ibis.Table. Mend: of a frame or an Arrow table make one by "
            "ibis.memtable(…)"
        )


def _shown(thing: object) -> str:
    """Return a text or number as it is written, of anything else what it is: the text of a table has many lines."""
    return repr(thing) if isinstance(thing, str | int | float | None) else f"a {type(thing).__name__}"


def as_names(what: str, names: object) -> tuple[str, ...]:
    """Return one name or several as a tuple. Raises FeatureError for what is no text, and for one that stands twice."""
    found: list[str] = []
    for name in names if isinstance(names, list | tuple) else (names,):
        if not isinstance(name, str) or not name:
            raise FeatureError(f"{what}: {_shown(name)} is no name of a column")
        if name in found:
            raise FeatureError(f"{what}: {name!r} stands there twice")
        found.append(name)
    return tuple(found)
