"""The data files of a named table: what is published as Parquet in the artifact store, and as Iceberg counts it."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._crash import crash_point
from firnflow._sql import identifier, literal, parquet_rows
from firnflow._text import counted, listing
from firnflow.errors import DamagedArtifactError, UsageError
from firnflow.values import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import ibis
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

    from firnflow.stores import Stores

PARTITIONS = 2000
"""How many partitions one publication may touch: each is a file."""
_WHERE = re.compile(r"objects/[0-9a-f]{2}/[0-9a-f]{64}\.parquet$")
_READ: dict[str, list[tuple[DataFile, int]]] = {}
"""What manifests say, by their place: they never change, and pyiceberg takes two milliseconds to read one."""
_MOST_READ = 2000
_KINDS = {"BOOLEAN", "INTEGER", "BIGINT", "DATE", "TIMESTAMP", "VARCHAR"}


@dataclass(frozen=True, slots=True)
class Written:
    """A data file in the artifact store.

    Attributes:
        where: its place.
        partition: the values of the partition's columns.
    """

    where: str
    partition: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """The partition as people read it: `2026-01-31`, `2026-01-31/CH`."""
        return partition_name(self.partition)


def partition_name(values: Sequence[Any]) -> str:
    """Return a partition, given by the values of its columns, as people read it."""
    return "/".join("NULL" if value is None else str(value).removesuffix(" 00:00:00") for value in values)


def write(stores: Stores, table: ibis.Table, tag: str) -> Written:
    """Write a table into one file.

    Args:
        stores: where to.
        table: what is computed.
        tag: stands in the file, so that equal rows that are appended twice on purpose are two files.
    """
    path = stores.scratch("parquet")
    try:
        stores.warehouse.write_parquet(table, path, _tagged(tag))
        return Written(_put(stores, path))
    finally:
        path.unlink(missing_ok=True)


def write_partitions(stores: Stores, table: ibis.Table, columns: Sequence[str], tag: str) -> list[Written]:
    """Write a table into one file, or some, per partition: per combination of values of the columns.

    Raises:
        UsageError: there are more than `PARTITIONS` of them.
    """
    con = stores.warehouse.connection.con
    names = ", ".join(map(identifier, columns))
    count = table.select(*columns).distinct().count().execute()
    if count > PARTITIONS:
        raise UsageError(
            f"{listing(columns)} would make {counted(count, 'partition')}, each a file; at most {PARTITIONS:,} "
            "at once. Mend: partition by something coarser, such as the month"
        )
    folder = stores.scratch("dir")
    try:
        options = (f"PARTITION_BY ({names})", "WRITE_PARTITION_COLUMNS true", _tagged(tag))
        if count:
            stores.warehouse.write_parquet(table, folder, *options)
        found = []
        for path in sorted(folder.rglob("*.parquet")):
            values = con.execute(f"SELECT {names} FROM {parquet_rows(path)} LIMIT 1").fetchone()  # noqa: S608 - quoted
            found.append(Written(_put(stores, path), tuple(values)))
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def data_file(stores: Stores, metadata: TableMetadata, file: Written) -> DataFile:
    """Return what Iceberg notes of a file: rows, sizes, bounds."""
    import pyarrow.parquet as pq
    from pyiceberg.io import pyarrow as counting
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    schema = metadata.schema()
    path = stores.local(file.where)
    found = counting.data_file_statistics_from_parquet_metadata(
        parquet_metadata=pq.read_metadata(path),
        stats_columns=counting.compute_statistics_plan(schema, metadata.properties),
        parquet_column_mapping=counting.parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=stores.artifacts.address(file.where),
        file_format=FileFormat.PARQUET,
        partition=Record(*map(as_stored, file.partition)),
        file_size_in_bytes=path.stat().st_size,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **found.to_serialized_dict(),
    )


def of_snapshot(table: Table, snapshot: int) -> Iterator[tuple[DataFile, int]]:
    """Yield the data files of a snapshot, each with the snapshot that has added it."""
    found = table.metadata.snapshot_by_id(snapshot)
    for manifest in found.manifests(table.io) if found is not None else ():
        entries = _READ.get(manifest.manifest_path)
        if entries is None:
            read = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            entries = [(entry.data_file, entry.snapshot_id or 0) for entry in read]
            if len(_READ) >= _MOST_READ:
                _READ.clear()
            _READ[manifest.manifest_path] = entries
        yield from entries


def place(file: DataFile) -> str:
    """Return the place in the artifact store of a data file, wherever the store stood when it was written.

    Raises:
        DamagedArtifactError: it is none of ours.
    """
    found = _WHERE.search(file.file_path)
    if found is None:
        raise DamagedArtifactError(f"The data file {file.file_path} was not written by Firnflow")
    return found[0]


def partition_of(file: DataFile) -> tuple[Any, ...]:
    """Return the values of a data file's partition, as manifests have them."""
    return tuple(file.partition[at] for at in range(len(file.partition)))


def check_partition(columns: Sequence[str], known: Mapping[str, str]) -> None:
    """Raise UsageError unless a table, whose columns are given with their types as SQL, can be partitioned by some."""
    for column in columns:
        if column not in known:
            raise UsageError(f"partition={column!r}: the table has no such column. It has: {listing(known)}")
        if known[column] not in _KINDS:
            raise UsageError(
                f"partition={column!r} is {known[column].lower()}; a partition is a day, a whole number, a text …"
            )


def _put(stores: Stores, path: Path) -> str:
    content = digest.of_file(path)
    where = stores.put(path, content, "parquet")
    crash_point("table.written")
    return where


def _tagged(tag: str) -> str:
    return f"KV_METADATA {{firnflow: {literal(tag)}}}"


def as_stored(value: Any) -> Any:
    """Return a value as Iceberg's manifests have it: days and microseconds since 1970."""
    if isinstance(value, dt.datetime):
        return (value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)  # noqa: DTZ001 - without a zone
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days
    return value
