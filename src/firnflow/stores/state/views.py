"""The registry of feature views in the state: every version of a view that was applied, and which is current."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from firnflow._text import listing, nearest
from firnflow.errors import NotFoundError
from firnflow.stores.state import schema
from firnflow.stores.state.records import from_row
from firnflow.stores.state.transaction import put, reading, transact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.stores.state.state import State

_view = schema.feature_view
_LATEST = (_view.c.name, _view.c.applied_at, _view.c.version)
NO_VIEWS = "There is no feature view yet. Write down those of the project: firnflow features apply"


@dataclass(frozen=True, slots=True)
class ViewVersion:
    """One version of a feature view, as it was applied. Times are seconds since 1970.

    Attributes:
        definition: what the version is the digest of.
        about: description, owner, tags and what the columns mean.
        made_at: when it was applied first, and `applied_at` last, by `applied_by`.
    """

    name: str
    version: str
    definition: dict[str, Any]
    about: dict[str, Any]
    made_at: float
    applied_at: float
    applied_by: str


class Views:
    """The feature views in a state database."""

    def __init__(self, state: State) -> None:
        self._engine = state.engine

    def current(self) -> dict[str, ViewVersion]:
        """Return name → the version that was applied last, by name."""
        return {each.name: each for each in self._read(sa.select(_view).order_by(*_LATEST))}

    def versions(self, name: str) -> list[ViewVersion]:
        """Return the versions of a view, the one that was applied last first.

        Raises:
            NotFoundError: there is no such view.
        """
        found = self._read(sa.select(_view).where(_view.c.name == name).order_by(*_LATEST))[::-1]
        if not found:
            names = self.current()
            known = f"{nearest(name, names)} Known: {listing(names)}" if names else f" {NO_VIEWS}"
            raise NotFoundError(f"There is no feature view {name!r}.{known}")
        return found

    def write(self, views: Sequence[ViewVersion]) -> None:
        """Make these versions the current ones, all or none. One that was there before keeps when it was made."""

        def work(connection: sa.Connection) -> None:
            for view in sorted(views, key=lambda each: each.name):  # in one order, so that two never wait in a circle
                values = dataclasses.asdict(view)
                later = {name: values[name] for name in ("about", "applied_at", "applied_by")}
                put(connection, _view, values, later)

        transact(self._engine, work)

    def _read(self, query: sa.Select[Any]) -> list[ViewVersion]:
        with reading(self._engine) as connection:
            return [from_row(ViewVersion, row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - public there
