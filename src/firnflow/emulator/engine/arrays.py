"""Functions of arrays, objects and variants, which are JSON or lists here.

https://docs.snowflake.com/en/sql-reference/functions-semistructured. What TRANSFORM counts with has to be cast there.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = "_firnflow_list"
"""Makes a list of JSON of an array."""
_NUMBERS = "('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')"

MACROS = (
    f"""CREATE MACRO {LIST}(given) AS
        list_transform(from_json(to_json(given), '["JSON"]'), lambda x: coalesce(x, 'null'::JSON))""",
    *(
        f"""CREATE MACRO {LIST}_{direction}(given) AS
        list_transform(list_sort(list_transform({LIST}(given), lambda x: {{
            number: try_cast(x ->> '$' AS DOUBLE), text: x ->> '$', found: x}}), '{direction}', 'NULLS LAST'),
        lambda x: x.found)"""
        for direction in ("ASC", "DESC")
    ),
    f"""CREATE MACRO {LIST}_flat(given) AS
        flatten(list_transform({LIST}(given), lambda x: {LIST}(x)))""",
    f"""CREATE MACRO {LIST}_text(given, divider) AS
        array_to_string(list_transform({LIST}(given), lambda x: coalesce(x ->> '$', '')), divider)""",
    "CREATE MACRO is_null_value(given) AS json_type(to_json(given)) = 'NULL'",
)
"""A value as a list of JSON, what is made of lists, and whether a variant holds null."""
ONCE = {
    name: f"(given) AS CASE WHEN json_type(to_json(given)) IN {kinds} THEN {value} END"
    for names, kinds, value in (
        (("as_varchar", "as_char"), "('VARCHAR')", "to_json(given) ->> '$'"),
        (("as_integer",), "('BIGINT', 'UBIGINT', 'HUGEINT')", "to_json(given)::HUGEINT"),
        (("as_double", "as_real"), _NUMBERS, "to_json(given)::DOUBLE"),
        (("as_boolean",), "('BOOLEAN')", "to_json(given)::BOOLEAN"),
        (("as_array",), "('ARRAY')", "to_json(given)"),
        (("as_object",), "('OBJECT')", "to_json(given)"),
    )
    for name in names
}
"""What a variant holds: NULL where it is of another type."""


def as_duckdb(tree: Any) -> None:
    """Let functions of arrays take what is a list, and what is JSON."""
    from sqlglot import exp

    _collected(tree)
    kinds = (exp.DataType.Type.VARIANT, exp.DataType.Type.ARRAY)
    changes: dict[Any, Callable[[Any], Any]] = {
        exp.ArraySlice: lambda node: _json(_of_list(node.copy())),
        exp.Transform: _of_list,
        exp.ArrayFilter: lambda node: _json(_of_list(node.copy())),
        exp.ArrayReverse: lambda node: _json(_of_list(node.copy())),
        exp.ArrayDistinct: lambda node: _json(_call("LIST_DISTINCT", _list(node.this))),
        exp.ArrayConcat: lambda node: _longer(*map(_list, (node.this, *node.expressions))),
        exp.ArrayAppend: lambda node: _longer(_list(node.this), _call("LIST_VALUE", _json(node.expression))),
        exp.ArrayPrepend: lambda node: _longer(_call("LIST_VALUE", _json(node.expression)), _list(node.this)),
        exp.SortArray: lambda node: _json(_sorted(node)),
        exp.Flatten: lambda node: _json(_call(f"{LIST}_flat", node.this)),
        exp.ArrayToString: lambda node: _call(f"{LIST}_text", node.this, node.expression),
        exp.ArrayContains: lambda node: _call("LIST_CONTAINS", _list(node.this), _json(node.expression)),
        exp.ArrayPosition: _position,
        exp.Cast: lambda node: _json(node.this) if node.to.this in kinds else node,
    }
    for node in reversed(list(tree.find_all(*changes))):  # those inside before those around
        change = changes.get(type(node))  # TRY_CAST is a CAST too, and stays
        if change is not None and (made := change(node)) is not node:
            node.replace(made)


def _collected(tree: Any) -> None:
    """Leave NULL out of ARRAY_AGG, and make an empty array of no rows.

    https://docs.snowflake.com/en/sql-reference/functions/array_agg
    """
    from sqlglot import exp

    for node in reversed(list(tree.find_all(exp.ArrayAgg))):
        value = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
        top = node.parent if isinstance(node.parent, exp.WithinGroup) else node
        given = node.this.copy()
        if top is not node:
            given = exp.Order(this=given, expressions=top.expression.expressions)
        condition = exp.Where(this=exp.paren(value.copy()).is_(exp.null()).not_())
        made: Any = exp.Filter(this=_call("LIST", given), expression=condition)
        around = top.parent if isinstance(top.parent, exp.Window) and top.arg_key == "this" else None
        if around is not None:
            top.replace(made)
            made = around.copy()
        empty = exp.cast(exp.Literal.string("[]"), "json")
        (around or top).replace(exp.Coalesce(this=_json(made), expressions=[empty]))


def _call(name: str, *arguments: Any) -> Any:
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=list(arguments))


def _list(node: Any) -> Any:
    return _call(LIST, node)


def _json(node: Any) -> Any:
    return _call("TO_JSON", node)


def _of_list(node: Any) -> Any:
    node.set("this", _list(node.this))
    return node


def _longer(*arrays: Any) -> Any:
    """Return arrays one behind the other; NULL where one of them is: DuckDB's LIST_CONCAT would leave that out."""
    from sqlglot import exp

    return _json(exp.paren(reduce(lambda one, other: exp.DPipe(this=one, expression=other), arrays), copy=False))


def _sorted(node: Any) -> Any:
    from sqlglot import exp

    ascending = node.args.get("asc")
    is_descending = isinstance(ascending, exp.Boolean) and not ascending.this
    return _call(f"{LIST}_{'DESC' if is_descending else 'ASC'}", node.this)


def _position(node: Any) -> Any:
    """The place, from 0; NULL where it is not in it."""
    from sqlglot import exp

    found = _call("LIST_POSITION", _list(node.this), _json(node.expression))
    return exp.paren(
        exp.Sub(this=exp.Nullif(this=found, expression=exp.Literal.number(0)), expression=exp.Literal.number(1))
    )
