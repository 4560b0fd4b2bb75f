"""Tags on what a deployment makes: cost and belonging are asked for by them. Whose something is, its comment says.

Which objects take tags: https://docs.snowflake.com/en/user-guide/object-tagging/introduction . To set one needs APPLY
on it, which its owner has: https://docs.snowflake.com/en/user-guide/object-tagging/work . Accounts of the Standard
Edition have none.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from firnflow.errors import StoreError
from firnflow.stores.snowflake.names import literal
from firnflow.stores.snowflake.session import MISSING
from firnflow.targets.snowflake.grammar import render_name
from firnflow.targets.snowflake.grammar.statements import Alter, Create, Drop
from firnflow.targets.snowflake.grammar.values import Pairs, Property

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.compile.place import Place
    from firnflow.targets.snowflake.grammar.values import Name

_AT_ONCE = 200
"""Objects that one statement asks for."""
_SAID = "firnflow: what has this tag belongs to its value"
"""The comment of our tags: deployments in one schema share them."""
_MARKED = {"TASKS": "comment", "STAGES": "comment", "PROCEDURES": "description"}


class Tag:
    """A tag of ours in the schema of a deployment."""

    def __init__(self, account: Account, place: Place, name: str) -> None:
        self._account, self._place, self._name = account, place, place.named(name)
        self.text = self._text(_SAID)

    def found(self) -> tuple[str, bool] | None:
        """Return what is there, and whether it is ours."""
        rows = self._account.show("TAGS", self._place.schema_name, like=self._name.last)
        row = next((each for each in rows if each["name"] == self._name.last), None)
        return None if row is None else (self._text(row["comment"]), row["comment"] == _SAID)

    def put(self) -> None:
        """Make it."""
        self._account.do(Create("TAG", self._name, (Property("COMMENT", _SAID),), if_not_exists=True))

    def drop(self) -> None:
        """Drop it, and with it what was set, unless another deployment has objects in the schema: they share it."""
        for what, column in _MARKED.items():
            rows = self._account.show(what, self._place.schema_name)
            if any(self._place.is_marked_by_another(row.get(column)) for row in rows):
                return
        self._account.do(Drop("TAG", self._name, if_exists=True))

    def _text(self, comment: object) -> str:
        return f"tag {render_name(self._name)}\n  comment {comment}"


def set_tags(account: Account, place: Place, kind: str, name: Name, arguments: tuple[str, ...] | None = None) -> None:
    """Set the tags of a deployment on one of its objects."""
    if place.tags:
        pairs = Pairs(tuple((place.named(tag), value) for tag, value in place.tags.items()))
        account.do(Alter(kind, name, "SET TAG", pairs, if_exists=True, arguments=arguments))


def told(account: Account, place: Place, kind: str, names: Sequence[str]) -> list[str]:
    """Return the tags of a deployment that objects have, in the form of `Place.tag_text`.

    Args:
        account: where.
        place: the deployment.
        kind: of the objects.
        names: theirs, as they are written in SQL; no two differ in capitals only.
    """
    if not place.tags:
        return [""] * len(names)
    tags = {tag: literal(render_name(place.named(tag))) for tag in place.tags}
    found: list[str] = []
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        values = _values(account, [_asks(tags[tag], name, kind) for name in part for tag in place.tags])
        found += [place.tag_text({tag: value for tag in place.tags if (value := next(values))}) for _ in part]
    return found


def _values(account: Account, calls: Sequence[str]) -> Iterator[str | None]:
    """Return what functions answer; None of each, where there are no such tags."""
    try:
        asked = ", ".join(f"{call} AS T{at}" for at, call in enumerate(calls))
        (row,) = account.query(f"SELECT {asked}")
        return iter([row[f"t{at}"] for at in range(len(calls))])
    except StoreError as error:
        if getattr(error.__cause__, "errno", None) in MISSING:
            return itertools.repeat(None)
        raise


def _asks(tag: str, name: str, kind: str) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_get_tag: the call that says the value of a tag."""
    return f"SYSTEM$GET_TAG({tag}, {literal(name)}, {literal(kind)})"
