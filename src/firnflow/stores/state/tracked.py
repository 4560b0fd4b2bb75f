"""What a tracker has been told: of which runs, and what it calls them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from firnflow.status import RunStatus
from firnflow.stores.state import schema
from firnflow.stores.state.transaction import reading, transact

if TYPE_CHECKING:
    from firnflow.stores.state.state import State

_run, _tracked = schema.run, schema.tracked


@dataclass(frozen=True, slots=True)
class Told:
    """What a tracker knows of a run, or of a model.

    Attributes:
        remote: what it calls things, by our key.
        sent: what it was told, as far as that is not all.
        as_of: of a run that is told to its end: when it ended; else 0.
    """

    remote: dict[str, str] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    as_of: float = 0.0


class Tracked:
    """What one tracker has been told.

    Args:
        state: the state.
        backend: what tells this tracker from others: its kind and its place.
    """

    def __init__(self, state: State, backend: str) -> None:
        self._engine, self._backend = state.engine, backend

    def untold(self, environment: str) -> list[str]:
        """Return the runs of an environment that have ended and are not told to their end, the oldest first."""
        mine = sa.and_(_tracked.c.run == _run.c.id, _tracked.c.backend == self._backend)
        query = (
            sa.select(_run.c.id)
            .select_from(_run.outerjoin(_tracked, mine))
            .where(_run.c.environment == environment, _run.c.status != RunStatus.RUNNING)
            .where(sa.or_(_tracked.c.updated_at.is_(None), _tracked.c.updated_at != _run.c.ended_at))
            .order_by(_run.c.started_at, _run.c.id)
        )
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def under_way(self, environment: str) -> list[str]:
        """Return the runs of an environment that have not ended."""
        query = sa.select(_run.c.id).where(_run.c.environment == environment, _run.c.status == RunStatus.RUNNING)
        with reading(self._engine) as connection:
            return list(connection.execute(query.order_by(_run.c.started_at, _run.c.id)).scalars())

    def get(self, key: str) -> Told:
        """Return what the tracker was told of a run, or of `model:NAME`."""
        query = sa.select(_tracked.c.remote, _tracked.c.sent, _tracked.c.updated_at).where(*self._row(key))
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return Told(*row) if row is not None else Told()

    def put(self, key: str, told: Told) -> None:
        """Write down what the tracker was told."""
        values = {"remote": told.remote, "sent": told.sent, "updated_at": told.as_of}

        def work(connection: sa.Connection) -> None:
            if connection.execute(_tracked.update().where(*self._row(key)).values(values)).rowcount == 0:
                connection.execute(_tracked.insert().values(backend=self._backend, run=key, **values))

        transact(self._engine, work)

    def forget(self, key: str) -> None:
        """Forget what the tracker was told: it is told anew."""
        transact(self._engine, lambda connection: connection.execute(_tracked.delete().where(*self._row(key))))

    def _row(self, key: str) -> tuple[Any, ...]:
        return _tracked.c.backend == self._backend, _tracked.c.run == key
