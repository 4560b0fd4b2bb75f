"""`$1`, `$2` …: columns by their place in what a query reads.

https://docs.snowflake.com/en/sql-reference/sql/values
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def of(select: Any, alias: str = "") -> Iterator[tuple[Any, int]]:
    """Yield the places where a SELECT means columns by number: the node, and the number.

    Args:
        select: the SELECT itself, without those in it.
        alias: only `alias.$1`, and `$1` alone.
    """
    from sqlglot import exp

    for node in list(select.find_all(exp.Parameter)):
        if node.find_ancestor(exp.Select) is not select or not str(node.this).isdigit():
            continue
        holder = node.parent if isinstance(node.parent, exp.Column) else node
        table = holder.args.get("table") if holder is not node else None
        if table is None or not alias or str(table.this).upper() == alias.upper():
            yield holder, int(str(node.this))


def named(tree: Any) -> None:
    """Give the columns by number that a query reads from VALUES their names, such as COLUMN1."""
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        source = select.args.get("from_")
        if source is None or not isinstance(source.this, exp.Values):
            continue
        given = [
            column.this for column in (source.this.args.get("alias") or exp.TableAlias()).args.get("columns") or []
        ]
        for node, number in of(select):
            name = given[number - 1] if number <= len(given) else f"COLUMN{number}"
            node.replace(exp.column(exp.to_identifier(name, quoted=True)))
