"""Restoring: an older version of a named table becomes the newest one again, under a number of its own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from firnflow.errors import TableConflictError, UsageError
from firnflow.stores.tables import files
from firnflow.stores.tables.versions import Version, find, newest

if TYPE_CHECKING:
    from firnflow.stores.tables.catalog import Tables


def restore(tables: Tables, name: str, number: int, by: str) -> Version:
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
    from pyiceberg.exceptions import CommitFailedException

    table = tables.get(name)
    old, last = find(table, number), newest(table)
    if old.number == last.number:
        raise UsageError(f"Version {number} of table {name!r} is the newest one already")
    there = {files.place(file): file for file, _ in files.of_snapshot(table, last.snapshot)}
    wanted = {files.place(file): file for file, _ in files.of_snapshot(table, old.snapshot)}
    snapshot = table.metadata.snapshot_by_id(old.snapshot)
    same = snapshot is not None and snapshot.schema_id == table.metadata.current_schema_id
    digest = old.digest if same else hashlib.sha256(f"{old.digest}\n{table.schema()}".encode()).hexdigest()
    version = replace(
        old,
        number=last.number + 1,
        loaded=old.rows,
        mode="restore",
        run="",
        task="",
        pipeline="",
        by=by,
        digest=digest,
        partitions=None,
        restored=old.number,
    )
    transaction = table.transaction()
    with transaction.update_snapshot(snapshot_properties=version.properties()).overwrite() as producer:
        for where in there.keys() - wanted.keys():
            producer.delete_data_file(there[where])
        for where in wanted.keys() - there.keys():
            producer.append_data_file(wanted[where])
    try:
        transaction.commit_transaction()
    except CommitFailedException as error:
        raise TableConflictError(
            f"table {name!r}: somebody has published at this moment; nothing was changed. Look, and restore again: "
            f"firnflow data log {name}"
        ) from error
    return newest(tables.get(name))
