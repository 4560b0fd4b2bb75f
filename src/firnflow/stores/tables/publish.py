"""Publishing: rows become the next version of a named table, in one commit, once.

What makes it safe: the data files are stored first and nothing refers to them; then one commit, a compare and swap of
the catalog's row, adds them together with what the version says of itself. Whoever dies before it has changed nothing;
whoever comes again finds the version of its run and task. Of two writers at once the second to commit looks again: what
the other one did leaves its own as it is, or it is a conflict.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ibis

from firnflow import values
from firnflow._crash import crash_point
from firnflow._text import listing
from firnflow.errors import TableConflictError, UsageError
from firnflow.stores.tables import files, keys
from firnflow.stores.tables.catalog import NAMESPACE
from firnflow.stores.tables.read import ref_of
from firnflow.stores.tables.schema import evolve, narrower
from firnflow.stores.tables.types import as_iceberg, columns_of, iceberg_schema
from firnflow.stores.tables.versions import Version, newest, of_task, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction

    from firnflow.stores.tables.catalog import Tables
    from firnflow.values.ref import Ref

KEY = "firnflow.key"
"""The property of a table that has the columns of its key, as a JSON list."""
PATIENCE = 60.0
"""Seconds for which a writer tries again when others are faster."""
_NOTED = 200  # partitions that a version names; one that changes more says that it changes all
_PROPERTIES = {
    "commit.retry.num-retries": "0",  # pyiceberg would commit again without looking at what the other one did
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "16",  # each append adds one, and readers read them all
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be published, and how.

    Attributes:
        table: the name.
        mode: `replace`, `append`, or `partition`, which replaces the partitions that are in the rows.
        key: columns that no two rows may have in common; empty: as the table says.
        partition: the columns of the partitions; empty: as the table says.
        run: the run that publishes; "": none.
        task: the task there: what it has published is found again.
        pipeline: the run's pipeline.
        by: who.
        base: the version that the rows were made from: it must be the newest still, but for the run's own.
        identity: what tells these rows from others, of which a task publishes each once; "": all that is in them.
    """

    table: str
    mode: str = "replace"
    key: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    run: str = ""
    task: str = ""
    pipeline: str = ""
    by: str = ""
    base: int | None = None
    identity: str = ""


def publish(tables: Tables, load: Ref, wish: Wish) -> Ref:
    """Publish a stored table, and return the version that has it.

    The same rows by the same task are published once, also by a run that is killed and resumed, or started again.

    Args:
        tables: where to.
        load: the stored table.
        wish: how.

    Raises:
        DataError: the columns do not fit the table.
        BadRowsError: the rows break the key.
        TableConflictError: somebody else has published what this would undo; nothing was changed.
        UsageError: key or partition are not those of the table.
        MissingExtraError: pyiceberg is not installed.
    """
    tables.make()
    table = tables.find(wish.table)
    seen = newest(table).number if table is not None else 0
    work = _Publishing(tables, load, wish, wish.base if wish.base is not None else seen)
    until, pause = time.monotonic() + PATIENCE, 0.02
    while True:
        found = work.attempt(table)
        if found is not None:
            return found
        if time.monotonic() > until:
            raise TableConflictError(
                f"table {wish.table!r}: others have published all the time for {PATIENCE:g} s; nothing was changed. "
                "Mend: run again"
            )
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that two do not meet again
        pause = min(2 * pause, 1.0)
        table = tables.find(wish.table)


def _ref(table: Table, version: Version) -> Ref:
    """Return the ref of a version; `run` in its `meta` is the run that has made it, which may be an earlier one."""
    ref = ref_of(table, version)
    return replace(ref, meta={**(ref.meta or {}), "run": version.run})


class _Publishing:
    """One publication, however often it has to look again."""

    def __init__(self, tables: Tables, load: Ref, wish: Wish, seen: int) -> None:
        self._tables, self._load, self._wish, self._seen = tables, load, wish, seen
        self._identity = wish.identity or load.digest
        self._stores = tables.stores
        self._rows: ibis.Table = values.load(load, ibis.Table, self._stores)
        self._columns = columns_of(self._rows, self._connection)
        self._written: tuple[Mapping[str, str], list[files.Written]] | None = None
        self._cast = True

    @property
    def _connection(self) -> Any:
        return self._stores.warehouse.connection

    def attempt(self, table: Table | None) -> Ref | None:
        """Commit, or find that it was done; return None where somebody else was faster."""
        from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError

        if table is None:
            work = self._create
        else:
            self._check_same(table)
            done = self._done(table)
            if done is not None:
                return _ref(table, done)
            if self._wish.mode != "partition":  # which ones are in the rows is known when they are written
                self._check_conflict(table)
            work = lambda: self._add(table)  # noqa: E731 - the other branch has a method
        try:
            work()
        except (CommitFailedException, TableAlreadyExistsError):
            return None
        crash_point("table.committed")
        now = self._tables.get(self._wish.table)
        mine = of_task(now, self._wish.run, self._wish.task) or newest(now)
        return _ref(now, mine)

    # -- what was done before -----------------------------------------------------------------------------------------

    def _done(self, table: Table) -> Version | None:
        """Return the version that has these rows by this task: of this run, or of an earlier one and still there."""
        wish, load = self._wish, self._identity
        mine = of_task(table, wish.run, wish.task)
        if mine is not None and (mine.load, mine.mode) == (load, wish.mode):
            return mine
        for version in reversed(versions(table)):
            same = (version.load, version.mode, version.pipeline, version.task)
            if wish.run and same == (load, wish.mode, wish.pipeline, wish.task):
                return newest(table)
            if not self._leaves_alone(version):
                return None
        return None

    def _leaves_alone(self, version: Version) -> bool:
        """Return whether a later version has left rows as they were that are published like these."""
        if self._wish.mode == "replace":
            return False
        if self._wish.mode == "append":
            return version.mode == "append"
        return version.mode in {"append", "partition"} and not self._touches(version)

    def _touches(self, version: Version) -> bool:
        """Return whether a version has changed a partition that is in the rows."""
        if version.partitions is None:
            return True
        return not set(version.partitions).isdisjoint(self._partitions() or version.partitions)

    def _partitions(self) -> tuple[str, ...] | None:
        """Return the partitions that are in the rows; None: they are too many to be named."""
        if self._written is None:
            return None
        found = tuple(sorted({file.name for file in self._written[1] if file.partition}))
        return found if len(found) <= _NOTED else None

    def _check_conflict(self, table: Table) -> None:
        """Raise TableConflictError where somebody else has published meanwhile what this would undo."""
        wish = self._wish
        for version in versions(table):
            if version.number <= self._seen or (wish.run and version.run == wish.run):
                continue
            free = wish.mode == "append" and wish.base is None
            if free or (wish.mode == "partition" and self._leaves_alone(version)):
                continue
            who = f"run {version.run} (task {version.task!r} of {version.pipeline})" if version.run else version.by
            raise TableConflictError(
                f"table {wish.table!r}: {who or 'somebody'} has published version {version.number} by {version.mode!r} "
                "since this one began, and this would undo it; nothing was changed. Mend: run again"
            )

    # -- the commit ---------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        """Make the table with its first version, in one commit."""
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.table import TableProperties
        from pyiceberg.transforms import IdentityTransform

        wish, catalog = self._wish, self._tables.catalog
        schema = iceberg_schema(self._columns, self._connection)
        files.check_partition(wish.partition, schema)
        keys.check(wish.table, wish.key, self._rows)
        ids = {field.name: field.field_id for field in schema.fields}
        spec = PartitionSpec(
            *(PartitionField(ids[name], 1000 + at, IdentityTransform(), name) for at, name in enumerate(wish.partition))
        )
        transaction = catalog.create_table_transaction(
            (NAMESPACE, wish.table),
            schema,
            location=self._tables.location(wish.table),
            partition_spec=spec,
            properties={**_PROPERTIES, **({KEY: json.dumps(wish.key)} if wish.key else {})},
        )
        mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})
        written = self._write({}, wish.partition, set())
        self._commit(transaction, 1, written, [], set())

    def _add(self, table: Table) -> None:
        """Add a version to a table."""
        wish, last = self._wish, newest(table)
        partition = self._check_same(table)
        wider = narrower(wish.table, last.number, table.schema(), self._columns)
        there = list(files.of_snapshot(table, last.snapshot))
        known = {files.place(file) for file, _ in there}
        written = self._write(wider, partition, known if wish.mode == "append" else set())
        if wish.mode == "partition":
            self._check_conflict(table)
        gone = self._replaced(table, there, written)
        stays = [file for file, _ in there if file not in gone]
        key = tuple(json.loads(table.properties.get(KEY, "[]")))
        others = ref_of(table, last) if stays and key else None
        keys.check(wish.table, key, self._rows, others, {files.place(file) for file in stays}, self._stores)
        both = {files.place(file) for file in gone} & {file.where for file in written}
        written = [file for file in written if file.where not in both]  # a partition that is as it was
        gone = [file for file in gone if files.place(file) not in both]
        transaction = table.transaction()
        evolve(transaction, table.schema(), self._columns, self._connection)
        self._commit(transaction, last.number + 1, written, gone, {*map(files.place, stays), *both})

    def _check_same(self, table: Table) -> tuple[str, ...]:
        """Check that key and partition are those of the table, and return the partition."""
        wish = self._wish
        names = {field.field_id: field.name for field in table.schema().fields}
        partition = tuple(names[field.source_id] for field in table.spec().fields)
        key = tuple(json.loads(table.properties.get(KEY, "[]")))
        for what, given, has in (("partition", wish.partition, partition), ("key", wish.key, key)):
            if given and given != has:
                said = f"whose {what} is {listing(has)}" if has else f"which has no {what}"
                raise UsageError(
                    f"{what}={list(given)} for table {wish.table!r}, {said} since its first version. "
                    f"Mend: leave {what}= out, or publish under another name"
                )
        return partition

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

    def _replaced(
        self, table: Table, there: list[tuple[DataFile, int]], written: list[files.Written]
    ) -> list[DataFile]:
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
