"""Sequences: https://docs.snowflake.com/en/user-guide/querying-sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator.engine import trees
from firnflow.emulator.objects import making
from firnflow.emulator.objects.show import comment, created, name, owner, part, shown
from firnflow.emulator.objects.topics import body
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, status

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.reader import Reader
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


@statement(
    "CREATE SEQUENCE", "sql-reference/sql/create-sequence", partly="without gaps: ORDER and NOORDER are the same"
)
def _create(session: Session, given: Statement) -> Result:
    reader = given.reader
    optional = reader.take("IF", "NOT", "EXISTS")
    path = session.path("SEQUENCE", reader.name())
    start, step, said = _settings(reader)
    if found := making.begin(session, "SEQUENCE", path, replaces=given.replaces, optional=optional):
        return found
    _forget(session, path)
    how = f"START {start} INCREMENT {step}" + (
        " MINVALUE -9223372036854775808" if step > 0 else " MAXVALUE 9223372036854775807"
    )
    session.account.databases.run(f"CREATE SEQUENCE {_duck(path)} {how}")
    making.made(session, "SEQUENCE", path, {"interval": step, **said})
    return status(f"Sequence {path[2]} successfully created.")


def _settings(reader: Reader) -> tuple[int, int, dict[str, Any]]:
    """Read where a sequence starts, by how much it grows, and its comment."""
    start, step, said = 1, 1, {}
    reader.take("WITH")
    while not reader.ended:
        if reader.take("START"):
            reader.take("WITH") or reader.take("=")
            start = int(reader.value())
        elif reader.take("INCREMENT"):
            reader.take("BY") or reader.take("=")
            step = int(reader.value())
        elif reader.take("COMMENT", "="):
            said["COMMENT"] = reader.string()
        elif not reader.take("ORDER"):
            reader.need("NOORDER")
    return start, step, said


@statement("DROP SEQUENCE", "sql-reference/sql/drop-sequence")
def _drop(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("SEQUENCE", given.reader.name())
    given.reader.end()
    if making.droppable(session, "SEQUENCE", path, optional=optional) is None:
        return making.gone(path[2])
    _forget(session, path)
    session.account.catalog.drop("SEQUENCE", path)
    return status(f"{path[2]} successfully dropped.")


@statement("SHOW SEQUENCES", "sql-reference/sql/show-sequences")
def _show(session: Session, given: Statement) -> Result:
    columns = (
        ("name", "text", name),
        ("database_name", "text", part(0)),
        ("schema_name", "text", part(1)),
        ("interval", "fixed", body("interval")),
        ("created_on", "timestamp_ltz", created),
        ("owner", "text", owner),
        ("comment", "text", comment),
    )
    return shown(session, given, "SEQUENCE", columns)


def put(session: Session, tree: Any) -> None:
    """Put the next value of a sequence in the place of `name.NEXTVAL`.

    Raises:
        SnowflakeError: there is no such sequence, or it may not be used.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Column)):
        if trees.part(node.this) != "NEXTVAL" or not node.args.get("table"):
            continue
        path = session.path("SEQUENCE", [trees.part(each) for each in node.parts[:-1]])
        session.need("SEQUENCE", path, "USAGE")
        new = exp.Anonymous(this="NEXTVAL", expressions=[exp.Literal.string(_duck(path))])
        node.replace(exp.alias_(new, "NEXTVAL", quoted=True) if isinstance(node.parent, exp.Select) else new)


def _duck(path: FullName) -> str:
    """Return a full name as DuckDB reads it."""
    return str(trees.table(path).sql(dialect="duckdb"))


def _forget(session: Session, path: FullName) -> None:
    session.account.databases.run(f"DROP SEQUENCE IF EXISTS {_duck(path)}")
