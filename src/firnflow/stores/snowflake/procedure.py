"""The session of a stored procedure, in place of connections of our own: there is just one, and no other is opened.

What a procedure may not do, by https://docs.snowflake.com/en/developer-guide/stored-procedure/python/
procedure-python-limitations and https://docs.snowflake.com/en/sql-reference/transactions (Stored procedures and
transactions): PUT and GET as statements, for which Snowpark's `session.file` is there, and another AUTOCOMMIT, so that
a transaction has to be begun. Each part of Firnflow that wants a connection gets a view of the session: with a schema
of its own, and statements one after the other.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from firnflow import _sql
from firnflow.stores.snowflake.names import kept, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.project.snowflake import Snowflake

_TEXT = r"'((?:[^'\\]|\\.|'')*)'"
_MOVES = re.compile(rf"(PUT|GET) {_TEXT} {_TEXT}(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)|''", re.DOTALL)
_SIGNS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "0": "\0"}
Place: TypeAlias = "tuple[str | None, str | None]"
"""Database and schema, as Snowflake keeps their names."""
_open: list[Shared] = []
"""The session of the procedure that this process executes, if it does."""


def current() -> Shared | None:
    """Return the session of the procedure that this process executes; None: it executes none."""
    return _open[-1] if _open else None


@contextlib.contextmanager
def entered(session: Any) -> Iterator[None]:
    """Let all connections be views of a procedure's session meanwhile.

    Args:
        session: Snowpark's, which the procedure was given.
    """
    shared = Shared(session)
    _open.append(shared)
    try:
        shared.begin()
        yield
    finally:
        _open.remove(shared)
        shared.go(shared.home)


class Shared:
    """The session of a procedure, and in which schema it is.

    Attributes:
        session: Snowpark's.
        home: database and schema in which it began.
        warehouse: that of its statements.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.home: Place = (None, None)
        self._here: Place = self.home
        self.warehouse: str | None = None

    def begin(self) -> None:
        """Look where the session is, and let it see what others have just written (as the state's connections do)."""
        (row,) = self.run("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_WAREHOUSE()")
        self.home = self._here = (row[0], row[1])
        self.warehouse = row[2]
        self.run("ALTER SESSION SET READ_LATEST_WRITES = TRUE")

    def run(self, text: str) -> list[Any]:
        """Send a statement, wherever the session is, and return its rows."""
        with contextlib.closing(self.session.connection.cursor()) as cursor:
            found: list[Any] = cursor.execute(text).fetchall()
            return found

    def go(self, place: Place) -> None:
        """Have the session be in a schema. Raises ProgrammingError where it is not there, or not for this role."""
        if place != self._here and None not in place:
            self.run(f"USE SCHEMA {'.'.join(_sql.identifier(str(part)) for part in place)}")
            self._here = place

    def moved(self) -> Place:
        """Look where the session is now, and return that."""
        (row,) = self.run("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()")
        self._here = (row[0], row[1])
        return self._here

    def view(self, section: Snowflake) -> View:
        """Return a connection in the schema of a section, or where there is none like it, where the session began."""
        from snowflake.connector.errors import ProgrammingError

        named = [kept(text) if text is not None else None for text in (section.database, section.schema_)]
        place = (named[0] or self.home[0], named[1] or self.home[1])
        try:
            self.go(place)
        except ProgrammingError:
            place = self.home
        return View(self, place)


class View:
    """What stands for a connection of Snowflake's connector. Statements that change rows count at once unless begun."""

    def __init__(self, shared: Shared, place: Place) -> None:
        self.shared, self.place = shared, place

    @property
    def database(self) -> str | None:
        """The current database."""
        return self.place[0]

    @property
    def schema(self) -> str | None:
        """The current schema."""
        return self.place[1]

    @property
    def warehouse(self) -> str | None:
        """The current warehouse."""
        return self.shared.warehouse

    @property
    def host(self) -> str:
        """Where the account is."""
        return str(self.shared.session.connection.host)

    def cursor(self, *kinds: Any) -> Cursor:
        """Return what sends statements."""
        return Cursor(self, self.shared.session.connection.cursor(*kinds))

    def begin(self) -> None:
        """Begin a transaction: in a procedure none begins by itself."""
        self.cursor().execute("BEGIN TRANSACTION").close()

    def commit(self) -> None:
        """Commit what was begun."""
        self.cursor().execute("COMMIT").close()

    def rollback(self) -> None:
        """Undo what was begun."""
        self.cursor().execute("ROLLBACK").close()

    def close(self) -> None:
        """Do nothing: the session is the procedure's."""


class Cursor:
    """A cursor of a procedure's session that sends each statement in its view's schema, and moves files by Snowpark."""

    def __init__(self, connection: View, own: Any) -> None:
        self.connection, self._own = connection, own
        self._moved: list[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, text: str, params: Any = None, **options: Any) -> Cursor:
        """Send a statement."""
        self._moved = None
        if (move := _MOVES.fullmatch(text)) is not None:
            self._moved = self._moves(move[1], _read(move[2]), _read(move[3]), move[4])
            return self
        shared = self.connection.shared
        shared.go(self.connection.place)
        self._own.execute(text, params, **options)
        if text.startswith("USE SCHEMA"):
            self.connection.place = shared.moved()
        return self

    def executemany(self, text: str, rows: Any, **options: Any) -> Cursor:
        """Send a statement with many rows."""
        self.connection.shared.go(self.connection.place)
        self._own.executemany(text, rows, **options)
        return self

    def describe(self, *arguments: Any, **options: Any) -> Any:
        """Return the columns of a query that is not run."""
        self.connection.shared.go(self.connection.place)
        return self._own.describe(*arguments, **options)

    def fetchall(self) -> list[Any]:
        """Return the rows of the answer."""
        return self._own.fetchall() if self._moved is None else [tuple(each) for each in self._moved]

    @property
    def description(self) -> Any:
        """The columns of the answer."""
        if self._moved is None:
            return self._own.description
        from snowflake.connector.cursor import ResultMetadata

        names = self._moved[0]._fields if self._moved else ()
        return [ResultMetadata(name, 2, None, None, None, None, is_nullable=True) for name in names]

    def close(self) -> None:
        """Close the cursor."""
        self._own.close()

    def _moves(self, what: str, first: str, second: str, options: str) -> list[Any]:
        """Do what PUT and GET would do; patterns are not known there, and what more comes nobody looks at."""
        file = self.connection.shared.session.file
        if what == "PUT":
            compress, overwrite = "AUTO_COMPRESS = FALSE" not in options, "OVERWRITE = TRUE" in options
            kind = "NONE" if "SOURCE_COMPRESSION = NONE" in options else "AUTO_DETECT"
            path = first.removeprefix("file://")
            return list(file.put(path, second, auto_compress=compress, source_compression=kind, overwrite=overwrite))
        return self._fetched(file, first, second.removeprefix("file://"))

    def _fetched(self, file: Any, place: str, folder: str) -> list[Any]:
        """Bring files. Raises ProgrammingError, as the connector does, where there are none."""
        from snowflake.connector.errors import ProgrammingError

        from firnflow.stores.snowflake.session import NO_FILE

        try:
            found = list(file.get(place, folder))
        except Exception as error:
            if self.connection.shared.run(f"LIST {literal(place)}"):
                raise
            raise ProgrammingError(msg=f"there is no file {place}", errno=NO_FILE) from error
        if not found:
            raise ProgrammingError(msg=f"there is no file {place}", errno=NO_FILE)
        return found


def _read(text: str) -> str:
    """Return the text that a string of SQL is: the way back of `literal`."""
    return _ESCAPED.sub(lambda found: _SIGNS.get(found[1], found[1]) if found[1] is not None else "'", text)
