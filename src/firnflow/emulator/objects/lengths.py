"""Texts that are longer than their column takes.

https://docs.snowflake.com/en/sql-reference/data-types-text: they are refused, or cut by COPY where it says so. DuckDB
has texts of any length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from firnflow.emulator.engine import trees
from firnflow.emulator.engine.macros import FITTING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firnflow.emulator.catalog import Object

_MOST = 16_777_216
"""A column takes that many letters without being told; clients write it, too."""
_SIZED = re.compile(r"(?:VAR)?CHAR(?:\((\d+)\))?")


def limit(declared: str | None) -> int | None:
    """Return how many letters a column takes by its declared type; None: as many as there are."""
    found = _SIZED.fullmatch(declared or "")
    if found is None or declared == "VARCHAR":
        return None
    most = int(found[1] or 1)
    return most if most < _MOST else None


def limits(table: Object) -> dict[str, int]:
    """Return how many letters the columns of a table take, of those that have a limit."""
    found = {name: limit(kind) for name, kind in table.body.get("types", {}).items()}
    return {name: most for name, most in found.items() if most is not None}


def fitting(value: Any, most: int) -> Any:
    """Return a value that is an error where it is too long."""
    from sqlglot import exp

    return exp.Anonymous(this=FITTING, expressions=[value, exp.Literal.number(most)])


def cut(value: Any, most: int) -> Any:
    """Return a value without the letters that are too many."""
    from sqlglot import exp

    return exp.Left(this=exp.cast(value, "varchar", copy=False), expression=exp.Literal.number(most))


def keep(tree: Any, table: Object, columns: Sequence[str], how: Callable[[Any, int], Any] = fitting) -> None:
    """Let a statement write only texts that fit.

    Args:
        tree: an INSERT, UPDATE or MERGE; it is changed.
        table: what it changes.
        columns: all of the table's.
        how: what is done to those that do not fit.
    """
    from sqlglot import exp

    most = limits(table)
    if not most:
        return
    if isinstance(tree, exp.Update):
        _assigned(tree, most, how)
    elif isinstance(tree, exp.Merge):
        for then in [when.args["then"] for when in tree.args["whens"].expressions]:
            if isinstance(then, exp.Update):
                _assigned(then, most, how)
            elif isinstance(then, exp.Insert):
                names = [trees.part(each.this) for each in then.this.expressions] if then.this else columns
                _row(then.expression, names, most, how)
    elif isinstance(tree, exp.Insert) and tree.expression:
        names = [trees.part(each) for each in tree.this.expressions] if isinstance(tree.this, exp.Schema) else columns
        _inserted(tree, names, most, how)


def _assigned(update: Any, most: dict[str, int], how: Callable[[Any, int], Any]) -> None:
    for each in update.expressions:
        name = trees.part(each.this.this)
        if name in most and not _is_default(each.expression):
            each.set("expression", how(each.expression, most[name]))


def _row(values: Any, names: Sequence[str], most: dict[str, int], how: Callable[[Any, int], Any]) -> None:
    from sqlglot import exp

    for name, value in zip(names, list(values.expressions), strict=False):
        if name in most and not _is_default(value):
            fit = how(value.unalias().copy(), most[name])
            value.replace(exp.alias_(fit, value.alias, quoted=True) if value.alias else fit)


def _inserted(tree: Any, names: Sequence[str], most: dict[str, int], how: Callable[[Any, int], Any]) -> None:
    from sqlglot import exp

    if isinstance(tree.expression, exp.Values):
        for row in tree.expression.expressions:
            _row(row, names, most, how)
        return
    if isinstance(tree.expression, exp.Select) and not any(each.is_star for each in tree.expression.expressions):
        _row(tree.expression, names, most, how)
        return
    places = {at: most[name] for at, name in enumerate(names) if name in most}
    if places:
        given = [exp.to_identifier(f"c{at}", quoted=True) for at in range(max(places) + 1)]
        alias = exp.TableAlias(this=exp.to_identifier("given"), columns=given)
        kept = [exp.alias_(how(exp.column(given[at].copy()), count), given[at].copy()) for at, count in places.items()]
        query = exp.Subquery(this=tree.expression.unnest(), alias=alias)
        tree.set("expression", exp.select(exp.Star(replace=kept)).from_(query))


def _is_default(value: Any) -> bool:
    from sqlglot import exp

    return isinstance(value, exp.Var) or (isinstance(value, exp.Column) and value.name.upper() == "DEFAULT")
