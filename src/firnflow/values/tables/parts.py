"""Tables in several Parquet files: versions of named tables. An older file may lack columns, or have narrower ones.

`meta` of such a ref has in `columns` the types as SQL, to which every file's are cast.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from firnflow import context
from firnflow.errors import DamagedArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    import ibis

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref


def load(ref: Ref, storage: Storage) -> ibis.Table:
    """Return the table; its rows are read when it is used. Raises DamagedArtifactError where a file is missing."""
    parts = ref.items if isinstance(ref.items, list) else []
    places = [storage.local(part.where) for part in parts if part.where is not None]
    if len(places) < len(parts):
        raise DamagedArtifactError("A part of a named table has no place: its ref is damaged")
    columns: dict[str, str] = (ref.meta or {}).get("columns", {})
    try:
        return storage.warehouse.read_parts(places, columns)
    except Exception as error:  # whatever damaged files, or types that are none, make of it
        raise DamagedArtifactError(f"A version of a named table cannot be read: {error}") from error


def joined(table: ibis.Table, storage: Storage) -> Path:
    """Return the table as one file, for libraries that read one: it goes with the task, or with the process."""
    running = context.current()
    path = storage.scratch("parquet")
    if running is not None and running.scratch is not None:
        path = context.scratch_dir() / path.name
    else:
        atexit.register(path.unlink, missing_ok=True)
    storage.warehouse.write_parquet(table, path)
    return path
