"""Changes to a statement's tree where fakesnow and DuckDB would read it otherwise than Snowflake."""

from __future__ import annotations

import re
from typing import Any

from firnflow.emulator import errors
from firnflow.emulator.engine import arrays, asof, flatten, numbers, once, trees, variants
from firnflow.emulator.engine.macros import MOVED, NAMES_ONCE, SHAPED, TEXT

_PARTS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MMMM": "%B",
    "MON": "%b",
    "MM": "%m",
    "DD": "%d",
    "DY": "%a",
    "HH24": "%H",
    "HH12": "%I",
    "MI": "%M",
    "SS": "%S",
    "FF6": "%f",
    "FF3": "%g",
    "AM": "%p",
    "PM": "%p",
}
"""Parts of a format: https://docs.snowflake.com/en/sql-reference/date-time-input-output"""
_WHOLE_DAYS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})


def as_meant(tree: Any) -> Any:
    """Return a tree that DuckDB understands as Snowflake understands the one that was given."""
    _keep_keys(tree)
    _without_parentheses(tree)
    _exact_sums(tree)
    _hashed_rows(tree)
    _whole_ranges(tree)
    _formatted(tree)
    asof.as_duckdb(tree)
    flatten.as_duckdb(tree)
    arrays.as_duckdb(tree)
    _trimmed(tree)
    _negated(tree)
    _as_text(tree)
    numbers.as_duckdb(tree)
    _moved(tree)
    variants.as_duckdb(tree)
    once.plain_in_defaults(tree, NAMES_ONCE)
    return tree


def _keep_keys(tree: Any) -> None:
    """Keep the keys of `{'a': 1}` as they are written: fakesnow puts names without quotes in capitals.

    https://docs.snowflake.com/en/sql-reference/data-types-semistructured#object-constants
    """
    from sqlglot import exp

    for node in tree.find_all(exp.Struct):
        for key in node.find_all(exp.PropertyEQ):
            if isinstance(key.this, exp.Identifier):
                trees.change(key.this, quoted=True)


def _without_parentheses(tree: Any) -> None:
    """Take away the parentheses around a table in FROM, which DuckDB does not read."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.Subquery)):
        if not isinstance(node.this, exp.Query):
            inner = node.this
            if node.args.get("alias") is not None:
                inner.set("alias", node.args["alias"])
            node.replace(inner)


def _exact_sums(tree: Any) -> None:
    """Keep sums of whole numbers and decimals exact: fakesnow tries to make each value a double, or else NULL.

    https://docs.snowflake.com/en/sql-reference/functions/sum. What averages and deviations are of is made a double, and
    an error where it cannot be one.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Sum)):
        node.replace(exp.Anonymous(this="SUM", expressions=[node.this]))
    for node in list(tree.find_all(exp.Avg, exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop)):
        if not isinstance(node.this, exp.Cast | exp.Distinct):
            node.set("this", exp.cast(node.this, "double"))


def _hashed_rows(tree: Any) -> None:
    """Make HASH_AGG, which DuckDB has not, of the hashes of the rows: the same for the same rows in any order.

    https://docs.snowflake.com/en/sql-reference/functions/hash_agg: 0 where there are none. `HASH_AGG(*)` is refused.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.HashAgg)):
        values = [node.this, *node.expressions]
        if any(isinstance(value, exp.Star | exp.Distinct) for value in values):
            raise errors.unknown("HASH_AGG of * or DISTINCT", ["HASH_AGG(a, b)"])
        one = exp.cast(exp.Anonymous(this="HASH", expressions=values), "int128")
        rest = exp.Mod(this=exp.Anonymous(this="SUM", expressions=[one]), expression=exp.Literal.number(2**63 - 1))
        node.replace(exp.Coalesce(this=exp.cast(rest, "bigint"), expressions=[exp.Literal.number(0)]))


def _moved(tree: Any) -> None:
    """Let dates that are moved by whole days, months or years, or cut, stay dates: DuckDB makes timestamps of them.

    https://docs.snowflake.com/en/sql-reference/functions/dateadd#returns
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.DateAdd, exp.TimeAdd, exp.Add, exp.Sub)):
        is_sum = isinstance(node, exp.Add | exp.Sub)
        unit = (node.expression if is_sum else node).args.get("unit")
        if (
            is_sum != isinstance(node.expression, exp.Interval)
            or str(unit).upper().removesuffix("S") not in _WHOLE_DAYS
        ):
            continue
        if is_sum and not str(node.expression.name).lstrip("-").isdigit():
            continue
        moment = exp.cast(node.this, "timestamp") if isinstance(node.this, exp.Null | exp.Placeholder) else node.this
        count = exp.Paren(this=node.expression.this if is_sum else node.expression)
        step = exp.Interval(this=count, unit=unit)
        node.replace(exp.Anonymous(this=MOVED, expressions=[moment, -step if isinstance(node, exp.Sub) else step]))
    for node in list(tree.find_all(exp.AddMonths, exp.TimestampTrunc, exp.DateTrunc)):
        if not isinstance(node.this, exp.Null | exp.Placeholder):
            node.replace(exp.Anonymous(this=SHAPED, expressions=[node.this.copy(), node.copy()]))


def _trimmed(tree: Any) -> None:
    """Take letters away on the sides that are meant: fakesnow takes blanks away on both.

    https://docs.snowflake.com/en/sql-reference/functions/ltrim
    """
    from sqlglot import exp

    names = {"LEADING": "LTRIM", "TRAILING": "RTRIM"}
    for node in reversed(list(tree.find_all(exp.Trim))):
        letters = [node.expression] if node.expression else []
        name = names.get(str(node.args.get("position") or ""), "TRIM")
        node.replace(
            exp.Anonymous(this=name, expressions=[exp.Anonymous(this=TEXT, expressions=[node.this]), *letters])
        )


def _as_text(tree: Any) -> None:
    """Let a text that is taken out of a VARIANT lose its quotes, wherever it comes from.

    https://docs.snowflake.com/en/user-guide/querying-semistructured#explicitly-casting-values
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Cast)):
        if node.to.this in exp.DataType.TEXT_TYPES and not isinstance(node.this, exp.Literal | exp.Placeholder):
            node.set("this", exp.Anonymous(this=TEXT, expressions=[node.this]))
    for node in reversed(list(tree.find_all(exp.ToChar))):
        if node.args.get("format") is None:
            node.replace(exp.Anonymous(this=TEXT, expressions=[node.this]))


def _negated(tree: Any) -> None:
    """Take a text behind a minus sign for the number that it is.

    https://docs.snowflake.com/en/sql-reference/data-type-conversion (implicit casting)
    """
    from sqlglot import exp

    for node in tree.find_all(exp.Neg):
        if node.this.is_string and re.fullmatch(r"\d+(\.\d+)?", node.this.name):
            node.set("this", exp.Literal.number(node.this.name))


def _whole_ranges(tree: Any) -> None:
    """Let ARRAY_GENERATE_RANGE count by any whole numbers, and ARRAY_SIZE be one from which more can be taken away.

    https://docs.snowflake.com/en/sql-reference/functions/array_generate_range (sizes have no sign in DuckDB)
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.ArraySize)):
        node.replace(exp.cast(node.copy(), "bigint"))
    for node in list(tree.find_all(exp.GenerateSeries)):
        for at in ("start", "end", "step"):
            if node.args.get(at) is not None:
                node.set(at, exp.cast(node.args[at], "bigint", copy=False))


def _formatted(tree: Any) -> None:
    """Write dates and times in the format that is asked for; fakesnow leaves it out.

    https://docs.snowflake.com/en/sql-reference/functions/to_char

    Raises:
        SnowflakeError: the format is of numbers, or has parts that are not known here.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.ToChar)):
        form = node.args.get("format")
        if form is None:
            continue
        if not isinstance(form, exp.Literal):
            raise errors.unknown("TO_CHAR with a format that is no constant", ["TO_CHAR(date, 'YYYY-MM-DD')"])
        moment = exp.cast(node.this, "timestamp")
        node.replace(exp.Anonymous(this="STRFTIME", expressions=[moment, exp.Literal.string(_strftime(form.this))]))


def _strftime(form: str) -> str:
    """Return a format of Snowflake's in DuckDB's words."""
    made, at = [], 0
    while at < len(form):
        word = next((each for each in _PARTS if form[at:].upper().startswith(each)), None)
        if word is None and form[at].isalnum():
            raise errors.unknown(f"TO_CHAR format {form!r}", ["TO_CHAR format 'YYYY-MM-DD HH24:MI:SS'"])
        made.append(_PARTS[word] if word else form[at].replace("%", "%%"))
        at += len(word or form[at])
    return "".join(made)
