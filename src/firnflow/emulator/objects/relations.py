"""The tables and views that a statement names: found, checked, and written with their full names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine import trees
from firnflow.emulator.kinds import RELATIONS
from firnflow.emulator.reader import Reader
from firnflow.emulator.result import rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session


def named(tree: Any, binds: list[Any]) -> None:
    """Put the names in the place of IDENTIFIER(…); those that are bound are taken out of `binds`.

    https://docs.snowflake.com/en/sql-reference/identifier-literal
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Table)):
        inner = node.this
        if not (
            isinstance(inner, exp.DynamicIdentifier)
            or (isinstance(inner, exp.Anonymous) and inner.name.upper() == "IDENTIFIER")
        ):
            continue
        given = inner.this if isinstance(inner, exp.DynamicIdentifier) else inner.expressions[0]
        if isinstance(given, exp.Placeholder):
            at = [id(each) for each in tree.find_all(exp.Placeholder, bfs=False)].index(id(given))
            text = str(binds.pop(at))
        else:
            text = str(given.this)
        parts = [exp.to_identifier(part, quoted=True) for part in Reader(text).name()]
        for key, part in zip(("this", "db", "catalog"), reversed(parts), strict=False):
            node.set(key, part)


def find(session: Session, path: FullName) -> Object | None:
    """Return the table, view or dynamic table of a full name, or None; another session's temporary one is none."""
    for kind in RELATIONS:
        found = session.account.catalog.get(kind, path)
        if found is not None and found.body.get("session") in (None, session.token):
            return found
    return None


def need(session: Session, path: FullName, *privileges: str) -> Object:
    """Return a relation on which the session has OWNERSHIP or one of the privileges.

    Raises:
        SnowflakeError: there is none that it may see, or it has not.
    """
    found = find(session, path)
    if found is None or not session.account.access.sees(session.roles, found.kind, path):
        raise errors.missing("OBJECT", full(path))
    if not session.account.access.holds(session.roles, privileges, found.kind, path):
        raise errors.denied(found.kind, path[-1])
    return found


def checked(session: Session, tree: Any, writes: Mapping[int, Sequence[str]] | None = None) -> list[FullName]:
    """Give all relations in a tree their full names, once the session may do with each what the statement does.

    Args:
        session: whose statement it is.
        tree: the statement; it is changed.
        writes: for the tables that it changes, by the `id` of the node: one of these privileges is needed.

    Returns:
        The full names of those that it reads.

    Raises:
        SnowflakeError: one is not there, or may not be used so.
    """
    read = []
    for node in list(trees.tables(tree)):
        name = trees.name_of(node)
        if "INFORMATION_SCHEMA" in name[:-1]:
            _information(session, node, name)
            continue
        path = session.path("TABLE", name)
        thing = need(session, path, *(writes or {}).get(id(node), ("SELECT",)))
        if thing.kind == "DYNAMIC TABLE":
            _read_dynamic(session, thing, is_written=id(node) in (writes or {}))
        if id(node) not in (writes or {}):
            read.append(path)
        qualify(node, path)
    return read


def _read_dynamic(session: Session, thing: Object, *, is_written: bool) -> None:
    """Have the rows of a dynamic table made anew where they are too old."""
    from firnflow.emulator.objects import dynamic  # it reads queries itself

    if is_written:
        raise errors.SnowflakeError(
            2, "0A000", f"SQL compilation error:\nDynamic Table '{thing.name}' can not be changed by DML statements."
        )
    dynamic.fresh(session, thing)


def qualify(node: Any, path: FullName) -> None:
    """Give a table in a tree its full name; its alias stays, or is the name that it had."""
    from sqlglot import exp

    for key, part in zip(("catalog", "db", "this"), path, strict=True):
        node.set(key, exp.to_identifier(part, quoted=True))


def _information(session: Session, node: Any, name: Sequence[str]) -> None:
    """Give a view of the information schema the database that it is of."""
    from sqlglot import exp

    database = session.path("SCHEMA", name[:-1])[0]
    session.find("DATABASE", (database,))
    from firnflow.emulator.objects import information  # which lists relations

    found = _packages() if name[-1] == "PACKAGES" else information.view(session, database, name[-1])
    if found is not None:
        made = session.engine.scratch.table(found)
        made.set("alias", node.args.get("alias"))
        node.replace(made)
        return
    node.set("catalog", exp.to_identifier(database, quoted=True))
    node.set("db", exp.to_identifier("INFORMATION_SCHEMA"))


def _packages() -> Any:
    """Return the packages that Python code can use: those that the emulator runs with.

    https://docs.snowflake.com/en/sql-reference/info-schema/packages
    """
    import sys
    from importlib.metadata import distributions

    found = sorted({(str(each.metadata["Name"]).lower(), each.version) for each in distributions()})
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    head = [("PACKAGE_NAME", "text"), ("VERSION", "text"), ("LANGUAGE", "text"), ("RUNTIME_VERSION", "text")]
    return rows(head, [(name, each, "python", version) for name, each in found]).table
