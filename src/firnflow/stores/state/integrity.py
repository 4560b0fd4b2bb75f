"""Looks through a state database for damage: for `firnflow doctor`. SQLite sees a part of it only when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from firnflow.errors import StateError
from firnflow.stores.state.records import DAMAGED
from firnflow.stores.state.transaction import reading

if TYPE_CHECKING:
    from firnflow.stores.state.state import State

_RUNS = 200


def check(state: State) -> None:
    """Check that a database hangs together, and that its newest runs can be read whole.

    Raises:
        StateError: it is damaged; says where.
    """
    if state.engine.dialect.name == "sqlite":
        with reading(state.engine) as connection:
            found = connection.execute(sa.text("PRAGMA integrity_check(1)")).scalar_one()
        if found != "ok":
            raise StateError(DAMAGED.format(found))
    for run in state.runs(limit=_RUNS):
        state.graph_json(run.graph)
        state.attempts(run.id)
