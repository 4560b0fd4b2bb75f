"""The objects of the account that are no rows: each with its owner, when it was made, and what it was made with.

One SQLite file. A change is one transaction, so that a killed server leaves the catalog as it was before or after a
statement.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from firnflow.stores.snowflake.names import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS object (
    kind TEXT NOT NULL, path TEXT NOT NULL, owner TEXT NOT NULL, created REAL NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS privilege (
    name TEXT NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL, role TEXT NOT NULL, granted_by TEXT NOT NULL,
    may_grant INTEGER NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (kind, path, name, role)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS membership (
    role TEXT NOT NULL, grantee_kind TEXT NOT NULL, grantee TEXT NOT NULL, granted_by TEXT NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (role, grantee_kind, grantee)
) WITHOUT ROWID;
"""

FullName = tuple[str, ...]
"""A full name: each part as Snowflake keeps it."""


@dataclass(frozen=True)
class Object:
    """Something that has a name: a stage, a role, a table."""

    kind: str
    path: FullName
    owner: str
    body: dict[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """The name without those of database and schema; of a function, without the types that tell it from others."""
        return str(self.body["name"]) if self.kind in ("FUNCTION", "PROCEDURE") else self.path[-1]

    def changed(self, **body: Any) -> Object:
        """Return the object with other values in its body; None takes one away."""
        return replace(self, body={k: v for k, v in {**self.body, **body}.items() if v is not None})


class Catalog:
    """The objects, and who may do what with them; for any thread.

    Args:
        file: the SQLite file; made if it is not there.
    """

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_TABLES}")
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def run(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement of SQLite, and return its rows."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def get(self, kind: str, path: FullName) -> Object | None:
        """Return the object of this kind and full name, or None."""
        found = self.run(
            "SELECT kind, path, owner, body, created FROM object WHERE kind = ? AND path = ?", kind, key(path)
        )
        return _object(found[0]) if found else None

    def put(self, thing: Object) -> None:
        """Write an object, in place of the one of its kind and name."""
        self.run(
            "INSERT OR REPLACE INTO object (kind, path, owner, created, body) VALUES (?, ?, ?, ?, ?)",
            *(thing.kind, key(thing.path), thing.owner, thing.created, json.dumps(thing.body)),
        )

    def all(self, kind: str, within: FullName = ()) -> list[Object]:
        """Return the objects of a kind below a container, by name."""
        rows = self.run(
            "SELECT kind, path, owner, body, created FROM object WHERE kind = ? AND substr(path, 1, ?) = ?",
            *(kind, len(_prefix(within)), _prefix(within)),
        )
        return sorted(map(_object, rows), key=lambda thing: thing.path)

    def of_session(self, token: str) -> list[Object]:
        """Return what a session has made for itself alone."""
        rows = self.run("SELECT kind, path, owner, body, created FROM object WHERE instr(body, ?)", token)
        return [thing for thing in map(_object, rows) if thing.body.get("session") == token]

    @property
    def changes(self) -> int:
        """How often something was written: whoever keeps an answer knows by it whether that still holds."""
        with self._lock:
            return self._connection.total_changes

    def drop(self, kind: str, path: FullName) -> None:
        """Forget an object, all that lies in it, and who may do what with them."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for table in ("object", "privilege"):
                self.run(f"DELETE FROM {table} WHERE kind = ? AND path = ?", kind, key(path))  # noqa: S608 - names above
                if kind in ("DATABASE", "SCHEMA"):
                    inside = _prefix(path)
                    self.run(f"DELETE FROM {table} WHERE substr(path, 1, ?) = ?", len(inside), inside)  # noqa: S608

    def move(self, kind: str, path: FullName, new: FullName) -> None:
        """Give an object another name; what lies in it, and who may do what, go with it."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for table in ("object", "privilege"):
                self.run(f"UPDATE {table} SET path = ? WHERE kind = ? AND path = ?", key(new), kind, key(path))  # noqa: S608
                if kind in ("DATABASE", "SCHEMA"):
                    old = _prefix(path)
                    self.run(
                        f"UPDATE {table} SET path = ? || substr(path, ?) WHERE substr(path, 1, ?) = ?",  # noqa: S608
                        *(_prefix(new), len(old) + 1, len(old), old),
                    )


def key(path: FullName) -> str:
    """Return a full name as one text; no two names have the same."""
    return "\x1f".join(path)


def path_of(text: str) -> FullName:
    """Return the full name that `key` made a text of."""
    return tuple(text.split("\x1f")) if text else ()


def full(path: Sequence[str]) -> str:
    """Return a full name as a statement can say it."""
    return ".".join(map(identifier, path))


def _prefix(within: FullName) -> str:
    return key(within) + "\x1f" if within else ""


def _object(row: tuple[str, str, str, str, float]) -> Object:
    kind, path, owner, body, created = row
    return Object(kind, path_of(path), owner, json.loads(body), created)
