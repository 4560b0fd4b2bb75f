"""Functions of VARIANTs, and some others, that fakesnow and DuckDB have not, or have otherwise.

https://docs.snowflake.com/en/sql-reference/functions-semistructured
"""

from __future__ import annotations

from typing import Any

from firnflow.emulator.engine import trees
from firnflow.emulator.engine.arrays import LIST

_KIND, _BINARY, _SPLIT = "_firnflow_kind", "_firnflow_binary", "_firnflow_split"
_INSERTED = "_firnflow_inserted"
_ALL_OF_64_BITS = 2**64 - 2**11
"""The largest double such that its half, on either side of zero, is of 64 bits."""
MACROS = (
    f"CREATE MACRO {_BINARY}(given VARCHAR) AS unhex(given), (given BLOB) AS given",
    f"""CREATE MACRO {_SPLIT}(given, parts) AS TABLE
        SELECT hash(given) >> 1 AS "SEQ", unnest(range(1, len(parts) + 1)) AS "INDEX", unnest(parts) AS "VALUE" """,
)
ONCE = {
    _KIND: """(given) AS CASE WHEN given IS NOT NULL THEN CASE json_type(to_json(given))
        WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'BIGINT' THEN 'INTEGER' WHEN 'HUGEINT' THEN 'INTEGER'
        WHEN 'DOUBLE' THEN 'DECIMAL' WHEN 'NULL' THEN 'NULL_VALUE' ELSE json_type(to_json(given)) END END""",
    _INSERTED: """(given, key, value, updates) AS CASE
        WHEN given IS NULL THEN NULL
        WHEN NOT updates AND list_contains(json_keys(to_json(given)), key)
        THEN error('Duplicate field key ''' || key || '''')
        ELSE to_json(map_from_entries(list_concat(
            list_filter(map_entries(from_json(to_json(given), '"MAP(VARCHAR, JSON)"')),
                lambda entry: entry.key IS DISTINCT FROM key),
            CASE WHEN key IS NULL OR value IS NULL THEN [] ELSE [{key: key, value: to_json(value)}] END))) END""",
}
"""What a variant holds, and OBJECT_INSERT: https://docs.snowflake.com/en/sql-reference/functions/object_insert ."""


def as_duckdb(tree: Any) -> None:
    """Put what DuckDB runs in the places of these functions."""
    from sqlglot import exp

    known = (exp.Cast, exp.Typeof, exp.ToBinary, exp.ObjectInsert, exp.Anonymous, exp.TableFromRows)
    for node in reversed(list(tree.find_all(*known))):  # what is within others first
        made = _cast(node) if type(node) is exp.Cast else _function(node)
        if made is not None:
            node.replace(made)
    _mixed(tree)
    _random(tree)
    for node in list(tree.find_all(exp.RegexpReplace)):
        _plain_replace(node)
    for node in list(tree.find_all(exp.CurrentDate)):
        if node.this is None:  # CURRENT_DATE would be a column that is called so
            node.replace(exp.Anonymous(this="TODAY"))
    _sketches(tree)
    _sets(tree)


def _mixed(tree: Any) -> None:
    """Let an array have values of several types; DuckDB's lists are of one type each."""
    from sqlglot import exp

    for node in reversed(list(tree.find_all(exp.Array))):
        kinds = {each.is_string for each in node.expressions if isinstance(each, exp.Literal)}
        if len(kinds) > 1:
            node.replace(exp.Anonymous(this="JSON_ARRAY", expressions=[each.copy() for each in node.expressions]))


def _random(tree: Any) -> None:
    """Let random numbers be whole where that is asked for or they are of 64 bits, and seeds be such as DuckDB takes.

    https://docs.snowflake.com/en/sql-reference/functions/random
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Uniform)):
        node.replace(_uniform(node))
    for node in list(tree.find_all(exp.Rand)):
        if isinstance(node.this, exp.Literal):  # DuckDB takes what fakesnow makes of 31 bits
            node.set("this", exp.Literal.number(int(node.this.this) % 2**31))
        elif node.this is None:  # fakesnow would make one of each SELECT so, again for each SELECT around it
            centred = exp.Paren(this=exp.Anonymous(this="RANDOM") - exp.Literal.number("0.5"))
            node.replace(exp.cast(exp.Paren(this=centred * exp.Literal.number(_ALL_OF_64_BITS)), "bigint"))


def _sets(tree: Any) -> None:
    """Let arrays that are compared value by value be of VARIANTs, as they are there: DuckDB's are of one type each.

    https://docs.snowflake.com/en/sql-reference/functions/array_intersection
    """
    from sqlglot import exp

    def items(node: Any) -> Any:
        if isinstance(node, exp.Array):  # of values of any types
            node = exp.Anonymous(this="JSON_ARRAY", expressions=[each.copy() for each in node.expressions])
        return exp.Anonymous(this=LIST, expressions=[node.copy()])

    for node in list(tree.find_all(exp.ArrayExcept, exp.ArrayIntersect)):
        if isinstance(node, exp.ArrayExcept):
            trees.change(node, this=items(node.this), expression=items(node.expression))
        else:
            trees.change(node, expressions=[items(each) for each in node.expressions])
        node.replace(exp.Anonymous(this="TO_JSON", expressions=[node.copy()]))


def _cast(node: Any) -> Any:
    """Return a cast to BINARY; None: it is another one."""
    from sqlglot import exp

    is_binary = node.to.this == exp.DataType.Type.BINARY
    return exp.Anonymous(this=_BINARY, expressions=[node.this.copy()]) if is_binary else None


def _function(node: Any) -> Any:
    """Return a function as DuckDB has it; None: it is another one."""
    from sqlglot import exp

    if isinstance(node, exp.Typeof):
        return exp.Anonymous(this=_KIND, expressions=[node.this.copy()])
    if isinstance(node, exp.ToBinary):
        is_hex = node.args.get("format") is None or str(node.args["format"].this).upper() == "HEX"
        return exp.Anonymous(this=_BINARY, expressions=[node.this.copy()]) if is_hex else None
    if isinstance(node, exp.TableFromRows):
        return _split(node)
    if isinstance(node, exp.ObjectInsert):
        given = [node.this, node.args["key"], node.args["value"], node.args.get("update_flag") or exp.false()]
        return exp.Anonymous(this=_INSERTED, expressions=[each.copy() for each in given])
    if str(node.this).upper() != "OBJECT_DELETE":
        return None
    found, *keys = node.expressions
    nulls = [exp.Null() if at % 2 else each.copy() for key in keys for at, each in enumerate((key, key))]
    patch = exp.Anonymous(this="JSON_OBJECT", expressions=nulls)
    return exp.Anonymous(this="JSON_MERGE_PATCH", expressions=[found.copy(), patch])


def _uniform(node: Any) -> Any:
    """Return a random number between two; a whole one where both are, whatever type says so.

    https://docs.snowflake.com/en/sql-reference/functions/uniform
    """
    from sqlglot import exp

    least, most = node.this.copy(), node.expression.copy()
    random = exp.Anonymous(this="RANDOM")
    if not all(_is_whole(each) for each in (least, most)):
        return exp.Paren(this=least + random * exp.Paren(this=most - least.copy()))
    count = exp.Paren(this=most - least.copy() + exp.Literal.number(1))
    return exp.cast(exp.Anonymous(this="FLOOR", expressions=[least + random * count]), "bigint")


def _is_whole(node: Any) -> bool:
    from sqlglot import exp

    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(*exp.DataType.INTEGER_TYPES))
    return bool(node.this.is_int if isinstance(node, exp.Neg | exp.Paren) else node.is_int)


def _split(node: Any) -> Any:
    """Return SPLIT_TO_TABLE as a table macro.

    https://docs.snowflake.com/en/sql-reference/functions/split_to_table
    """
    from sqlglot import exp

    call = node.this
    if not isinstance(call, exp.Anonymous) or str(call.this).upper() != "SPLIT_TO_TABLE" or len(call.expressions) != 2:
        return None
    parts = exp.Anonymous(this="STR_SPLIT", expressions=[each.copy() for each in call.expressions])
    made = exp.Anonymous(this=_SPLIT, expressions=[call.expressions[0].copy(), parts])
    return exp.Table(this=made, alias=node.args.get("alias"))


def _plain_replace(node: Any) -> None:
    """Leave out what says of REGEXP_REPLACE only what holds anyway: all occurrences, from the first letter on.

    https://docs.snowflake.com/en/sql-reference/functions/regexp_replace
    """
    usual = {"position": "1", "occurrence": "0", "modifiers": "c"}
    if all(node.args.get(key) is None or str(node.args[key].this) == value for key, value in usual.items()):
        for key in usual:
            node.set(key, None)


def _sketches(tree: Any) -> None:
    """Keep all values where Snowflake keeps a sketch of them, from which percentiles are estimated.

    https://docs.snowflake.com/en/sql-reference/functions/approx_percentile_accumulate
    """
    from sqlglot import exp

    def call(name: str, *given: Any) -> Any:
        return exp.Anonymous(this=name, expressions=list(given))

    def numbers(node: Any) -> Any:
        return call("FROM_JSON", node.copy(), exp.Literal.string('["DOUBLE"]'))

    for node in list(tree.find_all(exp.ApproxPercentileAccumulate)):
        node.replace(call("TO_JSON", call("LIST", exp.cast(node.this.copy(), "double"))))
    for node in list(tree.find_all(exp.ApproxPercentileCombine)):
        node.replace(call("TO_JSON", call("FLATTEN", call("LIST", numbers(node.this)))))
    for node in list(tree.find_all(exp.ApproxPercentileEstimate)):
        wanted = (exp.Literal.string("quantile_cont"), node.args["percentile"].copy())
        node.replace(call("LIST_AGGREGATE", numbers(node.this), *wanted))
