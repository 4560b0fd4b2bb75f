"""Hybrid tables: keys that are enforced, and rows that are locked.

https://docs.snowflake.com/en/user-guide/tables-hybrid. Primary and unique keys are DuckDB's; foreign keys are looked at
after each change, as DuckDB's would be in the way of changes that are allowed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import relations
from firnflow.emulator.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

MARK = "hybrid"
"""What the body of a hybrid table has."""


def is_hybrid(thing: Object | None) -> bool:
    """Whether a relation is a hybrid table."""
    return thing is not None and bool(thing.body.get(MARK))


def ordinary(text: str) -> tuple[str, list[dict[str, Any]]]:
    """Return CREATE HYBRID TABLE as CREATE TABLE, which can be read, and the indexes that it declares."""
    text = re.sub(r"(?i)\bhybrid\b", "", text, count=1)
    tokens = Reader(text).tokens
    found, cuts, depth = [], [], 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.value, 0)
        if depth == 1 and token.value == "INDEX" and tokens[at - 1].value in ("(", ","):
            reader = Reader(text[token.end :])
            name = reader.part()
            found.append({"name": name, "columns": _columns(reader)})
            if reader.take("INCLUDE"):
                _columns(reader)
            cuts.append((tokens[at - 1].start, token.end + reader.tokens[reader.at - 1].end))
    for start, end in reversed(cuts):
        text = text[:start] + text[end:]
    return text, found


def _columns(reader: Reader) -> list[str]:
    """Return the names in parentheses that a reader stands before."""
    reader.need("(")
    names = [reader.part()]
    while reader.take(","):
        names.append(reader.part())
    reader.need(")")
    return names


def declared(session: Session, tree: Any, path: FullName) -> tuple[dict[str, Any], list[Any]]:
    """Take the keys from a new hybrid table, and return what is kept of them, and those that DuckDB enforces.

    Raises:
        SnowflakeError: it has no primary key.
    """
    from sqlglot import exp

    foreign, enforced = [], []
    for node in list(tree.this.expressions):
        for inner in node.expressions if isinstance(node, exp.Constraint) else [node]:
            if isinstance(inner, exp.ForeignKey):
                foreign.append(_foreign(session, inner))
            elif isinstance(inner, exp.PrimaryKey | exp.UniqueColumnConstraint):
                enforced.append(inner.copy())
        if isinstance(node, exp.ColumnDef):
            kinds = {type(each.kind) for each in node.args.get("constraints") or []}
            name = exp.to_identifier(trees.part(node.this), quoted=True)
            if exp.PrimaryKeyColumnConstraint in kinds:
                enforced.append(exp.PrimaryKey(expressions=[name]))
            if exp.UniqueColumnConstraint in kinds:
                enforced.append(exp.UniqueColumnConstraint(this=exp.Schema(expressions=[name.copy()])))
    if not any(isinstance(each, exp.PrimaryKey) for each in enforced):
        raise errors.SnowflakeError(
            391_501, "0A000", f"SQL compilation error:\nHybrid table '{path[-1]}' needs a primary key."
        )
    return {MARK: True, "foreign_keys": foreign}, enforced


def _foreign(session: Session, node: Any) -> dict[str, Any]:
    schema = node.args["reference"].this
    parent = session.path("TABLE", trees.name_of(schema.this))
    if not is_hybrid(relations.find(session, parent)):
        raise errors.invalid(f"Foreign keys of hybrid tables refer to hybrid tables; {parent[-1]} is none")
    return {
        "columns": [trees.part(each) for each in node.expressions],
        "parent": list(parent),
        "refers": [trees.part(each) for each in schema.expressions],
    }


def lock(session: Session, thing: Object, *, appends: bool = False) -> None:
    """Wait until no other transaction has changed what is to be changed.

    Args:
        session: who changes it.
        thing: the table.
        appends: rows are only added, which waits for nobody in a standard table.
    """
    whole = is_hybrid(thing)
    resources = [thing.path[:2]] if whole else [] if appends else [thing.path]
    session.transaction.change(resources, hybrid=whole)


def lock_rows(session: Session, tree: Any) -> None:
    """Lock the rows that a query selects FOR UPDATE; that clause is taken away.

    https://docs.snowflake.com/en/sql-reference/constructs/for-update: of hybrid tables only, and who says nothing of
    waiting does not wait.

    Raises:
        SnowflakeError: they are locked, or are not of a hybrid table.
    """
    from sqlglot import exp

    locks = tree.args.get("locks") if isinstance(tree, exp.Select) else None
    if not locks:
        return
    tree.set("locks", None)
    paths = [session.path("TABLE", trees.name_of(each)) for each in trees.tables(tree)]
    if not all(is_hybrid(relations.find(session, path)) for path in paths):
        raise errors.invalid("FOR UPDATE is only supported for hybrid tables")
    wait = locks[0].args.get("wait")
    patience = float(wait.this) if isinstance(wait, exp.Literal) else 0.0
    session.transaction.change(sorted({path[:2] for path in paths}), hybrid=True, patience=patience)


def check(session: Session, thing: Object) -> None:
    """Raise SnowflakeError where rows of a hybrid table, or of those that refer to it, refer to what is not there."""
    if not is_hybrid(thing):
        return
    for child in session.account.catalog.all("TABLE"):
        for key in child.body.get("foreign_keys", []):
            if (child.path == thing.path or tuple(key["parent"]) == thing.path) and _is_broken(session, child, key):
                raise errors.SnowflakeError(
                    200_009,
                    "22000",
                    f"Foreign key constraint on {child.name} ({', '.join(key['columns'])}) was violated: "
                    f"{key['parent'][-1]} has no such row.",
                )


def _is_broken(session: Session, child: Object, key: dict[str, Any]) -> bool:
    pairs = zip(key["columns"], key["refers"], strict=True)
    same = " AND ".join(f"c.{identifier(own)} = p.{identifier(other)}" for own, other in pairs)
    some = " AND ".join(f"c.{identifier(own)} IS NOT NULL" for own in key["columns"])
    tables = f"{_sql(child.path)} c ANTI JOIN {_sql(key['parent'])} p"
    found = session.engine.raw(f"SELECT 1 FROM {tables} ON {same} WHERE {some} LIMIT 1").fetchone()  # noqa: S608 - quoted
    return found is not None


def _sql(path: Sequence[str]) -> str:
    return str(trees.table(path).sql(dialect="duckdb"))
