"""Whole numbers of up to 38 digits, and moments of nanoseconds, as far as DuckDB has them.

https://docs.snowflake.com/en/sql-reference/data-types-numeric: NUMBER is NUMBER(38, 0), which is a HUGEINT here; INT
and its like, there the same, are of 64 bits.
https://docs.snowflake.com/en/sql-reference/data-types-datetime#timestamp: TIMESTAMP_NTZ of 7 to 9 digits is a
TIMESTAMP_NS, of the years 1678 to 2262; other moments are of microseconds.
"""

from __future__ import annotations

from typing import Any

_PLUS, _MINUS, _SMALL = "_firnflow_plus", "_firnflow_minus", "_firnflow_small"
_DIVISOR, _WHOLE = "_firnflow_divisor", "_firnflow_whole"
_NANOSECONDS = range(7, 10)
_COUNTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Round", ("decimals",)),
    ("Substring", ("start", "length")),
    ("Left", ("expression",)),
    ("Right", ("expression",)),
    ("Repeat", ("times",)),
    ("Pad", ("expression",)),
    ("SplitPart", ("part_index",)),
    ("StrPosition", ("position",)),
    ("Stuff", ("start", "length")),
    ("Space", ("this",)),
    ("ArraySlice", ("start", "end")),
    ("GetExtract", ("expression",)),
    ("DateAdd", ("expression",)),
    ("AddMonths", ("expression",)),
    ("DateFromParts", ("year", "month", "day")),
    ("TimeFromParts", ("hour", "min", "sec")),
    ("TimestampFromParts", ("year", "month", "day", "hour", "min")),
    ("Lag", ("offset",)),
    ("Lead", ("offset",)),
    ("NthValue", ("offset",)),
    ("Ntile", ("this",)),
)
"""Arguments that count something, which DuckDB takes in 64 or 32 bits only."""

MACROS = (f"CREATE MACRO {_SMALL}(count) AS count::INTEGER",)
"""A count as DuckDB's ROUND takes it."""
ONCE = {
    _WHOLE: """(given) AS CASE WHEN typeof(given) IN ('DOUBLE', 'FLOAT')
        THEN round(given::DOUBLE)::HUGEINT ELSE given::HUGEINT END""",
    _DIVISOR: "(b) AS CASE WHEN b = 0 THEN error('Division by zero') ELSE b END",
    _PLUS: "(a, b) AS a + b, (a DATE, b HUGEINT) AS a + b::INTEGER",
    _MINUS: "(a, b) AS a - b, (a DATE, b HUGEINT) AS a - b::INTEGER",
}
"""A whole number, what something can be divided by, sums of dates and days."""


def as_duckdb(tree: Any) -> None:
    """Give types and arguments of a tree the sizes that DuckDB has for them."""
    _wholes(tree)
    _quotients(tree)
    _sums(tree)
    _counts(tree)
    _moments(tree)
    _types(tree)


def _types(tree: Any) -> None:
    from sqlglot import exp

    sort = exp.DataType.Type
    for node in list(tree.find_all(exp.DataType)):
        sizes = [str(each.name) for each in node.expressions]
        if node.this == sort.DECIMAL and sizes in ([], ["38"], ["38", "0"]):
            _put(node, sort.INT128)
        elif node.this in (sort.TIMESTAMPNTZ, sort.TIMESTAMP) and sizes and int(sizes[0]) in _NANOSECONDS:
            _put(node, sort.TIMESTAMP_NS)


def _put(node: Any, sort: Any) -> None:
    from firnflow.emulator.engine.trees import change

    change(node, this=sort, expressions=[])


def _moments(tree: Any) -> None:
    """Keep nanoseconds of `TO_TIMESTAMP_NTZ(n, 9)`.

    https://docs.snowflake.com/en/sql-reference/functions/to_timestamp
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.UnixToTime)):
        target, scale = node.args.get("target_type"), node.args.get("scale")
        zoned = target is not None and target.this in (exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMESTAMPTZ)
        if scale is None:
            continue
        count = exp.cast(node.this, "bigint", copy=False)
        if not zoned and str(scale.name) == "9":
            node.replace(exp.Anonymous(this="MAKE_TIMESTAMP_NS", expressions=[count]))
        else:
            node.set("this", count)


def _counts(tree: Any) -> None:
    from sqlglot import exp

    for name, keys in _COUNTS:
        for node in list(tree.find_all(getattr(exp, name))):
            for key in keys:
                _counted(node, key, small=name in ("Round", "Pad"))
    for node in list(tree.find_all(exp.Bracket)):
        if isinstance(node.expressions[0], exp.Column):
            node.set("expressions", [exp.cast(node.expressions[0], "bigint", copy=False)])


def _counted(node: Any, key: str, *, small: bool) -> None:
    from sqlglot import exp

    count = node.args.get(key)
    if isinstance(count, exp.Column | exp.Binary | exp.Cast | exp.Func | exp.Paren):
        whole = exp.cast(count, "bigint", copy=False)
        node.set(key, exp.Anonymous(this=_SMALL, expressions=[whole]) if small else whole)
        if key == "decimals":
            node.set("this", exp.cast(node.this, "double", copy=False))  # DuckDB has to know a decimal's digits


def _wholes(tree: Any) -> None:
    """Round halves away from zero, as there, where a double becomes a whole number: DuckDB takes the next even one.

    https://docs.snowflake.com/en/sql-reference/data-type-conversion
    """
    from sqlglot import exp

    sort = exp.DataType.Type
    for node in reversed(list(tree.find_all(exp.Cast))):
        is_whole = node.to.this in exp.DataType.INTEGER_TYPES or (
            node.to.this == sort.DECIMAL
            and [str(each.name) for each in node.to.expressions] in ([], ["38"], ["38", "0"])
        )
        if (
            is_whole
            and not _is_place(node.this)
            and not isinstance(node, exp.TryCast)
            and not isinstance(node.this, exp.Literal | exp.Placeholder)
        ):
            node.set("this", exp.Anonymous(this=_WHOLE, expressions=[node.this]))


def _is_place(node: Any) -> bool:
    """Return whether this reads a column by its place, `#1`, which no macro takes."""
    from sqlglot import exp

    return any(str(each.this).startswith("#") for each in node.find_all(exp.Var))


def _quotients(tree: Any) -> None:
    """Let a division by zero fail: https://docs.snowflake.com/en/sql-reference/operators-arithmetic."""
    from sqlglot import exp

    for node in reversed(list(tree.find_all(exp.Div, exp.Mod))):
        if not isinstance(node.expression, exp.Literal) or not node.expression.to_py():
            node.set("expression", exp.Anonymous(this=_DIVISOR, expressions=[node.expression]))


def _sums(tree: Any) -> None:
    """Let a date and a NUMBER be added: https://docs.snowflake.com/en/sql-reference/operators-arithmetic."""
    from sqlglot import exp

    for node in reversed(list(tree.find_all(exp.Add, exp.Sub))):  # those inside before those around
        sides = [node.left, node.right]
        unfit = exp.Interval | exp.Literal | exp.Placeholder | exp.Query  # whose types DuckDB does not know yet
        if not any(isinstance(each, unfit) or each.find(exp.Window, exp.AggFunc, exp.Query) for each in sides):
            name = _PLUS if isinstance(node, exp.Add) else _MINUS
            node.replace(exp.Anonymous(this=name, expressions=sides))
