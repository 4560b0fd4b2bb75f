"""Queries: what they read is checked, what only Snowflake has is put in its place, and DuckDB runs the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator.engine import calls, positions, trees
from firnflow.emulator.objects import history, hybrid, pivots, relations, sequences, streams
from firnflow.emulator.objects.warehouses import need_warehouse
from firnflow.emulator.registry import statement
from firnflow.emulator.stages import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


@statement("SELECT", "sql-reference/sql/select")
def _select(session: Session, given: Statement) -> Result:
    tree, binds = trees.parsed(given.text), list(given.binds)
    headed(tree)
    try:
        hybrid.lock_rows(session, tree)
        return session.engine.run(prepared(session, tree, binds), binds)
    finally:
        session.transaction.settled()


def columns(session: Session, given: Statement) -> Result:
    """Return the columns of a query, without rows."""
    from sqlglot import exp

    tree, binds = trees.parsed(given.text), list(given.binds)
    headed(tree)
    made = prepared(session, tree, binds, asks=True)
    if not isinstance(made, exp.Select) or made.args.get("limit") is not None:  # a limit may be one of the binds
        made = exp.select("*").from_(exp.Subquery(this=made))
    return session.engine.run(made.limit(0), binds)


def prepared(
    session: Session,
    tree: Any,
    binds: list[Any],
    writes: Mapping[int, Sequence[str]] | None = None,
    *,
    runs: bool = True,
    asks: bool = False,
) -> Any:
    """Return a statement as the engine can run it.

    Args:
        session: whose.
        tree: the statement; it is changed.
        binds: the values of its `?`; those that are not needed any more are taken out.
        writes: as of `relations.checked`.
        runs: whether it is going to be run: if not, it needs no warehouse, and calls no function that does something.
        asks: whether only its columns are asked for.

    Raises:
        SnowflakeError: it names what is not there or not allowed.
    """
    relations.named(tree, binds)
    history.travelled(session, tree)
    reading.staged(session, tree)
    _of_users(session, tree, binds, is_empty=asks or not runs)
    pivots.put(session, tree, binds)
    sequences.put(session, tree)
    streams.put(session, tree)
    positions.named(tree)
    read = relations.checked(session, tree, writes)
    if runs and (read or writes):
        need_warehouse(session)
    return calls.answered(session, tree, binds, runs=runs)


def _of_users(session: Session, tree: Any, binds: list[Any], *, is_empty: bool) -> None:
    """Put what runs them in the places of users' functions."""
    from firnflow.emulator.programs import calling, tables  # whose statements read queries themselves

    tables.put(session, tree, binds, is_empty=is_empty)
    calling.put(session, tree, binds)


def headed(tree: Any) -> None:
    """Name the columns of a query that it does not name itself by their text, as Snowflake does."""
    from sqlglot import exp

    while isinstance(tree, exp.SetOperation):
        tree = tree.this
    if not isinstance(tree, exp.Select):
        return
    for item in list(tree.expressions):
        if not isinstance(item, exp.Alias | exp.Column | exp.Star | exp.Parameter | exp.Aliases):
            text = item.sql(dialect="snowflake", normalize_functions="upper")
            item.replace(exp.alias_(item.copy(), text if isinstance(item, exp.Literal) else text.upper(), quoted=True))
