"""The catalog of the named tables: SQLite beside the state, or a schema of its own in the state's PostgreSQL."""

from __future__ import annotations

import logging
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from firnflow._crash import crash_point
from firnflow._text import listing, nearest
from firnflow.errors import MissingExtraError, NotFoundError, UnsafeFormatError
from firnflow.stores.state.connect import open_engine
from firnflow.stores.state.transaction import unusable

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import Table

    from firnflow.stores import Stores
    from firnflow.stores.state import State

NAMESPACE = "firnflow"
"""The name of the catalog, and of the namespace in it that has the tables."""
FILE = "tables.db"
NO_TABLES = "There is no named table yet. A pipeline makes one: engineer(…).publish('orders')"


class Tables:
    """The named tables of one environment.

    Args:
        state: beside which the catalog is.
        stores: where data and metadata are.
    """

    def __init__(self, state: State, stores: Stores) -> None:
        self.state = state
        self.stores = stores

    @property
    def exists(self) -> bool:
        """Whether there is a catalog. Looking makes none."""
        if self.state.file is not None:
            return self.state.file.with_name(FILE).exists()
        return sa.inspect(self.state.engine).has_table("iceberg_tables", schema=self._schema)

    @cached_property
    def catalog(self) -> SqlCatalog:
        """The catalog, made where there is none. Raises MissingExtraError without pyiceberg."""
        try:
            from pyiceberg.catalog import sql
        except ImportError as error:
            raise MissingExtraError("pyiceberg", "tables") from error
        from firnflow.stores.tables.io import IMPLEMENTATION, ROOT

        logging.getLogger("pyiceberg").setLevel(logging.WARNING)  # it tells of every file that it opens

        properties = {"py-io-impl": IMPLEMENTATION, ROOT: self._root}
        catalog = _catalog(sql.SqlCatalog)(NAMESPACE, uri="sqlite://", **properties)
        catalog.engine = self._engine()
        with catalog.engine.begin() as connection:
            self._lock(connection)
            sql.SqlCatalogBaseTable.metadata.create_all(connection)
        return catalog

    def _engine(self) -> sa.Engine:
        if self.state.file is not None:
            return open_engine(f"sqlite:///{self.state.file.with_name(FILE)}")
        schema = self._schema
        engine = self.state.engine
        with engine.begin() as connection:
            self._lock(connection)
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        return engine.execution_options(schema_translate_map={None: schema})

    def _lock(self, connection: sa.Connection) -> None:
        """Let nobody else make the catalog at once; a transaction of SQLite that writes is alone anyway."""
        if self.state.file is None:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})

    @cached_property
    def _schema(self) -> str:
        with self.state.engine.connect() as connection:
            own = str(connection.execute(sa.text("SELECT current_schema()")).scalar_one())
        return f"{NAMESPACE if own == 'public' else own}_tables"

    def make(self) -> None:
        """Make the catalog where there is none. Raises MissingExtraError without pyiceberg."""
        _ = self.catalog

    def names(self) -> list[str]:
        """Return the names of all tables."""
        if not self.exists:
            return []
        return sorted(name for _, name in self.catalog.list_tables(NAMESPACE))

    def find(self, name: str) -> Table | None:
        """Return a table as it is now, or None."""
        if not self.exists:
            return None
        catalog = self.catalog
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return catalog.load_table((NAMESPACE, name))
        except NoSuchTableError:
            return None

    def get(self, name: str) -> Table:
        """Return a table as it is now. Raises NotFoundError."""
        found = self.find(name)
        if found is None:
            names = self.names()
            known = f"{nearest(name, names)} Known: {listing(names)}" if names else f" {NO_TABLES}"
            raise NotFoundError(f"There is no table {name!r}.{known}")
        return found

    def location(self, name: str) -> str:
        """Return a fresh place for the metadata of a new table; another state may have a table of the same name."""
        from firnflow.stores.tables.io import FOLDER

        return f"{self._root}/{FOLDER}/{name}-{uuid.uuid4().hex[:8]}"

    @property
    def _root(self) -> str:
        artifacts = self.stores.artifacts
        return artifacts.url.rstrip("/") if "://" in artifacts.url else str(artifacts.folder)

    def close(self) -> None:
        """Disconnect from the catalog."""
        catalog = self.__dict__.pop("catalog", None)
        if catalog is not None and self.state.file is not None:
            catalog.engine.dispose()


_LOADED = {"py-io-impl", "write.py-location-provider.impl"}
_LOCK = 0x6672_7462  # PostgreSQL: two processes must not make the schema, or its tables, at once


def _catalog(base: Any) -> Any:
    """Return pyiceberg's catalog, but for what it does to a database when it is made."""
    from firnflow.stores.tables.io import DurableIO

    class Quiet(base):  # type: ignore[misc]
        def _init_catalog(self) -> None:
            self._schema_version = "v1"

        def namespace_exists(self, identifier: Any) -> bool:  # noqa: ARG002 - there is one
            return True

        def load_table(self, identifier: Any) -> Any:
            table = super().load_table(identifier)
            named = sorted(_LOADED & table.properties.keys())
            if named:  # pyiceberg would import, and call, what it names
                raise UnsafeFormatError(f"The metadata of table {table.name()[-1]!r} names code to be run: {named[0]}")
            return table

        def _load_file_io(self, properties: Any = None, location: Any = None) -> Any:  # noqa: ARG002 - those of a file
            return DurableIO(self.properties)

        def commit_table(self, table: Any, requirements: Any, updates: Any) -> Any:
            try:
                return super().commit_table(table, requirements, updates)
            except DBAPIError as error:
                raise unusable(error) from error

        @staticmethod
        def _write_metadata(metadata: Any, io: Any, metadata_path: str) -> None:
            base._write_metadata(metadata, io, metadata_path)  # noqa: SLF001 - of the same class
            crash_point("table.staged")

    return Quiet
