"""What `OnUpdate` waits for: new versions of named tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from firnflow.graph.model import AllOf, AnyOf, OnUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.graph.model import Schedule
    from firnflow.stores import Stores
    from firnflow.stores.state import State


class Versions(Protocol):
    """The named tables of an environment."""

    def newest(self, tables: Iterable[str]) -> dict[str, int]:
        """Return of each table the number of its newest version; 0: there is none."""


class NamedTables:
    """The named tables of a state and its stores."""

    def __init__(self, state: State, stores: Stores) -> None:
        self._state, self._stores = state, stores

    def newest(self, tables: Iterable[str]) -> dict[str, int]:
        """Return of each table the number of its newest version; 0: there is none."""
        from firnflow.stores.tables import versions
        from firnflow.stores.tables.catalog import Tables

        catalog = Tables(self._state, self._stores)
        try:
            there = {name: catalog.find(name) for name in tables} if catalog.exists else dict.fromkeys(tables)
            return {name: versions.newest(table).number if table is not None else 0 for name, table in there.items()}
        finally:
            catalog.close()


def tables_of(schedule: Schedule) -> set[str]:
    """Return the named tables that a schedule waits for; none where a clock drives it."""
    if isinstance(schedule, OnUpdate):
        return {schedule.table}
    if isinstance(schedule, AllOf | AnyOf):
        return {table for part in schedule.of for table in tables_of(part)}
    return set()


def has_happened(schedule: Schedule, seen: dict[str, int], newest: dict[str, int]) -> bool:
    """Return whether what a schedule waits for has happened.

    Args:
        schedule: `OnUpdate`, or several with `&` and `|`.
        seen: table → the version that the last run was started for.
        newest: table → the newest version.
    """
    if isinstance(schedule, OnUpdate):
        return newest.get(schedule.table, 0) > seen.get(schedule.table, 0)
    if isinstance(schedule, AllOf):
        return all(has_happened(part, seen, newest) for part in schedule.of)
    return isinstance(schedule, AnyOf) and any(has_happened(part, seen, newest) for part in schedule.of)
