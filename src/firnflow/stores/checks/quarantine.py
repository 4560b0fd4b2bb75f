"""Rows that break a rule are kept in a named table beside the one that they were meant for.

It has the same columns for every table: what a row was is one JSON text, so that no row is too odd to be kept, and
columns that change their type do not get in the way.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import ibis

from firnflow import values
from firnflow._sql import literal
from firnflow.stores.checks import statement
from firnflow.stores.tables import publish as publishing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.stores.checks.judge import Judgement
    from firnflow.stores.checks.rows import Rule
    from firnflow.stores.checks.subject import Field, Subject
    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.tables.publish import Wish

SUFFIX = "_quarantine"
_LONGEST_NAME = 100
_PLACED = 100_000
"""Of how many rows the lines are looked for: that reads the file once more."""


def name_of(table: str) -> str:
    """Return the name of the quarantine table of a table."""
    return f"{table[: _LONGEST_NAME - len(SUFFIX)]}{SUFFIX}"


def keep(tables: TablesLike, found: Judgement, wish: Wish, at: float) -> str:
    """Append the rows that break a rule that stops to the quarantine table, and return its name.

    A task keeps the same rows once, however often it runs; within a run, other rows take the place of what it has kept.

    Args:
        tables: where to.
        found: what the checks have found.
        wish: who publishes; table, mode and what tells rows apart are set here.
        at: when the run started, in seconds since 1970: it stands with each row.

    Raises:
        MissingExtraError: pyiceberg is not installed.
        StoreError: they cannot be kept.
    """
    import dataclasses

    stores = tables.stores.embedded
    con = stores.warehouse.embedded.connection.con
    tables.make()
    placed = f"firnflow_places_{uuid.uuid4().hex[:12]}"
    con.register(placed, _places(con, found))
    try:
        rows = values.save(stores.warehouse.sql(_rows(found, placed), {}), ibis.Table, stores)
    finally:
        con.unregister(placed)
    when = f"make_timestamptz({round(at * 1e6)}) AS quarantined_at"
    named = f"{literal(wish.run)} AS run, {literal(wish.task)} AS task, {when}"
    kept: ibis.Table = values.load(rows, ibis.Table, stores)
    whole = values.save(stores.warehouse.sql(f"SELECT {named}, * FROM kept", {"kept": kept}), ibis.Table, stores)
    name = name_of(found.subject.name)
    publishing.publish(tables, whole, dataclasses.replace(wish, table=name, mode="append", identity=rows.digest))
    return name


def _rows(found: Judgement, placed: str) -> str:
    subject, rules = found.subject, found.rules
    row = ", ".join(f"{literal(field.name)}: {_plain(field)}" for field in subject.fields)
    reasons = f"list_filter([{', '.join(_reasons(rules))}], reason -> reason IS NOT NULL)"
    # A join by an equation: DuckDB compares a subquery by this place with each row in turn.
    rows = f"SELECT *, {subject.place or 'NULL::BIGINT'} AS stands_at FROM ({statement.bad_rows(subject, rules)})"
    return (
        f"SELECT said AS place, {reasons} AS reasons, to_json({{{row}}})::VARCHAR AS row "
        f"FROM ({rows}) LEFT JOIN {placed} ON {placed}.place = stands_at"
    )


def _plain(field: Field) -> str:
    """Return what stands in a row as JSON can have it: there are no NaN and no infinities in it."""
    shown = field.shown
    if field.type not in {"DOUBLE", "FLOAT"} or field.value != shown:  # a text that stands for one is a text
        return shown
    return f"CASE WHEN isfinite({shown}) THEN to_json({shown}) ELSE to_json({shown}::VARCHAR) END"


def _reasons(rules: Sequence[Rule]) -> list[str]:
    return [
        f"CASE WHEN b{at} THEN {literal(f'{rule.column} {rule.expected}')} END"
        for at, rule in enumerate(rules)
        if rule.severity == "error"
    ]


def _places(con: Any, found: Judgement) -> Any:
    """Return a table of the rows' places and what people call them; of too many rows the first."""
    import pyarrow as pa

    subject: Subject = found.subject
    if subject.place is None:
        return pa.table({"place": pa.array([], pa.int64()), "said": pa.array([], pa.string())})
    query = f"SELECT {subject.place} FROM ({statement.bad_rows(subject, found.rules)}) ORDER BY 1 LIMIT {_PLACED}"
    places = [row[0] for row in con.execute(query).fetchall()]
    return pa.table({"place": pa.array(places, pa.int64()), "said": pa.array(subject.places(places), pa.string())})
