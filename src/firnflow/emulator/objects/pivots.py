"""PIVOT … IN (ANY): the values that there are, asked for before the query.

https://docs.snowflake.com/en/sql-reference/constructs/pivot#parameters
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator.engine import trees

if TYPE_CHECKING:
    from firnflow.emulator.session import Session


def put(session: Session, tree: Any, binds: list[Any]) -> None:
    """Put the values that a column has in the places of ANY, and of a query of them.

    Args:
        session: whose statement.
        tree: the statement; it is changed.
        binds: the values of its `?`; where there is such a PIVOT they are put into the tree.
    """
    from sqlglot import exp

    for pivot in list(tree.find_all(exp.Pivot)):
        for field in pivot.args.get("fields") or []:
            items = field.expressions
            if len(items) == 1 and isinstance(items[0], exp.PivotAny | exp.Select):
                trees.bind(tree, binds)
                values = _values(session, pivot, field)
                field.set("expressions", [exp.convert(each) for each in values])


def _values(session: Session, pivot: Any, field: Any) -> list[Any]:
    from sqlglot import exp

    from firnflow.emulator.objects.selects import prepared  # which calls `put`

    (wanted,) = field.expressions
    if isinstance(wanted, exp.PivotAny):
        source = pivot.parent.copy()
        source.set("pivots", None)
        query = exp.select(field.this.copy()).distinct().from_(source).order_by(field.this.copy())
        if wanted.this is not None:
            query = query.order_by(*(each.copy() for each in wanted.this.expressions), append=False)
    else:
        query = wanted.copy()
    trees.see(query, pivot)
    found = session.engine.run(prepared(session, query, []), []).table
    return [each for each in found.columns[0].to_pylist() if each is not None]
