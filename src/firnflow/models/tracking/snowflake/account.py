"""The schema of an account in which runs and models are told of: its statements, their rows, and what they raise."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from firnflow.errors import ConfigError, StoreError
from firnflow.stores.snowflake.connection import connect, where
from firnflow.stores.snowflake.names import RESERVED, identifier, literal

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project import Settings

_MISSING = (2003, 2043)
"""Numbers of errors: what is not there, or may not be seen."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Account:
    """An environment's schema, by one connection that is opened when it is needed, and again where it was cut.

    Args:
        settings: the environment.
        root: the project's folder.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self._settings, self._root = settings, root
        self._connection: Any = None
        self._session: Any = None
        self._schema: tuple[str, str] | None = None

    @property
    def schema(self) -> tuple[str, str]:
        """Database and schema, as Snowflake keeps their names. Raises ConfigError where nothing says which."""
        if self._schema is None:
            row = self.rows("SELECT CURRENT_DATABASE() AS db, CURRENT_SCHEMA() AS sch")[0]
            if not row["db"] or not row["sch"]:
                raise ConfigError(
                    f"{where(self._settings, self._root)}: says not in which schema of Snowflake its runs and models "
                    "are. Mend: database = 'ml' and schema = 'prod' in "
                    f"[environments.{self._settings.environment}.snowflake]"
                )
            self._schema = (str(row["db"]), str(row["sch"]))
        return self._schema

    def full(self, name: str) -> str:
        """Return the full name of something in the schema, as SQL writes it."""
        return ".".join(identifier(part) for part in (*self.schema, name))

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Send a statement, and return its rows: column, in small letters → value.

        Raises:
            StoreError: Snowflake refuses it, or cannot be reached.
        """
        from snowflake.connector import errors

        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)
                names = [each.name.lower() for each in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
        except (errors.OperationalError, errors.InterfaceError, OSError) as error:
            self.close()
            raise StoreError(f"Snowflake cannot be reached: {_first(error)}") from error
        except errors.Error as error:
            raise StoreError(f"Snowflake refuses: {_first(error)}\n  {statement[:300]}") from error

    def looked(self, statement: str) -> list[dict[str, Any]] | None:
        """Return the rows of a statement that only looks; None where that of which it asks is not there."""
        try:
            return self.rows(statement)
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) in _MISSING:
                return None
            raise

    def put(self, file: Path, place: str) -> None:
        """Write a file, as it is, into a place of `snow://`, over what is there. Raises StoreError."""
        self.rows(f"PUT {literal(f'file://{file}')} {literal(place)} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")

    @property
    def connection(self) -> Any:
        """The connection of Snowflake's connector. Raises as `stores.snowflake.connection.connect` does."""
        if self._connection is None or self._connection.is_closed():
            self._connection, _ = connect(self._settings, self._root)
            self._session = None
        return self._connection

    @property
    def session(self) -> Any:
        """A session of Snowpark over the connection, for Snowflake's clients that want one."""
        connection = self.connection
        if self._session is None:
            from snowflake.snowpark import Session

            self._session = Session.builder.configs({"connection": connection}).create()
        return self._session

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._session = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # one that is cut
                connection.close()


def kept(name: str) -> str:
    """Return how Snowflake keeps one of our names: in capitals where it may be written without quotes, else as it is.

    So people write it there as they do here: `registry.get_model("churn")`, `MODEL(churn)`.
    """
    return name.upper() if _PLAIN.fullmatch(name) and name.upper() not in RESERVED else name


def text_of(data: Any) -> str:
    """Return JSON as a string of SQL."""
    return literal(json.dumps(data, ensure_ascii=True, sort_keys=True, allow_nan=False))


def _first(error: Exception) -> str:
    """Return what an error of the connector says, without ids of queries."""
    said = str(getattr(error, "raw_msg", None) or getattr(error, "msg", None) or error)
    return " ".join(said.split())[:500]
