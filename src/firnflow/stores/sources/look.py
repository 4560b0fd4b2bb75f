"""What can be said of a source without reading it: its files, and whether it may be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.errors import FirnflowError
from firnflow.project.catalog import format_of
from firnflow.project.partitioned import of_all_partitions
from firnflow.stores.sources import locate, postgres
from firnflow.stores.sources.locate import SourceFile

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project.catalog import Source
    from firnflow.stores.snowflake.account import Account


@dataclass(frozen=True)
class Look:
    """A source as it stands now.

    Attributes:
        format: csv, parquet, jsonl, table, view or query.
        files: its files or objects, in order of name; of all partitions; a table or view in Snowflake is one; none of a
            query.
        problem: why it cannot be read; None: it can.
    """

    format: str
    files: tuple[SourceFile, ...] = ()
    problem: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def newest(self) -> float:
        """When the newest file was written, in seconds since 1970; 0: nobody says."""
        return max((file.modified for file in self.files), default=0.0)


def look(spec: Source, root: Path, account: Account | None = None) -> Look:
    """Return how a source stands: objects are listed, and the head of one is read; a query is prepared, and not run.

    Of what is in Snowflake, the `account` is asked.

    Of what DVC keeps, its list is read; whether the content can be fetched, only fetching says.
    """
    if account is not None and spec.in_snowflake:
        return _in_snowflake(spec, account)
    if spec.query is not None:
        return Look("query", problem=_problem_of_query(spec))
    files: tuple[SourceFile, ...] = ()
    kind: str = spec.format or ""
    try:
        files = tuple(locate.listed(of_all_partitions(spec), root))
        kind = format_of(files[0].shown, spec.format)
        if spec.url is not None:
            locate.check_readable(spec, files[0])
    except FirnflowError as error:
        return Look(kind, files, str(error))
    return Look(kind, files)


def _in_snowflake(spec: Source, account: Account) -> Look:
    from firnflow.stores.sources import snowflake

    kind = "query" if spec.query is not None else "table" if spec.table is not None else "view"
    try:
        found = snowflake.found(account, spec)
    except FirnflowError as error:
        return Look(kind, problem=str(error))
    files = (SourceFile(found.shown, found.size, found.changed, found.version),) if spec.query is None else ()
    return Look(kind, files)


def _problem_of_query(spec: Source) -> str | None:
    try:
        postgres.check(spec)
    except FirnflowError as error:
        return str(error)
    return None
