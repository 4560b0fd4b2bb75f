"""A version of a named table as a value: a ref of its data files, of which nothing is copied."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from firnflow.stores.tables import files
from firnflow.stores.tables.types import sql_types
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from firnflow.stores.tables.base import TableLike
    from firnflow.stores.tables.versions import Version


def ref_of(table: TableLike, version: Version) -> Ref:
    """Return the ref of a version; `meta` says which one it is, and what columns it has.

    Raises:
        DamagedArtifactError: it has data files that are not in the artifact store.
    """
    return table.ref_of(version)


def of_files(table: Table, version: Version) -> Ref:
    """Return the ref of a version of an Iceberg table.

    Raises:
        DamagedArtifactError: it has data files that are not in the artifact store.
    """
    snapshot = table.metadata.snapshot_by_id(version.snapshot)
    schema = table.schemas()[snapshot.schema_id if snapshot and snapshot.schema_id is not None else -1]
    found = sorted(files.of_snapshot(table, version.snapshot), key=lambda both: both[0].file_path)
    parts = [
        Ref(
            kind="table",
            type="ibis",
            digest=PurePosixPath(files.place(file)).stem,
            where=files.place(file),
            size=file.file_size_in_bytes,
            meta={"rows": file.record_count, "columns": {}},
        )
        for file, _ in found
    ]
    columns = sql_types(schema)
    meta = {"rows": version.rows, "columns": columns, "table": version.table, "version": version.number}
    return Ref(
        kind="table", type="ibis", digest=version.digest, size=sum(part.size for part in parts), meta=meta, items=parts
    )
