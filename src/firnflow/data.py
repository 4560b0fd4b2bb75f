"""Named tables outside of runs: for pages, notebooks and scripts. In a pipeline: `ff.table`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.tables.versions import Version


def read(
    name: str,
    version: int | None = None,
    as_of: str | None = None,
    *,
    project: str | Path | None = None,
    environment: str | None = None,
) -> pa.Table:
    """Return the rows of a named table, in no order; its files are checked against their digests.

    Args:
        name: of the table.
        version: its number; default: the newest.
        as_of: or a day, which stands for its end, or a moment: the version that was the newest then.
        project: the folder of the project; default: the one around the working directory. None of its modules is
            imported.
        environment: of the project.

    Raises:
        UsageError: a version and a moment are given, or the moment is none.
        NotFoundError: there is no such table or version.
        DamagedArtifactError: a file of it is missing, or is not what was published.
        MissingExtraError: pyiceberg is not installed.
    """
    import pyarrow as pa

    from firnflow import values
    from firnflow.stores.tables import versions as kept
    from firnflow.stores.tables.read import ref_of

    if version is not None and as_of is not None:
        raise UsageError(f"table {name!r}: takes a version or a moment, not both")
    with _opened(project, environment) as tables:
        table = tables.get(name)
        try:
            found = kept.find(table, version, as_of)
        except ValueError as error:
            raise UsageError(f'{as_of!r} is no moment. Write "2026-01-31" or "2026-01-31T12:00+01:00"') from error
        rows: pa.Table = values.load(ref_of(table, found), pa.Table, tables.stores)
        return rows


def versions(name: str, *, project: str | Path | None = None, environment: str | None = None) -> list[Version]:
    """Return the versions of a named table that are kept, the oldest first: number, when, rows, by which run.

    Arguments and errors as for `read`.
    """
    from firnflow.stores.tables import versions as kept

    with _opened(project, environment) as tables:
        return kept.versions(tables.get(name))


@contextlib.contextmanager
def _opened(project: str | Path | None, environment: str | None) -> Iterator[TablesLike]:
    from firnflow.project.settings import find_root, load_settings
    from firnflow.stores import Stores
    from firnflow.stores.state import State
    from firnflow.stores.tables.base import NO_TABLES

    root = Path(project).absolute() if project is not None else find_root()
    settings = load_settings(root, environment)
    url = settings.state.reveal()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise NotFoundError(NO_TABLES)  # looking makes no file
    with contextlib.closing(Stores.open(settings, root)) as stores, contextlib.closing(State(url)) as state:
        tables = stores.tables(state)
        if not tables.exists:
            raise NotFoundError(NO_TABLES)
        with contextlib.closing(tables):
            yield tables
