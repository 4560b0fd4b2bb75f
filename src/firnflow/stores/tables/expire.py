"""What of the named tables nobody needs any more: old versions, small files, metadata that a dead writer has left.

Expiring forgets versions; the data files that only they had are garbage of the artifact store then, and go with it. The
newest version never expires, so that no number is given twice. Compacting writes the newest version in fewer files,
under its own number: whoever reads it by number gets the same rows.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from firnflow import values
from firnflow.stores.remote import is_remote, object_store
from firnflow.stores.tables import files
from firnflow.stores.tables.read import ref_of
from firnflow.stores.tables.versions import Outdated, Version, newest, versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pyiceberg.table import Table

    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.tables.catalog import Tables

SMALL = 32 * 2**20
"""Bytes below which a file is small."""
MANY = 16
"""How many small files a partition may have before they are joined."""


def outdated(tables: TablesLike, older_than: float, keep: int, needed: Collection[tuple[str, int]]) -> Outdated:
    """Return what has expired and what is to be joined; nothing is changed.

    Args:
        tables: the tables.
        older_than: seconds; versions that have become old ones less than that ago are kept.
        keep: how many of the newest versions of each table are kept all the same.
        needed: table and number of versions that something refers to.
    """
    limit = time.time() - older_than
    old: list[Version] = []
    many: list[str] = []
    for name in tables.names():
        table = tables.get(name)
        kept = versions(table)
        last = len(kept) - max(keep, 1)
        old += [v for v in kept[: max(last, 0)] if v.at < limit and (name, v.number) not in needed]
        many += [name] if table.is_scattered else []
    return Outdated(tuple(old), tuple(many))


def expire(tables: Tables, old: Collection[Version]) -> list[Version]:
    """Forget versions, and return those that were forgotten."""
    from pyiceberg.exceptions import CommitFailedException

    gone: list[Version] = []
    for name in tables.names():
        table = tables.get(name)
        head = newest(table)
        going = [version for version in old if version.table == name and version.number != head.number]
        ids = {version.snapshot for version in going} | _superseded(table)
        try:
            if ids:
                table.maintenance.expire_snapshots().by_ids(sorted(ids)).commit()
        except CommitFailedException:
            continue  # somebody publishes at this moment: with the next call
        gone += going
    return gone


def compact(tables: Tables, names: Collection[str]) -> list[str]:
    """Join the small files of the newest version of tables, and return the tables of which that was done."""
    from pyiceberg.exceptions import CommitFailedException

    done = []
    for name in names:
        try:
            _compact(tables, tables.get(name))
        except CommitFailedException:
            continue  # likewise
        done.append(name)
    return done


def places(tables: Tables, without: Collection[Version] = ()) -> set[str]:
    """Return the places of all data files of versions that are kept."""
    going = {version.snapshot for version in without}
    found = set()
    for name in tables.names():
        table = tables.get(name)
        for snapshot in {each.snapshot_id for each in table.metadata.snapshots} - going - _superseded(table):
            found |= {files.place(file) for file, _ in files.of_snapshot(table, snapshot)}
    return found


def sweep(tables: Tables, older_than: float) -> int:
    """Remove metadata that no table refers to and that is older than so many seconds; return how many files."""
    limit, removed = time.time() - older_than, 0
    for name in tables.names():
        table = tables.get(name)
        used = _metadata(table)
        for location, modified in _listed(table.io.here(f"{table.location()}/metadata")):
            if modified < limit and location.rpartition("/")[2] not in used:
                table.io.delete(location)
                removed += 1
    return removed


def _superseded(table: Table) -> set[int]:
    """Return the snapshots of ours of which a compaction has written the rows anew."""
    counted = {version.snapshot for version in versions(table)}
    ours = (each for each in table.metadata.snapshots if each.summary and each.summary.get("firnflow.version"))
    return {each.snapshot_id for each in ours} - counted


def small(table: Table) -> list[list[Any]]:
    """Return, for each partition with many small files, those."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for file, _ in files.of_snapshot(table, newest(table).snapshot):
        if file.file_size_in_bytes < SMALL:
            groups.setdefault(files.partition_of(file), []).append(file)
    return [group for group in groups.values() if len(group) >= MANY]


def _compact(tables: Tables, table: Table) -> None:
    version, stores = newest(table), tables.stores
    gone = [file for group in small(table) for file in group]
    if not gone:
        return
    whole = ref_of(table, version)
    joined = {files.place(file) for file in gone}
    parts = [part for part in whole.items or () if part.where in joined] if isinstance(whole.items, list) else []
    rows: ibis.Table = values.load(replace(whole, items=parts), ibis.Table, stores)
    names = {field.field_id: field.name for field in table.schema().fields}
    columns = [names[field.source_id] for field in table.spec().fields]
    tag = f"version {version.number}"
    written = files.write_partitions(stores, rows, columns, tag) if columns else [files.write(stores, rows, tag)]
    properties = {**version.properties(), "firnflow.at": repr(version.at)}
    transaction = table.transaction()
    with transaction.update_snapshot(snapshot_properties=properties).overwrite() as producer:
        for file in gone:
            producer.delete_data_file(file)
        for file in written:
            producer.append_data_file(files.data_file(stores, transaction.table_metadata, file))
    transaction.commit_transaction()


def _metadata(table: Table) -> set[str]:
    """Return the names of the files that a table's metadata refers to."""
    found = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        found.add(snapshot.manifest_list)
        found |= {manifest.manifest_path for manifest in snapshot.manifests(table.io)}
    return {location.rpartition("/")[2] for location in found}


def _listed(folder: str) -> Iterator[tuple[str, float]]:
    if is_remote(folder):
        for each in object_store(folder).find(""):
            yield f"{folder}/{each.name}", each.modified
    elif Path(folder).is_dir():
        for path in Path(folder).iterdir():
            yield str(path), path.stat().st_mtime
