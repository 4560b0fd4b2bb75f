"""How rows become the next version of an Iceberg table.

The data files are stored first; one commit, a compare and swap of the catalog's row, adds them together with what the
version says of itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow import values
from firnflow.stores.tables import files, keys
from firnflow.stores.tables.catalog import KEY, NAMESPACE
from firnflow.stores.tables.publish import Publication
from firnflow.stores.tables.read import ref_of
from firnflow.stores.tables.schema import evolve, narrower
from firnflow.stores.tables.types import as_iceberg, columns_of, iceberg_schema, sql_types
from firnflow.stores.tables.versions import Version, newest, of_task
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import ibis
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Transaction

    from firnflow.stores.tables.catalog import Tables
    from firnflow.stores.tables.publish import Wish

_PROPERTIES = {
    "commit.retry.num-retries": "0",  # pyiceberg would commit again without looking at what the other one did
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "16",  # each append adds one, and readers read them all
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


class IcebergPublication(Publication):
    """Publishing to an Iceberg table."""

    def __init__(self, tables: Tables, load: Ref, wish: Wish) -> None:
        super().__init__(tables, load, wish)
        self._catalog = tables
        self._columns = columns_of(self._rows, self._connection)
        self._written: tuple[Mapping[str, str], list[files.Written]] | None = None
        self._cast = True

    @property
    def _connection(self) -> Any:
        return self._stores.warehouse.connection

    def partitions(self) -> list[str] | None:
        """Return the names of the partitions that were written; None: none was yet."""
        return None if self._written is None else [file.name for file in self._written[1] if file.partition]

    def commit(self, table: Any) -> bool:
        """Make the rows a version, in one commit; return False where somebody else was faster."""
        from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError

        try:
            self._create() if table is None else self._add(table)
        except (CommitFailedException, TableAlreadyExistsError):
            return False
        return True

    def _create(self) -> None:
        """Make the table with its first version, in one commit."""
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.table import TableProperties
        from pyiceberg.transforms import IdentityTransform

        wish, catalog = self._wish, self._catalog.catalog
        schema = iceberg_schema(self._columns, self._connection)
        files.check_partition(wish.partition, self._columns)
        keys.check(wish.table, wish.key, self._rows)
        ids = {field.name: field.field_id for field in schema.fields}
        spec = PartitionSpec(
            *(PartitionField(ids[name], 1000 + at, IdentityTransform(), name) for at, name in enumerate(wish.partition))
        )
        transaction = catalog.create_table_transaction(
            (NAMESPACE, wish.table),
            schema,
            location=self._catalog.location(wish.table),
            partition_spec=spec,
            properties={**_PROPERTIES, **({KEY: json.dumps(wish.key)} if wish.key else {})},
        )
        mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})
        written = self._write({}, wish.partition, set())
        self._commit(transaction, 1, written, [], set())

    def _add(self, table: Any) -> None:
        """Add a version to a table."""
        wish, last = self._wish, newest(table)
        partition = self._check_same(table)
        wider = narrower(wish.table, last.number, sql_types(table.schema()), self._columns)
        there = list(files.of_snapshot(table, last.snapshot))
        known = {files.place(file) for file, _ in there}
        written = self._write(wider, partition, known if wish.mode == "append" else set())
        if wish.mode == "partition":
            self._check_conflict(table)
        gone = self._replaced(table, there, written)
        stays = [file for file, _ in there if file not in gone]
        keys.check(wish.table, table.key, self._rows, self._kept(table, last, stays) if stays else None)
        both = {files.place(file) for file in gone} & {file.where for file in written}
        written = [file for file in written if file.where not in both]  # a partition that is as it was
        gone = [file for file in gone if files.place(file) not in both]
        transaction = table.transaction()
        evolve(transaction, table.schema(), self._columns, self._connection)
        self._commit(transaction, last.number + 1, written, gone, {*map(files.place, stays), *both})

    def _kept(self, table: Any, last: Version, stays: Sequence[DataFile]) -> ibis.Table:
        """Return the rows of the data files that stay."""
        whole, places = ref_of(table, last), {files.place(file) for file in stays}
        parts = [part for part in whole.items or () if isinstance(part, Ref) and part.where in places]
        rows: ibis.Table = values.load(replace(whole, items=parts), type(self._rows), self._stores)
        return rows

    def _write(self, wider: Mapping[str, str], partition: tuple[str, ...], known: set[str]) -> list[files.Written]:
        """Store the rows as Iceberg can have them, once; the file that is there is taken where it is fit."""
        if self._written is not None and self._written[0] == wider:
            return self._written[1]
        rows, self._cast = as_iceberg(self._rows, self._connection, wider)
        tag = f"{self._wish.run}/{self._wish.task}"
        plain = self._load.where is not None and self._load.type == "ibis" and not self._cast
        if partition:
            found = files.write_partitions(self._stores, rows, partition, tag)
        elif plain and self._load.where not in known:
            found = [files.Written(str(self._load.where))]
        else:
            found = [files.write(self._stores, rows, tag)]
        self._written = wider, found
        return found

    def _replaced(self, table: Any, there: list[tuple[DataFile, int]], written: list[files.Written]) -> list[DataFile]:
        """Return the data files that go."""
        wish = self._wish
        if wish.mode == "replace":
            return [file for file, _ in there]
        if wish.mode == "append":  # what this task of this run has appended before, from other rows
            mine = of_task(table, wish.run, wish.task)
            return [file for file, by in there if mine is not None and by == mine.snapshot]
        replaced = {tuple(map(files.as_stored, file.partition)) for file in written}
        return [file for file, _ in there if files.partition_of(file) in replaced]

    def _commit(
        self, transaction: Transaction, number: int, written: list[files.Written], gone: list[DataFile], stays: set[str]
    ) -> None:
        wish = self._wish
        whole = wish.mode == "replace"
        version = Version(
            table=wish.table,
            number=number,
            at=0.0,
            rows=0,
            loaded=int((self._load.meta or {}).get("rows") or 0),
            **{name: getattr(wish, name) for name in ("mode", "run", "task", "pipeline", "by")},
            load=self._identity,
            digest=self._digest(None if whole else {*stays, *(file.where for file in written)}),
            partitions=None if whole or not transaction.table_metadata.spec().fields else self._partitions(),
            restored=None,
            snapshot=0,
        )
        update = transaction.update_snapshot(snapshot_properties=version.properties())
        with update.overwrite() if gone or not written else update.merge_append() as producer:
            for file in gone:
                producer.delete_data_file(file)
            for file in written:
                producer.append_data_file(files.data_file(self._stores, transaction.table_metadata, file))
        transaction.commit_transaction()

    def _digest(self, places: set[str] | None) -> str:
        """Return the digest of the version: of what is published where that is all, else of its files."""
        if places is None and not self._cast:
            return self._load.digest
        said = [self._load.digest] if places is None else sorted(places)
        return hashlib.sha256(json.dumps([said, self._columns]).encode()).hexdigest()
