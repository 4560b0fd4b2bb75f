"""INSERT ALL and INSERT FIRST: rows of one query into several tables.

https://docs.snowflake.com/en/sql-reference/sql/insert-multi-table
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import changes
from firnflow.emulator.objects.selects import headed, prepared
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.emulator.session import Session

_INSERT = 0x3100


def run(session: Session, tree: Any, binds: list[Any]) -> Result:
    """Run the query once, and insert into each table the rows that it is to have: all of it, or nothing.

    Raises:
        SnowflakeError: it cannot be read, or one of the inserts has failed.
    """
    from sqlglot import exp

    query = tree.args["source"]
    headed(query)
    found = session.engine.run(prepared(session, query, binds), binds)
    source = session.engine.scratch.table(found.relation())
    counts = []
    with session.transaction.whole():
        for target, items, condition in _parts(tree):
            select = exp.select(*items or ["*"]).from_(source.copy())
            counts.append(changes.insert(session, exp.Insert(this=target, expression=select.where(condition))))
    names = [trees.name_of(part.this.this.find(exp.Table))[-1] for part in tree.expressions]
    return rows([(f"number of rows inserted into {name}", "fixed") for name in names], [counts], kind=_INSERT)


def _parts(tree: Any) -> Iterator[tuple[Any, list[Any], Any]]:
    """Yield for each INTO where to, what, and which rows; one without WHEN has that of the one before."""
    from sqlglot import exp

    is_first = str(tree.args["kind"]).upper() == "FIRST"
    before: list[Any] = []
    condition: Any = exp.true()
    for part in tree.expressions:
        if part.args.get("else_"):
            condition = exp.and_(exp.true(), *(each.copy().not_() for each in before))
        elif part.expression:
            holds = exp.Coalesce(this=part.expression.copy(), expressions=[exp.false()])
            condition = exp.and_(holds, *(each.copy().not_() for each in before if is_first))
            before.append(holds)
        values = part.this.expression
        items = values.expressions[0].expressions if isinstance(values, exp.Values) else []
        if any(isinstance(item, exp.Var) or item.name.upper() == "DEFAULT" for item in items):
            raise errors.unknown("DEFAULT in INSERT ALL", ["INSERT ALL INTO t (a) VALUES (a)"])
        yield part.this.this.copy(), [item.copy() for item in items], condition.copy()
