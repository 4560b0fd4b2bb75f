"""The course of metrics: every value that a task has logged, written with its attempt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from firnflow.context import Point
from firnflow.stores.state import schema
from firnflow.stores.state.transaction import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firnflow.stores.state.state import State

_metric, _attempt = schema.metric, schema.attempt


def add(connection: sa.Connection, attempt_id: int, points: Sequence[Point]) -> None:
    """Write the points of an attempt, in the transaction that ends it."""
    of = (_attempt.c.run, _attempt.c.task, _attempt.c.element)
    row = connection.execute(sa.select(*of).where(_attempt.c.id == attempt_id)).one()
    about = {"run": row.run, "attempt": attempt_id, "task": row.task, "element": row.element}
    connection.execute(_metric.insert(), [{**about, **_values(point)} for point in points])


def history(state: State, run_id: str, attempts: Iterable[int] | None = None) -> dict[int, list[Point]]:
    """Return the points of a run's attempts as they were logged, by the attempt's id.

    Args:
        state: the state.
        run_id: the run.
        attempts: ids of some of its attempts; None: of all.
    """
    wanted = None if attempts is None else set(attempts)
    query = sa.select(_metric).where(_metric.c.run == run_id).order_by(_metric.c.id)
    if wanted is not None and len(wanted) < 100:
        query = query.where(_metric.c.attempt.in_(wanted))
    found: dict[int, list[Point]] = {}
    with reading(state.engine.execution_options(reads=True)) as connection:
        for row in connection.execute(query):
            if wanted is None or row.attempt in wanted:
                value = math.nan if row.value is None else row.value
                found.setdefault(row.attempt, []).append(Point(row.name, value, row.step, row.at))
    return found


def _values(point: Point) -> dict[str, Any]:
    value = None if math.isnan(point.value) else point.value  # SQLite has no NaN
    return {"name": point.name, "step": point.step, "value": value, "at": point.at}
