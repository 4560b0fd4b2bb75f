"""The online store in a file of SQLite: filling a place is one transaction, and readers wait for nobody."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow._crash import crash_point
from firnflow.errors import StoreError
from firnflow.stores.online.base import MARK, PATIENCE, Found
from firnflow.stores.state.records import is_damage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_TABLES = """
CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS value (
    place INTEGER NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (place, key)
) WITHOUT ROWID;
"""
_READ = """
SELECT {number}, value.key, value.text FROM json_each(?) AS wanted
CROSS JOIN value ON value.place = (SELECT id FROM place WHERE name = ?) AND value.key = wanted.value
"""
_BATCH = 5000


class SQLiteStore:
    """Texts in a file; see `OnlineStore`. The file is made when something is first written.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []

    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[Found]:
        """See `OnlineStore.read`."""
        if not self._path.exists():
            return [Found(None, [None] * len(keys)) for _, keys in wanted]
        query = "UNION ALL".join(_READ.format(number=number) for number in range(len(wanted)))
        bound = [part for place, keys in wanted for part in (json.dumps([MARK, *dict.fromkeys(keys)]), place)]
        found: list[dict[str, str]] = [{} for _ in wanted]
        with _said(self._path):
            for number, key, text in self._reader().execute(query, bound):
                found[number][key] = text
        return [
            Found(texts.get(MARK), [texts.get(key) for key in keys])
            for texts, (_, keys) in zip(found, wanted, strict=True)
        ]

    @contextlib.contextmanager
    def writing(self, place: str) -> Iterator[SQLiteWriter]:
        """See `OnlineStore.writing`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _said(self._path):
            connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")  # what is committed outlives a power cut
                connection.execute("BEGIN IMMEDIATE")
                for statement in filter(None, map(str.strip, _TABLES.split(";"))):
                    connection.execute(statement)
                connection.execute("INSERT INTO place (name) VALUES (?) ON CONFLICT DO NOTHING", (place,))
                (number,) = connection.execute("SELECT id FROM place WHERE name = ?", (place,)).fetchone()
                yield SQLiteWriter(connection, number)
                connection.execute("COMMIT")  # else closing it rolls back

    def close(self) -> None:
        """See `OnlineStore.close`."""
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._local = threading.local()

    def _reader(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, timeout=60, isolation_level=None, check_same_thread=False)
            self._local.connection = found
            self._open.append(found)
        return found


class SQLiteWriter:
    """The writer of a place, in a transaction; see `Writer`."""

    def __init__(self, connection: sqlite3.Connection, place: int) -> None:
        self._connection, self._place = connection, place
        self.mark = self.get([MARK])[0]

    def get(self, keys: Sequence[str]) -> list[str | None]:
        """See `Writer.get`."""
        query = "SELECT key, text FROM value WHERE place = ? AND key IN (SELECT value FROM json_each(?))"
        found = dict(self._connection.execute(query, (self._place, json.dumps(list(keys)))))
        return [found.get(key) for key in keys]

    def put(self, texts: Mapping[str, str], mark: str) -> None:  # noqa: ARG002 - nobody sees a transaction's parts
        """See `Writer.put`."""
        statement = "INSERT INTO value VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET text = excluded.text"
        self._connection.executemany(statement, [(self._place, key, text) for key, text in texts.items()])
        crash_point("online.written")

    def all_keys(self) -> Iterator[str]:
        """See `Writer.all_keys`."""
        query = "SELECT key FROM value WHERE place = ? AND key > ? ORDER BY key LIMIT ?"
        last = MARK
        while some := [key for (key,) in self._connection.execute(query, (self._place, last, _BATCH))]:
            yield from some
            last = some[-1]

    def count(self) -> int:
        """See `Writer.count`."""
        query = "SELECT count(*) FROM value WHERE place = ? AND key <> ?"
        return int(self._connection.execute(query, (self._place, MARK)).fetchone()[0])

    def drop(self, keys: Iterable[str], mark: str) -> None:  # noqa: ARG002 - likewise
        """See `Writer.drop`."""
        statement = "DELETE FROM value WHERE place = ? AND key = ?"
        self._connection.executemany(statement, ((self._place, key) for key in keys))

    def end(self, mark: str) -> None:
        """See `Writer.end`."""
        self.put({MARK: mark}, mark)


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say what is wrong with the file. Raises StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        mend = "see that it can be written, and that the disk has room"
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            mend = "wait for the process that fills it"
        elif is_damage(str(error)):
            mend = "delete the file, then: firnflow features materialize"
        raise StoreError(f"The online store {path} cannot be used: {error}. Mend: {mend}") from error
