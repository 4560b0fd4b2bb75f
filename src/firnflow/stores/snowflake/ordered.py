"""Tables in which the order of the rows counts: Snowflake keeps none, so a column numbers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis

NUMBER = "FIRNFLOW$ROW"
"""The column that has a row's number."""


def numbered(table: ibis.Table) -> ibis.Table | None:
    """Return a table whose expression sorts its rows last with one column more, which numbers them; None: it cannot.

    Steps that keep the order may follow the sorting, as in `values.tables.digest.is_ordered`.
    """
    import ibis
    from ibis.expr import operations as ops

    steps: list[Any] = []
    node: Any = table.op()
    while not isinstance(node, ops.Sort):
        if not isinstance(node, ops.Limit | ops.Project | ops.Filter | ops.DropColumns):
            return None
        steps.append(node)
        node = node.parent
    by = [key.to_expr() for key in node.keys]
    made: Any = node.parent.to_expr().mutate(**{NUMBER: ibis.row_number().over(ibis.window(order_by=by))})
    made = made.order_by(NUMBER)
    for step in reversed(steps):
        made = _again(step, made)
    numbers: ibis.Table = made
    return numbers


def _again(step: Any, table: Any) -> Any:
    """Return a step of an expression, done to another table with the same columns and one more."""
    from ibis.expr import operations as ops

    if isinstance(step, ops.Limit):
        return table.limit(step.n, offset=step.offset)
    if isinstance(step, ops.Filter):
        return table.filter([_moved(each, step, table) for each in step.predicates])
    if isinstance(step, ops.DropColumns):
        return table.drop(*(name for name in step.columns_to_drop if name != NUMBER))
    values = (_moved(value, step, table).name(name) for name, value in step.values.items() if name != NUMBER)
    return table.select(*values, NUMBER)


def _moved(value: Any, step: Any, table: Any) -> Any:
    """Return what a step computes of its table, computed of another one."""
    return value.replace({step.parent: table.op()}).to_expr()
