"""Holds a table in Snowflake against its rules there, so that its rows stay where they are as long as none breaks one.

What breaks a rule is asked by Ibis. Where some rows do, or a rule cannot be asked so (a pattern, whose language is
another there; a drift; a bound that rounding might move), None is the answer: rows are fetched, and DuckDB judges them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from firnflow.stores.checks import statement
from firnflow.stores.checks.judge import judge as by_rows
from firnflow.stores.checks.rows import keys_of
from firnflow.stores.checks.subject import of_table, problems
from firnflow.stores.checks.whole import by_severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import ibis

    from firnflow.graph.rules import Checks, ColumnRules
    from firnflow.stores.checks.judge import Circumstances, Judgement
    from firnflow.stores.checks.statement import Measured
    from firnflow.stores.checks.subject import Field, Subject
    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse

_COUNT = "firnflow_count"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


class _NotThereError(Exception):
    """A rule cannot be asked in Snowflake."""


def judge(
    warehouse: SnowflakeWarehouse, rows: ibis.Table, name: str, done: str, checks: Checks, about: Circumstances
) -> Judgement | None:
    """Check a table in Snowflake; return what was found where no row breaks a rule, else None.

    Args:
        warehouse: where the table is.
        rows: the table.
        name: what it is called.
        done: what was not done where a rule of the whole table is broken.
        checks: the rules.
        about: what they ask for besides; its tables are in Snowflake too, or None is the answer.

    Raises:
        ConfigError: a rule does not fit its column.
    """
    if not warehouse.is_elsewhere(*about.tables.values()):
        return None
    connection, empty = warehouse.embedded.connection, warehouse.without_rows
    subject = of_table(empty(rows), connection, name, done)
    shapes = replace(about, tables={each: empty(table) for each, table in about.tables.items()})
    if any(wanted.drift for _, _, wanted in checks.by_severity()):
        return None
    by_rows(connection, subject, checks, shapes)  # of no rows: rules that do not fit are told before anything is asked
    known = _measured(warehouse, rows, subject, checks, about.tables)
    return by_rows(connection, subject, checks, shapes, known) if known is not None else None


def _measured(
    warehouse: SnowflakeWarehouse, table: ibis.Table, subject: Subject, checks: Checks, tables: Mapping[str, ibis.Table]
) -> Measured | None:
    """Return how many rows there are and the newest values, where no row breaks a rule; else None."""
    without = problems(subject, checks)
    fresh = dict.fromkeys(
        rules.fresh.column for rules, _ in by_severity(checks) if rules.fresh and rules.fresh.column not in without
    )
    try:
        flags = list(_flags(table, subject, checks, without))
        counted = list(_counted(table, checks, without, tables))
    except _NotThereError:
        return None
    sums = {f"broken{at}": flag.sum() for at, flag in enumerate(flags)}
    newest = {f"newest{at}": table[name].max() for at, name in enumerate(fresh)}
    one = warehouse.bring(table.aggregate(rows=table.count(), **sums, **newest))
    (row,) = one.to_pyarrow().to_pylist()
    if any(row[name] for name in sums) or any(map(warehouse.count, counted)):
        return None
    connection = warehouse.embedded.connection
    times = one.select(**{name: one[f"newest{at}"] for at, name in enumerate(fresh)}, **{_COUNT: one["rows"]})
    found = statement.measure(connection, of_table(times, connection, subject.name), (), list(fresh))
    return statement.Measured(row["rows"], 0, (), found.newest)


def _flags(table: ibis.Table, subject: Subject, checks: Checks, without: Collection[str]) -> Iterator[Any]:
    """Yield for each rule that a row breaks by itself whether it does; null, or false: it does not."""
    for name, _, wanted in checks.by_severity():
        there = subject.field(name)
        if name in without or there is None:
            continue
        if wanted.pattern is not None:
            raise _NotThereError
        column = table[name]
        if not wanted.null:
            yield column.isnull()
        if wanted.min is not None:
            yield column < _bound(there[1], wanted.min)
        if wanted.max is not None:
            yield column > _bound(there[1], wanted.max)
        if wanted.values is not None:
            yield column.notin(_values(there[1], wanted))


def _bound(field: Field, bound: Any) -> Any:
    if isinstance(bound, dt.datetime):
        is_same = field.type == "TIMESTAMP" and bound.tzinfo is None
    elif isinstance(bound, dt.date):
        is_same = field.type == "DATE"
    elif isinstance(bound, float):
        is_same = field.type == "DOUBLE"
    else:
        is_same = field.type in (*_WHOLE, "DOUBLE") or field.type.startswith("DECIMAL")
    if not is_same:
        raise _NotThereError
    return bound


def _values(field: Field, wanted: ColumnRules) -> list[Any]:
    values = list(wanted.values or ())
    if field.is_text:
        return [str(each) for each in values]
    if field.type not in _WHOLE or not all(type(each) is int for each in values):
        raise _NotThereError
    return values


def _counted(
    table: ibis.Table, checks: Checks, without: Collection[str], tables: Mapping[str, ibis.Table]
) -> Iterator[ibis.Table]:
    """Yield for each rule that a row breaks by what is in others the rows, or keys, that do."""
    for names, _ in keys_of(checks):
        if not set(names).intersection(without):
            there = table.filter(reduce(and_, (table[name].notnull() for name in names)))
            twice = there.group_by(list(names)).aggregate(**{_COUNT: there.count()})
            yield twice.filter(twice[_COUNT] > 1)
    for name, _, wanted in checks.by_severity():
        if wanted.referenced is not None and name not in without:
            other, column = wanted.referenced
            known = tables[other]
            keys = known.filter(known[column].notnull()).select(**{_COUNT: known[column]}).distinct()
            rows = table.filter(table[name].notnull())
            yield rows.anti_join(keys, rows[name] == keys[_COUNT])
