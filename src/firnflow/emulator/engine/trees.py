"""Statements as sqlglot's trees, and the names in them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import aliases
from firnflow.emulator.engine.scratch import is_scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TAKEN_WORDS = """
    ANALYZE ASC AT AUTHORIZATION BINARY COLLATION COLUMNS DEFAULT DESC DESCRIBE DO END FETCH FOREIGN FREEZE GENERATED
    GLOB LAMBDA LIMIT MAP OFFSET ONLY OUTER PRIMARY REFERENCES SHOW SIMILAR STRUCT SYMMETRIC VERBOSE WINDOW
"""
_TAKEN = frozenset(_TAKEN_WORDS.split())
"""Names of columns that need quotes in DuckDB, and none in Snowflake."""


def parsed(text: str) -> Any:
    """Return the tree of a statement.

    Raises:
        SnowflakeError: it cannot be read, or is more than one.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of what is refused below
    try:
        found = [tree for tree in sqlglot.parse(aliases.inlined(text), read="snowflake") if tree is not None]
    except SqlglotError as error:
        first = getattr(error, "errors", None) or [{}]
        near, line, column = first[0].get("highlight"), first[0].get("line"), first[0].get("col")
        if near is None:
            raise errors.SnowflakeError(1003, "42000", f"SQL compilation error:\n{str(error)[:300]}") from None
        raise errors.syntax(near, line or 1, column or 0) from None
    if len(found) != 1:
        raise errors.SnowflakeError(
            8, "0A000", f"Actual statement count {len(found)} did not match the desired statement count 1."
        )
    if isinstance(found[0], exp.Command):
        raise errors.SnowflakeError(
            2, "0A000", f"Unsupported feature. The emulator cannot read this statement: {text[:200]}"
        )
    for name in found[0].find_all(exp.Identifier):
        if not name.args.get("quoted") and str(name.this).upper() in _TAKEN:
            change(name, this=str(name.this).upper(), quoted=True)
    for call in list(found[0].find_all(exp.ModelAttribute)):
        if isinstance(window := call.expression, exp.Window):  # `m!f(…) OVER (…)`: the window is of the whole
            call.replace(window)
            window.set("this", exp.ModelAttribute(this=call.this, expression=window.this))
    return found[0]


def part(identifier: Any) -> str:
    """Return an identifier of a tree as Snowflake keeps it."""
    return str(identifier.this) if identifier.args.get("quoted") else str(identifier.this).upper()


def name_of(table: Any) -> tuple[str, ...]:
    """Return the name of a table in a tree, as it is written: one to three parts."""
    return tuple(part(table.args[at]) for at in ("catalog", "db", "this") if table.args.get(at) is not None)


def table(path: Sequence[str], **more: Any) -> Any:
    """Return a full name as a table of a tree."""
    from sqlglot import exp

    catalog, schema, name = (exp.to_identifier(each, quoted=True) for each in path)
    return exp.Table(this=name, db=schema, catalog=catalog, **more)


def change(node: Any, **values: Any) -> None:
    """Set arguments of a node."""
    for key, value in values.items():
        node.set(key, value)


def tables(tree: Any) -> Iterator[Any]:
    """Yield the tables that a tree names: no common table expressions, functions or places of files."""
    from sqlglot import exp

    known = {part(cte.args["alias"].this) for cte in tree.find_all(exp.CTE) if cte.args.get("alias")}
    for table in tree.find_all(exp.Table):
        if (
            isinstance(table.this, exp.Identifier)
            and not is_scratch(table)
            and not (table.args.get("db") is None and name_of(table)[0] in known)
        ):
            yield table


def bind(tree: Any, binds: list[Any]) -> None:
    """Put the values of its `?` into a tree; they are taken out of `binds`."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.Placeholder, bfs=False)):
        node.replace(exp.convert(binds.pop(0)))


def read_as(query: Any, around: Any) -> None:
    """Let a query read what another one reads: its tables, with the common table expressions that they may name."""
    query.set("from_", around.args["from_"].copy())
    query.set("joins", [each.copy() for each in around.args.get("joins") or []])
    see(query, around)


def see(query: Any, around: Any) -> None:
    """Let a query name the common table expressions that a node of another one can name."""
    from sqlglot import exp

    if known := _visible(around):
        query.set("with_", exp.With(expressions=[each.copy() for each in known]))


def _visible(node: Any) -> list[Any]:
    """Return the common table expressions that a query can name: those around it, but none that it stands in."""
    from sqlglot import exp

    groups, inside = [], None
    while node is not None:
        inside = node if isinstance(node, exp.CTE) else inside
        if (above := node.args.get("with_")) is not None:
            places = [at for at, each in enumerate(above.expressions) if each is inside]
            groups.append(above.expressions[: places[0]] if places else above.expressions)
        node = node.parent
    return [each for group in reversed(groups) for each in group]
