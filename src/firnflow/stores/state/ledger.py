"""The ledger of what `firnflow up` has to run: each due moment of a pipeline is one row, with the run that it is for.

A row is written before anything starts, in the transaction that says how far the schedule is written down; so a process
may die anywhere, and the next one finds each moment once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from firnflow.stores.state import schema
from firnflow.stores.state.records import from_row
from firnflow.stores.state.transaction import add, reading, transact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.stores.state.state import State

_due, _schedule = schema.due, schema.schedule


class Cause(StrEnum):
    """Why a pipeline is to run."""

    SCHEDULE = auto()
    UPDATE = auto()
    TRIGGER = auto()


class DueStatus(StrEnum):
    """How a due moment stands."""

    WAITING = auto()
    STARTED = auto()
    """A process has taken it: its run is under way, about to begin, or was killed."""
    ENDED = auto()
    MISSED = auto()
    """Nothing runs for it: by the policy for catching up, or as the pipeline was paused."""


NOT_STARTED = "could not start"
"""How the outcome begins of a moment whose run has never begun."""
OPEN = (DueStatus.WAITING, DueStatus.STARTED)


class Planned(NamedTuple):
    """A run to come: when it is due, in seconds since 1970, its id, and the key of what it is for."""

    at: float
    run: str
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """One moment at which a pipeline is to run. Times are seconds since 1970."""

    pipeline: str
    environment: str
    due: float
    cause: Cause
    status: DueStatus
    run: str
    assignments: list[Any]
    tries: int
    settled_at: float | None
    outcome: str | None
    partition: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a pipeline's schedule is written down.

    Attributes:
        counts: the part of the schedule that says when; None: none was seen yet.
        since: all moments up to this one are written down, or have passed for good.
        seen: of named tables, the version that the last run was started for.
        paused_at: since when it is paused, and `paused_by` whom.
    """

    pipeline: str
    environment: str
    counts: str | None
    since: float
    seen: dict[str, Any]
    paused_at: float | None
    paused_by: str | None


class Ledger:
    """The ledger of one environment."""

    def __init__(self, state: State, environment: str) -> None:
        self._engine, self._environment = state.engine, environment

    def standings(self) -> dict[str, Standing]:
        """Return how far each pipeline's schedule is written down."""
        query = sa.select(_schedule).where(_schedule.c.environment == self._environment)
        with reading(self._engine) as connection:
            rows = connection.execute(query)
            return {row.pipeline: from_row(Standing, row._mapping) for row in rows}  # noqa: SLF001 - public there

    def open(self) -> list[Due]:
        """Return what is not settled, the oldest first."""
        return self._where(_due.c.status.in_(OPEN))

    def last(self) -> dict[str, Due]:
        """Return of each pipeline the newest moment that is settled."""
        settled = self._where(_due.c.status.not_in(OPEN))
        return {each.pipeline: each for each in settled}

    def begin(self, pipeline: str, counts: str, now: float, seen: dict[str, int]) -> None:
        """Write down that a schedule counts from now on; what was due by an earlier one is missed.

        Args:
            pipeline: its name.
            counts: the part of the schedule that says when.
            now: seconds since 1970.
            seen: table → version: what of the tables is no news.
        """

        def work(connection: sa.Connection) -> None:
            self._put(connection, pipeline, {"counts": counts, "since": now, "seen": seen})
            self._miss(connection, pipeline, now, "the schedule was changed")

        transact(self._engine, work)

    def add(self, standing: Standing, since: float, moments: Iterable[Planned]) -> bool:
        """Write down moments of a schedule, and that they are; return False where another process was faster.

        Args:
            standing: how far it was written down.
            since: up to when it is now.
            moments: the runs; no two of a pipeline are due at once.
        """
        rows = [self._row(standing.pipeline, each, Cause.SCHEDULE) for each in moments]
        return self._advance(standing, {"since": since}, rows)

    def add_update(self, standing: Standing, seen: dict[str, int], now: float, runs: Iterable[Planned]) -> bool:
        """Write down that tables have new versions, and the runs for them; return False where another was faster."""
        rows = [self._row(standing.pipeline, each, Cause.UPDATE) for each in runs]
        return self._advance(standing, {"since": now, "seen": seen}, rows)

    def _advance(self, standing: Standing, values: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
        as_seen = (*self._of(_schedule, standing.pipeline), _schedule.c.since == standing.since)

        def work(connection: sa.Connection) -> bool:
            free = _schedule.c.paused_at.is_(None)
            if connection.execute(_schedule.update().where(*as_seen, free).values(values)).rowcount == 0:
                return False
            for row in rows:
                self._insert(connection, row)
            return True

        return transact(self._engine, work)

    def trigger(self, pipeline: str, wanted: Planned, assignments: Iterable[str]) -> None:
        """Write down that somebody wants a run."""
        row = self._row(pipeline, wanted, Cause.TRIGGER) | {"assignments": list(assignments)}
        transact(self._engine, lambda connection: self._insert(connection, row))

    def claim(self, due: Due, *, overlap: bool) -> bool:
        """Take what waits; return False where it is taken, or (without `overlap`) the pipeline has another run.

        Of a paused pipeline only what somebody has triggered is taken.
        """

        def work(connection: sa.Connection) -> bool:
            started = (*self._of(_due, due.pipeline), _due.c.status == DueStatus.STARTED)
            if connection.dialect.name != "sqlite":  # one after the other, so that the second sees the first
                row = sa.select(_schedule.c.since).where(*self._of(_schedule, due.pipeline))
                connection.execute(row.with_for_update())
            if not overlap and connection.execute(sa.select(_due.c.run).where(*started)).first() is not None:
                return False
            paused = sa.select(_schedule.c.since).where(
                *self._of(_schedule, due.pipeline), _schedule.c.paused_at.is_not(None)
            )
            if due.cause != Cause.TRIGGER and connection.execute(paused).first() is not None:
                return False
            mine = (*self._key(due), _due.c.status == DueStatus.WAITING)
            return connection.execute(_due.update().where(*mine).values(status=DueStatus.STARTED)).rowcount > 0

        return transact(self._engine, work)

    def count_try(self, due: Due) -> None:
        """Write down that the process of a run has died."""
        statement = _due.update().where(*self._key(due)).values(tries=due.tries + 1)
        transact(self._engine, lambda connection: connection.execute(statement))

    def settle(self, due: Due, status: DueStatus, outcome: str, now: float) -> None:
        """Write down how it ended."""
        values = {"status": status, "outcome": outcome, "settled_at": now}
        statement = _due.update().where(*self._key(due), _due.c.status.in_(OPEN)).values(values)
        transact(self._engine, lambda connection: connection.execute(statement))

    def pause(self, pipeline: str, now: float, by: str) -> bool:
        """Let nothing start by itself; what waits by schedule is missed. Return False where it is paused already."""

        def work(connection: sa.Connection) -> bool:
            there = connection.execute(sa.select(_schedule.c.paused_at).where(*self._of(_schedule, pipeline))).first()
            if there is not None and there.paused_at is not None:
                return False
            new = {} if there is not None else {"since": now, "seen": {}}
            self._put(connection, pipeline, {**new, "paused_at": now, "paused_by": by})
            self._miss(connection, pipeline, now, "paused")
            return True

        return transact(self._engine, work)

    def unpause(self, pipeline: str, now: float) -> bool:
        """Let it start by itself again: by moments after now. Return False where it is not paused."""
        values = {"paused_at": None, "paused_by": None, "since": now}
        mine = (*self._of(_schedule, pipeline), _schedule.c.paused_at.is_not(None))
        statement = _schedule.update().where(*mine).values(values)
        return transact(self._engine, lambda connection: connection.execute(statement).rowcount > 0)

    def not_started(self, since: float) -> list[Due]:
        """Return what could not start, and was settled at a moment or later."""
        recent = (_due.c.settled_at >= since, _due.c.outcome.startswith(NOT_STARTED))
        return self._where(sa.and_(*recent))

    def forget(self, before: float) -> None:
        """Delete what was settled before a moment."""
        old = (_due.c.environment == self._environment, _due.c.settled_at < before)
        transact(self._engine, lambda connection: connection.execute(_due.delete().where(*old)))

    def _where(self, condition: sa.ColumnElement[bool]) -> list[Due]:
        query = sa.select(_due).where(_due.c.environment == self._environment, condition)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(_due.c.due, _due.c.pipeline))
            return [from_row(Due, row._mapping) for row in rows]  # noqa: SLF001 - public there

    def _row(self, pipeline: str, planned: Planned, cause: Cause) -> dict[str, Any]:
        row = {"pipeline": pipeline, "environment": self._environment, "due": planned.at, "cause": cause}
        what = {"run": planned.run, "partition": planned.partition}
        return {**row, **what, "status": DueStatus.WAITING, "assignments": [], "tries": 0}

    def _insert(self, connection: sa.Connection, row: dict[str, Any]) -> None:
        add(connection, _due, row)

    def _put(self, connection: sa.Connection, pipeline: str, values: dict[str, Any]) -> None:
        if connection.execute(_schedule.update().where(*self._of(_schedule, pipeline)).values(values)).rowcount == 0:
            connection.execute(_schedule.insert().values(pipeline=pipeline, environment=self._environment, **values))

    def _miss(self, connection: sa.Connection, pipeline: str, now: float, why: str) -> None:
        waiting = (_due.c.status == DueStatus.WAITING, _due.c.cause == Cause.SCHEDULE)
        values = {"status": DueStatus.MISSED, "outcome": why, "settled_at": now}
        connection.execute(_due.update().where(*self._of(_due, pipeline), *waiting).values(values))

    def _of(self, table: sa.Table, pipeline: str) -> tuple[Any, Any]:
        return table.c.pipeline == pipeline, table.c.environment == self._environment

    def _key(self, due: Due) -> tuple[Any, ...]:
        return (*self._of(_due, due.pipeline), _due.c.due == due.due)
