"""CREATE OR ALTER TABLE of a table that is there: its rows stay, its columns become those of the definition.

https://docs.snowflake.com/en/sql-reference/sql/create-table#label-create-or-alter-table-syntax: what ALTER TABLE cannot
do (https://docs.snowflake.com/en/sql-reference/sql/alter-table-column) is refused: another type, another default,
another order.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.engine import failures, trees
from firnflow.emulator.objects import history, relations
from firnflow.emulator.objects.columns import found_columns, snowflake_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session

_SIZED = re.compile(r"(NUMBER|VARCHAR)\((\d+)(?:, ?(\d+))?\)")


class Column(NamedTuple):
    """A column, as DuckDB has it, and its type as Snowflake writes it."""

    name: str
    kind: str
    null: bool
    default: str | None
    said: str


def altered(session: Session, tree: Any, target: Any, thing: Object, body: dict[str, Any]) -> Object:
    """Change a table to what a definition says; return what the catalog is to have of it.

    Args:
        session: whose.
        tree: the definition, as a CREATE TABLE.
        target: the name in it.
        thing: the table.
        body: what is written down of the definition.

    Raises:
        SnowflakeError: it asks for what ALTER TABLE cannot do, or for what the rows do not allow.
    """
    if tree.expression or tree.args.get("clone") or not tree.this.expressions:
        raise errors.unknown("CREATE OR ALTER TABLE without columns", ["CREATE OR ALTER TABLE t (a NUMBER)"])
    if thing.body.get("transient", False) != body["transient"] or ("session" in thing.body) != ("session" in body):
        raise _refused("a permanent, transient or temporary table stays what it is")
    before = _columns(session, thing, thing.body)
    after = _wanted(session, tree, target, thing, body)
    steps = list(_steps(before, after))
    if steps:
        history.keep(session, thing.path)
        table = trees.table(thing.path).sql(dialect="duckdb")
        with failures.translated():
            session.account.databases.run(
                ";".join(["BEGIN", *(f"ALTER TABLE {table} {step}" for step in steps), "COMMIT"])
            )
    held = relations.find(session, thing.path) or thing
    gone = dict.fromkeys(
        ("COMMENT", "DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS", "CHANGE_TRACKING")
    )
    return held.changed(**{**gone, **body})


def _columns(session: Session, thing: Object, body: dict[str, Any]) -> list[Column]:
    types = body.get("types", {})
    return [Column(*each, snowflake_type(each[1], types.get(each[0]))) for each in found_columns(session, thing)]


def _wanted(session: Session, tree: Any, target: Any, thing: Object, body: dict[str, Any]) -> list[Column]:
    """Return the columns of a definition, as DuckDB has them of a table that is made by it, and dropped again."""
    from firnflow.emulator.catalog import Object as Thing

    path = (*thing.path[:2], f"__altered_{uuid.uuid4().hex}")
    relations.qualify(target, path)
    trees.change(tree, replace=False, exists=False)
    session.engine.run(tree)
    try:
        return _columns(session, Thing("TABLE", path, thing.owner), body)
    finally:
        session.account.databases.run(f"DROP TABLE {trees.table(path).sql(dialect='duckdb')}")


def _steps(before: Sequence[Column], after: Sequence[Column]) -> Iterator[str]:
    """Yield what ALTER TABLE of DuckDB is to do."""
    there, wanted = {column.name: column for column in before}, {column.name: column for column in after}
    kept = [column.name for column in before if column.name in wanted]
    if [column.name for column in after][: len(kept)] != kept:
        raise _refused("columns keep their order, and new ones stand behind them")
    for column in before:
        if column.name not in wanted:
            yield f"DROP COLUMN {identifier(column.name)}"
    for column in after:
        if column.name in there:
            yield from _changes(there[column.name], column)
        else:
            default = f" DEFAULT ({column.default})" if column.default else ""
            yield f"ADD COLUMN {identifier(column.name)} {column.kind}{default}"
            if not column.null:
                yield f"ALTER COLUMN {identifier(column.name)} SET NOT NULL"


def _changes(old: Column, new: Column) -> Iterator[str]:
    name = identifier(new.name)
    if not _fits(old.said, new.said):
        raise _refused(f"cannot change column {old.name} from type {old.said} to {new.said}")
    if new.default not in (None, old.default):
        raise _refused(f"cannot change the default of column {old.name}: it can only be dropped")
    if old.default is not None and new.default is None:
        yield f"ALTER COLUMN {name} DROP DEFAULT"
    if old.kind != new.kind:
        yield f"ALTER COLUMN {name} TYPE {new.kind}"
    if old.null != new.null:
        yield f"ALTER COLUMN {name} {'DROP' if new.null else 'SET'} NOT NULL"


def _fits(old: str, new: str) -> bool:
    """Return whether a column can change its type so: to longer texts, or to numbers of another precision."""
    if old == new:
        return True
    one, other = _SIZED.fullmatch(old), _SIZED.fullmatch(new)
    if one is None or other is None or one[1] != other[1]:
        return False
    return int(one[2]) <= int(other[2]) if one[1] == "VARCHAR" else (one[3] or "0") == (other[3] or "0")


def _refused(why: str) -> errors.SnowflakeError:
    return errors.SnowflakeError(1502, "0A000", f"SQL compilation error:\nCREATE OR ALTER TABLE is not possible: {why}")
