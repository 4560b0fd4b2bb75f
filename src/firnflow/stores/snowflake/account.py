"""The schema of an environment in its account, for what is kept like ours there: runs, models, features."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from firnflow.errors import ConfigError, StoreError
from firnflow.stores.snowflake.connection import connect, where
from firnflow.stores.snowflake.names import RESERVED, identifier, kept, literal
from firnflow.stores.snowflake.session import MISSING, CutError
from firnflow.stores.snowflake.session import Session as Statements

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project import Settings

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Account:
    """An environment's schema, by one connection that is opened when it is needed, and again where it was cut.

    Args:
        settings: the environment.
        root: the project's folder.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self._settings, self._root = settings, root
        self._statements = Statements(lambda: connect(settings, root)[0])
        self._session: Any = None
        self._schema: tuple[str, str] | None = None

    @property
    def schema(self) -> tuple[str, str]:
        """Database and schema, as Snowflake keeps their names.

        Raises:
            ConfigError: nothing says which.
            StoreError: they are not there, or not for this role.
        """
        if self._schema is None:
            row = self.rows("SELECT CURRENT_DATABASE() AS db, CURRENT_SCHEMA() AS sch, CURRENT_ROLE() AS role")[0]
            self._schema = self._checked(row["db"], row["sch"], row["role"])
        return self._schema

    def _checked(self, database: str | None, schema: str | None, role: str | None) -> tuple[str, str]:
        """Return where the session is. One that may not go where it is sent is elsewhere, without an error."""
        section, place = self._settings.snowflake, where(self._settings, self._root)
        for key, wanted, there in (("database", section.database, database), ("schema", section.schema_, schema)):
            if wanted is not None and kept(wanted) != there:
                raise StoreError(
                    f"{place}: {key} = {wanted!r}: there is none in Snowflake, or the role {role} may not use it. "
                    f"Mend: CREATE {key.upper()}, or GRANT USAGE ON {key.upper()} … TO ROLE {role}"
                )
        if not database or not schema:
            raise ConfigError(
                f"{place}: says not which schema of Snowflake is its own. Mend: database = 'ml' and schema = 'prod' in "
                f"[environments.{self._settings.environment}.snowflake]"
            )
        return database, schema

    def full(self, name: str) -> str:
        """Return the full name of something in the schema, as SQL writes it."""
        return ".".join(identifier(part) for part in (*self.schema, name))

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Send a statement, and return its rows: column, in small letters → value.

        Raises:
            StoreError: Snowflake refuses it, or cannot be reached.
        """
        return self._statements.send(statement)

    def described(self, query: str) -> list[Any]:
        """Return the columns of a query, which is not run, as the connector tells them. Raises as `rows`."""
        return self._statements.described(query)

    def asking(self, query: str) -> contextlib.AbstractContextManager[Any]:
        """Give the connector's connection for a query whose rows come as Arrow. Raises as `rows`."""
        return self._statements.asking(query)

    def possible(self, query: str) -> bool:
        """Return whether Snowflake answers a query. Raises StoreError where it cannot be reached."""
        try:
            self.rows(query)
        except CutError:
            raise
        except StoreError:
            return False
        return True

    def looked(self, statement: str) -> list[dict[str, Any]] | None:
        """Return the rows of a statement that only looks; None where that of which it asks is not there."""
        try:
            return self.rows(statement)
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) in MISSING:
                return None
            raise

    def put(self, file: Path, place: str) -> None:
        """Write a file, as it is, into a place of `snow://`, over what is there. Raises StoreError."""
        self.rows(f"PUT {literal(f'file://{file}')} {literal(place)} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")

    @property
    def host(self) -> str:
        """Where the account is."""
        return str(self._statements.connection.host)

    @property
    def session(self) -> Any:
        """A session of Snowpark over the connection, for Snowflake's clients that want one."""
        connection = self._statements.connection
        if self._session is None or self._session.connection is not connection:
            from snowflake.snowpark import Session

            self._session = Session.builder.configs({"connection": connection}).create()
        return self._session

    def close(self) -> None:
        """Close the connection, and the session over it, of which Snowpark knows as long as it is open."""
        if self._session is not None:
            with contextlib.suppress(Exception):  # whatever the network makes of it, nothing is lost
                self._session.close()
        self._session = None
        self._statements.close()


def in_account(name: str) -> str:
    """Return how one of our names is kept there: in capitals where it may be written without quotes, else as it is.

    So people write it there as they do here: `registry.get_model("churn")`, `MODEL(churn)`.
    """
    return name.upper() if _PLAIN.fullmatch(name) and name.upper() not in RESERVED else name


def text_of(data: Any) -> str:
    """Return JSON as a string of SQL."""
    return literal(json.dumps(data, ensure_ascii=True, sort_keys=True, allow_nan=False))
