"""What waits to be told to people: written down in the state, sent by `stores.delivery`, kept as long as it is news."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from firnflow.stores.state import schema
from firnflow.stores.state.records import from_row
from firnflow.stores.state.transaction import add, reading, transact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.stores.state.state import State

_outbox = schema.outbox


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be told.

    Attributes:
        id: its number.
        topic: what kind of thing.
        key: what tells it from others of the topic: it is told once.
        payload: as JSON.
        created_at: seconds since 1970; `next_at`: not to be sent before; `sent_at`: None while it waits.
        tries: how often sending failed.
        error: why, the last time.
    """

    id: int
    topic: str
    key: str
    payload: dict[str, Any]
    created_at: float
    next_at: float
    tries: int
    sent_at: float | None
    error: str | None


class Outbox:
    """The messages of one topic in a state database."""

    def __init__(self, state: State, topic: str) -> None:
        self._engine, self._topic = state.engine, topic

    def add(self, key: str, payload: dict[str, Any], next_at: float | None = None) -> bool:
        """Write a message down; return whether it was not there yet."""
        now = time.time()
        row = {"topic": self._topic, "key": key, "payload": payload, "created_at": now, "tries": 0}

        def work(connection: sa.Connection) -> bool:
            message = {**row, "next_at": now if next_at is None else next_at}
            return add(connection, _outbox, message, key=("topic", "key"))

        return transact(self._engine, work)

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys that have been written down."""
        query = sa.select(_outbox.c.key).where(_outbox.c.topic == self._topic, _outbox.c.key.in_(list(keys)))
        with reading(self._engine) as connection:
            return set(connection.execute(query).scalars())

    def waiting(self) -> list[Message]:
        """Return what has not been sent, the oldest first."""
        return self._where(_outbox.c.sent_at.is_(None))

    def sent_since(self, moment: float) -> list[Message]:
        """Return what has been sent since then, the oldest first."""
        return self._where(_outbox.c.sent_at >= moment)

    def mark_sent(self, ids: Iterable[int], error: str | None = None) -> None:
        """Write down that messages need not be sent any more: they were, or (`error`) they never will be."""
        self._update(ids, {"sent_at": time.time(), "error": error})

    def postpone(self, ids: Iterable[int], next_at: float, error: str | None = None) -> None:
        """Write down when messages are to be tried next, and why they were not taken; no error: it was not tried."""
        failed = {"error": error, "tries": _outbox.c.tries + 1} if error is not None else {}
        self._update(ids, {"next_at": next_at, **failed})

    def forget(self, before: float) -> None:
        """Delete what was sent before a moment."""
        old = (_outbox.c.topic == self._topic, _outbox.c.sent_at < before)
        transact(self._engine, lambda connection: connection.execute(_outbox.delete().where(*old)))

    def _where(self, condition: sa.ColumnElement[bool]) -> list[Message]:
        query = sa.select(_outbox).where(_outbox.c.topic == self._topic, condition).order_by(_outbox.c.id)
        with reading(self._engine) as connection:
            return [from_row(Message, row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - public there

    def _update(self, ids: Iterable[int], values: dict[str, Any]) -> None:
        some = list(ids)
        statement = _outbox.update().where(_outbox.c.id.in_(some)).values(values)
        transact(self._engine, lambda connection: connection.execute(statement))
