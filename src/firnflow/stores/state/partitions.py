"""The ledger of partitions: of each one of a pipeline, the run that is for it, and how that stands.

A row changes in the transaction that begins, ends or gives up its run, so it never says more than is committed; it
stays when old runs are forgotten. Two runs never have one partition at once: who begins takes the row, or is refused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from firnflow.errors import RunConflictError
from firnflow.stores.state import schema
from firnflow.stores.state.records import Run, from_row
from firnflow.stores.state.transaction import add, reading, transact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.status import RunStatus
    from firnflow.stores.state.state import State

_ledger = schema.partition_ledger
_BATCH = 500  # bound values a statement


class PartitionStatus(StrEnum):
    """How a partition stands: as its run does, or outdated."""

    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()
    CRASHED = auto()
    OUTDATED = auto()
    """It was done, and somebody wants it done again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One partition of a pipeline in an environment; `since` is in seconds since 1970."""

    pipeline: str
    environment: str
    partition: str
    status: PartitionStatus
    run: str
    since: float
    error: str | None


class Partitions:
    """The ledger of partitions of one environment."""

    def __init__(self, state: State, environment: str) -> None:
        self._engine, self._environment = state.engine, environment

    def of(self, pipeline: str) -> dict[str, Entry]:
        """Return partition → how it stands, of those that a run has been for."""
        query = sa.select(_ledger).where(*self._of(pipeline))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(_ledger.c.partition))
            return {row.partition: from_row(Entry, row._mapping) for row in rows}  # noqa: SLF001 - public there

    def find(self, pipeline: str, partition: str) -> Entry | None:
        """Return how a partition stands; None: no run has been for it."""
        query = sa.select(_ledger).where(*self._of(pipeline), _ledger.c.partition == partition)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return from_row(Entry, row._mapping) if row is not None else None  # noqa: SLF001 - public there

    def outdate(self, pipeline: str, partitions: Iterable[str]) -> None:
        """Let partitions that are done, or failed, be as if they had not been run; those under way go on."""
        some = sorted(partitions)
        free = (*self._of(pipeline), _ledger.c.status != PartitionStatus.RUNNING)

        def work(connection: sa.Connection) -> None:
            for start in range(0, len(some), _BATCH):
                these = _ledger.c.partition.in_(some[start : start + _BATCH])
                values = {"status": PartitionStatus.OUTDATED, "since": time.time(), "error": None}
                connection.execute(_ledger.update().where(*free, these).values(values))

        transact(self._engine, work)

    def _of(self, pipeline: str) -> tuple[Any, Any]:
        return _ledger.c.pipeline == pipeline, _ledger.c.environment == self._environment


def take(connection: sa.Connection, run: Run, *, unless_done: bool = False) -> None:
    """Write, in the transaction in which a run begins or goes on, that its partition is its.

    Args:
        connection: of the transaction.
        run: which settles its partition if its request says so; another one leaves the ledger alone.
        unless_done: refuse a partition that has succeeded.

    Raises:
        RunConflictError: another run is under way for the partition, or it has succeeded.
    """
    if run.partition is None or not run.request.get("settles"):
        return
    mine = {"pipeline": run.pipeline, "environment": run.environment, "partition": run.partition}
    key = tuple(_ledger.c[name] == value for name, value in mine.items())
    taken = {"status": PartitionStatus.RUNNING, "run": run.id, "since": time.time(), "error": None}
    add(connection, _ledger, {**mine, **taken})
    row = connection.execute(sa.select(_ledger).where(*key).with_for_update()).one()
    if row.run != run.id and row.status == PartitionStatus.RUNNING:
        raise RunConflictError(
            f"partition {run.partition} of {run.pipeline} is under way in run {row.run}. Wait for it"
        )
    if unless_done and row.run != run.id and row.status == PartitionStatus.SUCCEEDED:
        raise RunConflictError(f"partition {run.partition} of {run.pipeline} is done already, by run {row.run}")
    connection.execute(_ledger.update().where(*key).values(taken))


def settle(connection: sa.Connection, run_id: str, status: RunStatus, error: str | None, now: float) -> None:
    """Write, in the transaction in which a run ends, how its partition stands."""
    values = {"status": str(status), "error": error, "since": now}
    connection.execute(_ledger.update().where(_ledger.c.run == run_id).values(values))


def due_moment(connection: sa.Connection, run_id: str) -> float | None:
    """Return the moment that a run is due for, in seconds since 1970; None: nobody has planned it."""
    moment = connection.execute(sa.select(schema.due.c.due).where(schema.due.c.run == run_id)).scalar_one_or_none()
    return float(moment) if moment is not None else None
