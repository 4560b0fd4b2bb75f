"""`$1`, `$2` …: columns by their place in what a query reads.

https://docs.snowflake.com/en/sql-reference/sql/values
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator.engine.scratch import is_scratch

if TYPE_CHECKING:
    from collections.abc import Iterator


def of(select: Any, alias: str = "") -> Iterator[tuple[Any, int]]:
    """Yield the places where a SELECT means columns by number: the node, and the number.

    Args:
        select: the SELECT itself, without those in it.
        alias: only `alias.$1`, and `$1` alone.
    """
    from sqlglot import exp

    for node in list(select.find_all(exp.Parameter, exp.Identifier)):
        number = _number(node)
        if number is None or node.find_ancestor(exp.Select) is not select:
            continue
        holder = node.parent if isinstance(node.parent, exp.Column) else node
        table = holder.args.get("table") if holder is not node else None
        if table is None or not alias or str(table.this).upper() == alias.upper():
            yield holder, number


def _number(node: Any) -> int | None:
    """Return the number of `$1`, and of `"$1"`, as Snowpark writes it."""
    from sqlglot import exp

    text = str(node.this)
    if isinstance(node, exp.Identifier):
        is_column = isinstance(node.parent, exp.Column) and node.parent.this is node and text.startswith("$")
        text = text[1:] if is_column else ""
    return int(text) if text.isdigit() else None


def named(tree: Any) -> None:
    """Give the columns by number that a query reads from VALUES their names, such as COLUMN1; others are DuckDB's `#1`.

    Files of stages have had theirs before.
    """
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        source = select.args.get("from_")
        if source is None or (isinstance(source.this, exp.Table) and is_scratch(source.this)):
            continue
        if not isinstance(source.this, exp.Values):
            for node, number in of(select):
                if not isinstance(node.this, exp.Identifier) or not _may_have(source.this, str(node.this.this)):
                    node.replace(exp.var(f"#{number}"))
            continue
        given = [
            column.this for column in (source.this.args.get("alias") or exp.TableAlias()).args.get("columns") or []
        ]
        for node, number in of(select):
            name = given[number - 1] if number <= len(given) else f"COLUMN{number}"
            node.replace(exp.column(exp.to_identifier(name, quoted=True)))


def _may_have(source: Any, name: str) -> bool:
    """Return whether a source can have a column that is named `$1`: of a table, names are not known here."""
    from sqlglot import exp

    if not isinstance(source, exp.Subquery):
        return not (isinstance(source, exp.Table) and is_scratch(source))
    if any(each.alias_or_name == name for each in source.selects):
        return True
    select = source.unnest()
    while isinstance(select, exp.SetOperation):
        select = select.left
    beneath = [each.this for each in (select.args.get("from_"), *(select.args.get("joins") or ())) if each is not None]
    return source.is_star and any(_may_have(each, name) for each in beneath)
