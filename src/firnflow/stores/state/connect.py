"""Opening the state database: SQLite in WAL mode, or by URL PostgreSQL or Snowflake; made or migrated when opened."""

from __future__ import annotations

import sqlite3
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from firnflow.errors import MissingExtraError, StateError
from firnflow.project.account_url import is_account_url
from firnflow.stores.state import schema
from firnflow.stores.state.records import DAMAGED, is_damage

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

BUSY_SECONDS = 60


def connect(url: str) -> Engine:
    """Return an engine on a database whose tables are those of `schema`.

    Raises:
        StateError: the database cannot be reached, is no Firnflow state, or was made by a newer Firnflow.
        MissingExtraError: the URL's driver is not installed.
    """
    engine = open_engine(url)
    try:
        _prepare(engine)
    except DBAPIError as error:
        engine.dispose()
        said = _first_line(error)
        if engine.dialect.name == "sqlite" and is_damage(said):
            raise StateError(DAMAGED.format(f"{_shown(url)}: {said}")) from error
        raise StateError(f"the state database {_shown(url)} cannot be used: {said}") from error
    except UnicodeDecodeError as error:  # SQLite's message quotes what is damaged
        engine.dispose()
        raise StateError(DAMAGED.format(f"{_shown(url)}: {error}")) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_engine(url: str) -> Engine:
    """Return an engine on a database whose tables are not looked at. Raises as `connect`."""
    if is_account_url(url):
        from firnflow.stores.state.snowflake import engine as account

        return account.open_engine(url)
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StateError(
            f"'{_shown(url)}' is no database URL. Write e.g. state = 'sqlite:///.firnflow/state.db'"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in {None, "", ":memory:"}:
            raise StateError("the state database needs a file: several processes use it")
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
        sa.event.listen(engine, "connect", _on_sqlite_connect)
        sa.event.listen(engine, "begin", _begin_immediate)
        return engine
    if parsed.get_backend_name() != "postgresql":
        raise StateError(
            f"the state database can be SQLite, PostgreSQL or 'snowflake', not {parsed.get_backend_name()}"
        )
    try:
        return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=4)
    except ModuleNotFoundError as error:
        raise MissingExtraError("psycopg", "postgres") from error


def _on_sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's events begin transactions, not the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut, not only a killed process
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Turn the write-ahead log on. Of processes that do so at once SQLite refuses some, and has none wait."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_immediate(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later would fail with "database is locked" instead of waiting.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if not connection.get_execution_options().get("reads") else "BEGIN")


def _prepare(engine: Engine) -> None:
    if engine.dialect.name == "snowflake":
        _prepare_account(engine)
        return
    version = _version(engine)
    if version == schema.REVISION:
        return
    from firnflow.stores.state import migrate

    migrate.upgrade(engine, version)


def _prepare_account(engine: Engine) -> None:
    from firnflow.stores.state.snowflake import tables

    version = tables.found_version(engine)
    if version is None:
        tables.create(engine, uuid.uuid4().hex)
    elif version != schema.REVISION:
        raise StateError(
            f"the state database is at version {version}, which this Firnflow does not know: it was made by a newer "
            "one. Mend: upgrade Firnflow"
        )


def _version(engine: Engine) -> str | None:
    """Return the revision of the tables, or None where there are none."""
    with engine.connect().execution_options(reads=True) as connection:
        if engine.dialect.name == "sqlite":
            there = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'firnflow_version'").scalar()
        else:
            there = connection.exec_driver_sql("SELECT to_regclass('firnflow_version')").scalar()
        if not there:
            return None
        found = connection.exec_driver_sql("SELECT version_num FROM firnflow_version").scalar()
        return str(found) if found else None


def _shown(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return url.rsplit("@", maxsplit=1)[-1]


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
