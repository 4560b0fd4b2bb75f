"""Restoring: an older version of a named table becomes the newest one again, under a number of its own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow.errors import TableConflictError, UsageError
from firnflow.stores.tables import files
from firnflow.stores.tables.versions import find, newest

if TYPE_CHECKING:
    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.tables.versions import Version


def restore(tables: TablesLike, name: str, number: int, by: str) -> Version:
    """Make the rows of an older version the newest version, and return that; no data is copied.

    Columns that came later stay, without values.

    Args:
        tables: where the table is.
        name: of the table.
        number: of the older version.
        by: who.

    Raises:
        NotFoundError: there is no such table or version.
        UsageError: it is the newest version.
        TableConflictError: somebody has published at this moment; nothing was changed.
    """
    table = tables.get(name)
    old, last = find(table, number), newest(table)
    if old.number == last.number:
        raise UsageError(f"Version {number} of table {name!r} is the newest one already")
    version = replace(
        old,
        number=last.number + 1,
        loaded=old.rows,
        mode="restore",
        run="",
        task="",
        pipeline="",
        by=by,
        partitions=None,
        restored=old.number,
    )
    if not table.restore(old, version):
        raise TableConflictError(
            f"table {name!r}: somebody has published at this moment; nothing was changed. Look, and restore again: "
            f"firnflow data log {name}"
        )
    return newest(tables.get(name))


def by_files(table: Any, old: Version, version: Version) -> bool:
    """Make the data files of an older version of an Iceberg table the newest version.

    Args:
        table: the table.
        old: the older version.
        version: what the new one says of itself.

    Returns:
        False where somebody else was faster.
    """
    from pyiceberg.exceptions import CommitFailedException

    last = newest(table)
    there = {files.place(file): file for file, _ in files.of_snapshot(table, last.snapshot)}
    wanted = {files.place(file): file for file, _ in files.of_snapshot(table, old.snapshot)}
    snapshot = table.metadata.snapshot_by_id(old.snapshot)
    same = snapshot is not None and snapshot.schema_id == table.metadata.current_schema_id
    digest = old.digest if same else hashlib.sha256(f"{old.digest}\n{table.schema()}".encode()).hexdigest()
    transaction = table.transaction()
    properties = replace(version, digest=digest).properties()
    with transaction.update_snapshot(snapshot_properties=properties).overwrite() as producer:
        for where in there.keys() - wanted.keys():
            producer.delete_data_file(there[where])
        for where in wanted.keys() - there.keys():
            producer.append_data_file(wanted[where])
    try:
        transaction.commit_transaction()
    except CommitFailedException:
        return False
    return True
