"""Functions of users: https://docs.snowflake.com/en/sql-reference/sql/create-function.

One in SQL is put into the query in its place. The handler of one in Python runs in a process of its own, to which the
query hands the arguments of many rows at once.
"""

from __future__ import annotations

import dataclasses
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine import trees
from firnflow.emulator.engine.failures import HANDLER
from firnflow.emulator.objects import making
from firnflow.emulator.objects.given import parsed, settings
from firnflow.emulator.objects.show import shown
from firnflow.emulator.objects.topics import body
from firnflow.emulator.programs import handlers, rows
from firnflow.emulator.programs.procedures import COLUMNS
from firnflow.emulator.registry import function, statement
from firnflow.emulator.result import Result, status

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_PARTLY = (
    "scalar ones in Python, of rows or vectorised, and in SQL; one function of a name; no default arguments, tables, "
    "aggregates, secrets and external access"
)
_TYPES = {
    **dict.fromkeys(("NUMBER", "DECIMAL", "NUMERIC"), "DECIMAL"),
    **dict.fromkeys(("INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT"), "BIGINT"),
    **dict.fromkeys(("FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "DOUBLE PRECISION", "REAL"), "DOUBLE"),
    **dict.fromkeys(("VARCHAR", "STRING", "TEXT", "CHAR", "CHARACTER"), "VARCHAR"),
    **dict.fromkeys(rows.DOCUMENTS, "VARCHAR"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_NTZ", "DATETIME"), "TIMESTAMP"),
    **dict.fromkeys(("TIMESTAMP_LTZ", "TIMESTAMP_TZ"), "TIMESTAMPTZ"),
    **dict.fromkeys(("BINARY", "VARBINARY"), "BLOB"),
    **{each: each for each in ("BOOLEAN", "DATE", "TIME")},
}
"""Types of arguments and results, and DuckDB's for them."""


@statement("CREATE FUNCTION", "sql-reference/sql/create-function", partly=_PARTLY)
def _create(session: Session, given: Statement) -> Result:
    made = parsed(_as_procedure(given))
    path, said = session.path("FUNCTION", made.name.parts), settings(made.properties)
    arguments = [[each.name, each.type, None] for each in made.columns or ()]
    for key in ("SECRETS", "EXTERNAL_ACCESS_INTEGRATIONS", "ARTIFACT_REPOSITORY", "EXECUTE AS"):
        if key in said:
            raise errors.unknown(f"CREATE FUNCTION … {key}", ["CREATE FUNCTION … IMPORTS"])
    for kind in (str(said.get("RETURNS")), *(each[1] for each in arguments)):
        _duck_type(kind)
    if said.get("LANGUAGE", "SQL") == "PYTHON":
        handlers.check_packages(said.get("PACKAGES", []))
    elif said.get("LANGUAGE", "SQL") == "SQL":
        trees.parsed(f"SELECT {said['AS']}")
    there = session.account.catalog.get("FUNCTION", path)
    replaces = "OR REPLACE" in made.variants or ("OR ALTER" in made.variants and there is not None)
    if found := making.begin(session, "FUNCTION", path, replaces=replaces, optional=made.if_not_exists):
        return found
    said |= {"arguments": arguments, "name": made.name.last}
    if any("TEMP" in each for each in made.variants):
        said["session"] = session.token
    making.made(session, "FUNCTION", path, said)
    return status(f"Function {path[-1]} successfully created.")


def _as_procedure(given: Statement) -> Statement:
    """Return a statement of a function as one of a procedure, which is written in the same way."""
    word = next(each for each in given.reader.tokens if each.value == "FUNCTION")
    text = given.reader.text
    reader = type(given.reader)(f"{text[: word.start]}PROCEDURE{text[word.end :]}")
    return dataclasses.replace(given, reader=reader)


@statement("DROP FUNCTION", "sql-reference/sql/drop-function")
def _drop(session: Session, given: Statement) -> Result:
    asked = parsed(_as_procedure(given))
    path = session.path("FUNCTION", asked.name.parts)
    if making.droppable(session, "FUNCTION", path, optional=asked.if_exists) is None:
        return making.gone(path[-1])
    session.account.catalog.drop("FUNCTION", path)
    return status(f"{path[-1]} successfully dropped.")


@statement("SHOW USER FUNCTIONS", "sql-reference/sql/show-user-functions")
def _show(session: Session, given: Statement) -> Result:
    return shown(session, given, "FUNCTION", (*COLUMNS, ("language", "text", body("LANGUAGE", "SQL"))))


@function("SYSTEM$GET_DEFAULT_PYTHON_ARTIFACT_REPOSITORY")
def _default_repository(_: Session, __: str, ___: str | None = None, ____: str | None = None) -> None:
    """Say that packages are those of the emulator's own Python, as Snowpark asks before it registers anything."""


def put(session: Session, tree: Any) -> None:
    """Put what runs them in the places of the functions that a statement calls.

    Raises:
        SnowflakeError: one may not be used, or is called with other arguments.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Anonymous)):
        outer = node
        while isinstance(outer.parent, exp.Dot) and outer.parent.expression is outer:
            outer = outer.parent
        path = _path(session, outer)
        thing = session.account.catalog.get("FUNCTION", path) if path else None
        if path is None or thing is None or thing.body.get("session") not in (None, session.token):
            continue
        session.need("FUNCTION", path, "USAGE")
        if len(node.expressions) != len(thing.body["arguments"]):
            raise errors.invalid(f"Invalid argument types for function '{thing.name}': {len(node.expressions)} given")
        new = _in_python(session, thing, node) if thing.body.get("LANGUAGE") == "PYTHON" else _in_sql(thing, node)
        if outer is tree:
            raise errors.unknown(f"{full(path)} as a statement", [f"SELECT {full(path)}()"])
        outer.replace(new)
        put(session, new)


def _path(session: Session, node: Any) -> FullName | None:
    """Return the full name of what is called; None: a session without a schema calls one of the system's."""
    from sqlglot import exp

    parts = [*node.parts[:-1], node.parts[-1].this] if isinstance(node, exp.Dot) else [node.this]
    name = [trees.part(each) if isinstance(each, exp.Identifier) else str(each).upper() for each in parts]
    try:
        return session.path("FUNCTION", name)
    except errors.SnowflakeError:
        return None


def _in_sql(thing: Object, node: Any) -> Any:
    """Return the expression of a function with what it is called with in the places of its arguments."""
    from sqlglot import exp

    (item,) = trees.parsed(f"SELECT {thing.body['AS']}").expressions
    given = dict(zip((each[0] for each in thing.body["arguments"]), node.expressions, strict=True))
    made = exp.Paren(this=item.unalias())
    for column in list(made.find_all(exp.Column)):
        name = trees.part(column.this)
        if not column.args.get("table") and name in given:
            column.replace(exp.Paren(this=given[name].copy()))
    return exp.cast(made, exp.DataType.build(thing.body["RETURNS"], dialect="snowflake"))


def _in_python(session: Session, thing: Object, node: Any) -> Any:
    """Return the call of a function that DuckDB knows as long as the statement runs."""
    from sqlglot import exp

    if isinstance(node.root(), exp.Create) and node.root().kind == "VIEW":
        raise errors.unknown("a function in Python in a view", ["a function in SQL in a view"])
    kinds, result = [each[1] for each in thing.body["arguments"]], str(thing.body["RETURNS"])
    process = _Applied(session, thing)
    name = session.engine.scratch.function(
        process.apply, ["BIGINT", *map(_duck_type, kinds)], _duck_type(result), process.close
    )
    given = [
        exp.cast(
            exp.Anonymous(this="TO_JSON", expressions=[value.copy()])
            if _base(kind) in rows.DOCUMENTS
            else value.copy(),
            _duck_type(kind),
        )
        for value, kind in zip(node.expressions, kinds, strict=True)
    ]
    made = exp.Anonymous(this=name, expressions=[exp.Literal.number(0), *given])
    return exp.cast(made, "json") if _base(result) in rows.DOCUMENTS else made


def _base(kind: str) -> str:
    return kind.partition("(")[0].strip().upper()


def _duck_type(kind: str) -> str:
    """Return DuckDB's type for one of Snowflake's. Raises SnowflakeError where there is none."""
    found = _TYPES.get(_base(kind))
    if found is None:
        raise errors.unknown(f"FUNCTION with type {kind}", _TYPES)
    if found == "DECIMAL":
        size = kind.partition("(")[2].rstrip(") ").split(",")
        return f"DECIMAL(38, {int(size[1])})" if len(size) > 1 and int(size[1]) else "BIGINT"
    return found


class _Applied:
    """A process in which a function's handler runs, started with its first rows.

    Args:
        session: whose statement calls it.
        thing: the function.
    """

    def __init__(self, session: Session, thing: Object) -> None:
        self._session, self._thing, self._lock = session, thing, threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._call: Any = None
        self._control: socket.socket | None = None

    def apply(self, *columns: Any) -> Any:
        """Return the results for some rows."""
        import pyarrow as pa

        table = pa.table({str(at): column for at, column in enumerate(columns)})
        with self._lock:
            control = self._control or self._started()
            rows.send(control, rows.ROWS, rows.packed(table))
            found = rows.received(control)
        if found is None or found[0] == rows.ERROR:
            said = found[1].decode() if found else "the handler was killed"
            name = self._thing.name
            raise RuntimeError(f"{HANDLER}\n{said} in function {name} with handler {self._handler[1]}")
        return rows.table_of(found[1])["value"]

    @property
    def _handler(self) -> tuple[str, str]:
        return handlers.named(self._thing.body)

    def _started(self) -> socket.socket:
        self._folder = tempfile.TemporaryDirectory(prefix="firnflow-function-", ignore_cleanup_errors=True)
        folder, said = Path(self._folder.name), self._thing.body
        handlers.put_code(self._session, said, folder)
        module, handler = self._handler
        call = {
            "module": module,
            "handler": handler,
            "kinds": [_base(each[1]) for each in said["arguments"]],
            "result": _base(str(said["RETURNS"])),
            "strict": "STRICT" in said or "RETURNS NULL ON NULL INPUT" in said,
        }
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / rows.SOCKET))
            listening.listen(1)
            self._call = self._session.account.workers.call(folder, call, {})
            self._control = handlers.accepted(listening, self._call, folder)
        return self._control

    def close(self) -> None:
        """End the process."""
        if self._control is not None:
            self._control.close()
        if self._call is not None:
            handlers.ended(self._call)
        if self._folder is not None:
            self._folder.cleanup()
