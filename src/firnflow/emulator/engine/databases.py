"""The databases of the account: a DuckDB file each, all open in this process."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier, literal
from firnflow.emulator import errors
from firnflow.emulator.engine.macros import creation

if TYPE_CHECKING:
    from pathlib import Path

TAKEN = frozenset({"SYSTEM", "TEMP", "MEMORY", "MAIN", "_FS_GLOBAL", "_KEPT", "_NOWHERE", "SNOWFLAKE"})
"""Names that DuckDB, fakesnow or Snowflake keep for themselves."""
NOWHERE = "_nowhere"
"""What stands in for a database as long as a session has none: only fakesnow's functions are in it."""
FUNCTIONS = "memory.main"
"""What has the functions that DuckDB lacks: every session looks there after its own schema."""
KEPT = "_kept"
"""What tables held before: beside the databases, as it is no part of them."""
_PLACE = "ZZ_DATABASE_ZZ"


class Databases:
    """Every database, by DuckDB; fakesnow's own schema is made in each.

    Args:
        folder: where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        from fakesnow import macros
        from fakesnow.instance import FakeSnow

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._fakesnow = FakeSnow(create_database_on_connect=False, create_schema_on_connect=False, db_path=folder)
        self._lock = threading.Lock()
        self.run(f"ATTACH ':memory:' AS {NOWHERE}")
        self.run(f"ATTACH {literal(str(folder / 'kept.duckdb'))} AS {KEPT}")
        self.run(macros.creation_sql(NOWHERE))
        for made in creation():
            self.run(made)

    def open(self, name: str) -> None:
        """Open a database, and make it if there is none.

        Raises:
            SnowflakeError: the name is one that DuckDB keeps for itself.
        """
        from fakesnow import info_schema, macros

        if name.upper() in TAKEN:
            raise errors.SnowflakeError(
                2, "0A000", f"Unsupported feature 'database {name}'. The emulator keeps that name for itself"
            )
        with self._lock:
            self.run(f"ATTACH IF NOT EXISTS {literal(str(self._file(name)))} AS {identifier(name)}")
            for made in (info_schema.per_db_creation_sql(_PLACE), macros.creation_sql(_PLACE)):
                self.run(made.replace(f"'{_PLACE}'", literal(name)).replace(_PLACE, identifier(name)))

    def drop(self, name: str) -> None:
        """Close a database and delete its file."""
        with self._lock:
            self.run(f"DETACH {identifier(name)}")
            for suffix in ("", ".wal"):
                self._file(name).with_name(self._file(name).name + suffix).unlink(missing_ok=True)

    def rename(self, name: str, new: str) -> None:
        """Give a database another name, and so its file. Nobody may be in it."""
        with self._lock:
            self.run(f"CHECKPOINT {identifier(name)}")
            self.run(f"DETACH {identifier(name)}")
            self._file(name).rename(self._file(new))
        self.open(new)

    def run(self, statement: str, values: Any = None) -> list[Any]:
        """Run a statement of DuckDB's in a connection of its own, and return its rows."""
        with self._fakesnow.duck_conn.cursor() as cursor:
            done = cursor.execute(statement, values)
            return done.fetchall() if done.description else []

    def connect(self) -> Any:
        """Return a connection for a session, in no database yet."""
        return self._fakesnow.connect()

    def close(self) -> None:
        """Write all databases to their files and close them."""
        with contextlib.suppress(Exception):  # a file that cannot be written now is recovered from its log when opened
            for (name,) in self.run("SELECT database_name FROM duckdb_databases() WHERE NOT internal"):
                self.run(f"CHECKPOINT {identifier(name)}")
        self._fakesnow.duck_conn.close()

    def _file(self, name: str) -> Path:
        """Return the file of a database; a name can be longer than a file's, and hold any letter."""
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.duckdb"
