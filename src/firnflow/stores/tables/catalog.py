"""The catalog of the named tables: SQLite beside the state, or in the state's PostgreSQL or Snowflake."""

from __future__ import annotations

import json
import logging
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from firnflow._crash import crash_point
from firnflow.errors import MissingExtraError, UnsafeFormatError
from firnflow.stores.state.connect import open_engine
from firnflow.stores.state.transaction import unusable
from firnflow.stores.tables.base import TablesLike

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyiceberg.catalog.sql import SqlCatalog

    from firnflow.stores import Stores
    from firnflow.stores.state import State
    from firnflow.stores.tables.publish import Publication, Wish
    from firnflow.stores.tables.versions import Version
    from firnflow.values.ref import Ref

KEY = "firnflow.key"
"""The property of a table that has the columns of its key, as a JSON list."""
NAMESPACE = "firnflow"
"""The name of the catalog, and of the namespace in it that has the tables."""
FILE = "tables.db"


class Tables(TablesLike):
    """The named tables of one environment, as Iceberg tables.

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
        if self._is_in_account:
            from firnflow.stores.state.snowflake import tables as hybrid

            hybrid.make(catalog.engine, sql.SqlCatalogBaseTable.metadata)
            return catalog
        with catalog.engine.begin() as connection:
            self._lock(connection)
            sql.SqlCatalogBaseTable.metadata.create_all(connection)
        return catalog

    def _engine(self) -> sa.Engine:
        if self.state.file is not None:
            return open_engine(f"sqlite:///{self.state.file.with_name(FILE)}")
        schema = self._schema
        engine = self.state.engine
        if schema is None:
            return engine
        with engine.begin() as connection:
            self._lock(connection)
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        return engine.execution_options(schema_translate_map={None: schema})

    def _lock(self, connection: sa.Connection) -> None:
        """Let nobody else make the catalog at once; a transaction of SQLite that writes is alone anyway."""
        if self.state.file is None:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})

    @property
    def _is_in_account(self) -> bool:
        return bool(self.state.engine.dialect.name == "snowflake")

    @cached_property
    def _schema(self) -> str | None:
        """The schema of the catalog's own; None: it has none in Snowflake, where the state has one of its own."""
        if self._is_in_account:
            return None
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

    def find(self, name: str) -> Any:
        """Return a table as it is now, or None."""
        if not self.exists:
            return None
        catalog = self.catalog
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return catalog.load_table((NAMESPACE, name))
        except NoSuchTableError:
            return None

    def location(self, name: str) -> str:
        """Return a fresh place for the metadata of a new table; another state may have a table of the same name."""
        from firnflow.stores.tables.io import FOLDER

        return f"{self._root}/{FOLDER}/{name}-{uuid.uuid4().hex[:8]}"

    @property
    def _root(self) -> str:
        artifacts = self.stores.artifacts
        return artifacts.url.rstrip("/") if "://" in artifacts.url else str(artifacts.folder)

    def publication(self, load: Ref, wish: Wish) -> Publication:
        """Return what publishes a stored table."""
        from firnflow.stores.tables.commit import IcebergPublication

        return IcebergPublication(self, load, wish)

    def places(self, without: Collection[Version] = ()) -> Collection[str]:
        """Return the places of all data files of versions that are kept."""
        from firnflow.stores.tables import expire

        return expire.places(self, without)

    def expire(self, old: Collection[Version]) -> list[Version]:
        """Forget versions, and return those that were forgotten."""
        from firnflow.stores.tables import expire

        return expire.expire(self, old)

    def compact(self, names: Collection[str]) -> list[str]:
        """Join the small files of the newest version of tables, and return the tables of which that was done."""
        from firnflow.stores.tables import expire

        return expire.compact(self, names)

    def sweep(self, older_than: float) -> int:
        """Remove metadata that no table refers to and that is older than so many seconds; return how many files."""
        from firnflow.stores.tables import expire

        return expire.sweep(self, older_than)

    def close(self) -> None:
        """Disconnect from the catalog."""
        catalog = self.__dict__.pop("catalog", None)
        if catalog is not None and self.state.file is not None:
            catalog.engine.dispose()


_LOADED = {"py-io-impl", "write.py-location-provider.impl"}
_LOCK = 0x6672_7462  # PostgreSQL: two processes must not make the schema, or its tables, at once


def _versioned(base: Any) -> Any:
    """Return pyiceberg's table, which also tells its versions: a `TableLike`."""
    from firnflow.stores.tables import expire, read, restore, types, versions

    class Versioned(base):  # type: ignore[misc]
        @property
        def title(self) -> str:
            return str(self.name()[-1])

        @property
        def key(self) -> tuple[str, ...]:
            return tuple(json.loads(self.properties.get(KEY, "[]")))

        @property
        def partition(self) -> tuple[str, ...]:
            names = {field.field_id: field.name for field in self.schema().fields}
            return tuple(names[field.source_id] for field in self.spec().fields)

        @property
        def columns(self) -> dict[str, str]:
            return types.sql_types(self.schema())

        @property
        def is_scattered(self) -> bool:
            return bool(expire.small(self))

        def versions(self) -> list[Version]:
            return versions.of_snapshots(self)

        def ref_of(self, version: Version) -> Ref:
            return read.of_files(self, version)

        def restore(self, old: Version, version: Version) -> bool:
            return restore.by_files(self, old, version)

    return Versioned


def _catalog(base: Any) -> Any:
    """Return pyiceberg's catalog, but for what it does to a database when it is made."""
    from pyiceberg.table import Table

    from firnflow.stores.tables.io import DurableIO

    versioned = _versioned(Table)

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
            return versioned(
                table.name(), table.metadata, table.metadata_location, table.io, table.catalog, table.config
            )

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
