"""Opening the state database in Snowflake: connections to its schema, errors as other databases have them."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from firnflow.errors import MissingExtraError, StateError, StoreError
from firnflow.project.account_url import SCHEME, read_account_url
from firnflow.stores.snowflake import procedure
from firnflow.stores.snowflake.connection import connect_to
from firnflow.stores.snowflake.names import full_name, kept
from firnflow.stores.snowflake.session import MISSING, said

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine, ExceptionContext

    from firnflow.project.snowflake import Snowflake

RECYCLED = 3 * 3600
"""Seconds after which a connection is not used again: a session ends after four hours in which nothing is done."""
_PARAMETERS = {
    "QUERY_TAG": "firnflow state",
    # https://docs.snowflake.com/en/user-guide/tables-hybrid-limitations: else another session's writes are seen late
    "READ_LATEST_WRITES": True,
}
_BROKEN_KEY = re.compile(r"primary key already exists|duplicate key|(?:unique|foreign key) constraint", re.IGNORECASE)
"""What is said where a key is there already, or one that is referred to is not."""


def open_engine(url: str) -> Engine:
    """Return an engine on the schema of a URL; nothing is connected yet.

    Raises:
        MissingExtraError: snowflake-sqlalchemy or the connector is not installed.
        ConfigError: the URL leads nowhere.
    """
    section, _ = read_account_url(url)
    try:
        from firnflow.stores.state.snowflake.dialect import StateDialect
    except ModuleNotFoundError as error:
        raise MissingExtraError("snowflake-sqlalchemy", "snowflake") from error
    logging.getLogger("snowflake.sqlalchemy").setLevel(logging.CRITICAL)  # what goes wrong is said by errors

    sa.dialects.registry.impls[SCHEME] = lambda: StateDialect
    most = 4 if procedure.current() is None else 1  # a procedure has one session, and that one transaction
    pooled: dict[str, Any] = {"pool_size": most, "pool_recycle": RECYCLED, "pool_reset_on_return": None}
    if most == 1:
        pooled["max_overflow"] = 0
    engine = sa.create_engine(f"{SCHEME}://", creator=lambda: _connect(section, url), paramstyle="qmark", **pooled)
    sa.event.listen(engine, "handle_error", _as_elsewhere)
    return engine


def _connect(section: Snowflake, url: str) -> Any:
    """Return a connection in the section's schema, which is made where there is none.

    A login does not fail where there is no such schema: it then is in another one, or in none.
    """
    from snowflake.connector.errors import ProgrammingError

    database, schema = str(section.database), str(section.schema_)
    place = full_name(schema, database)
    options = {"paramstyle": "qmark", "autocommit": False, "session_parameters": _PARAMETERS}
    try:
        connection = connect_to(section, url, **options)[0]
    except StoreError as error:
        raise StateError(f"the state database cannot be used: {error}") from error
    if connection.warehouse is None:
        connection.close()
        wanted = section.warehouse
        why = (
            f"warehouse {wanted!r} is not there, or the role may not use it. Mend: another one in the section "
            f"`snowflake` of the environment, CREATE WAREHOUSE, or GRANT USAGE ON WAREHOUSE {wanted} TO ROLE …"
            if wanted is not None
            else "the session has no warehouse. Mend: warehouse = 'wh' in the section `snowflake` of the environment, "
            "or of the connection"
        )
        raise StateError(f"the state database {url} cannot be used: {why}")
    if (connection.database, connection.schema) == (kept(database), kept(schema)):
        return connection
    try:
        with connection.cursor() as cursor:
            try:
                cursor.execute(f"USE SCHEMA {place}")
            except ProgrammingError as error:
                if error.errno not in MISSING:
                    raise
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {place}")
                cursor.execute(f"USE SCHEMA {place}")
    except ProgrammingError as error:
        connection.close()
        raise StateError(
            f"the state database {url} cannot be used: {said(error)}. Mend: somebody who may makes the schema, "
            f"CREATE SCHEMA {place}, and gives it to the role"
        ) from error
    return connection


def _as_elsewhere(context: ExceptionContext) -> None:
    """Raise what a broken key is as IntegrityError: the connector has one error for all that is refused."""
    error = context.original_exception
    if not _BROKEN_KEY.search(str(getattr(error, "msg", "") or "")):
        return
    raise IntegrityError(context.statement, context.parameters, error) from error
