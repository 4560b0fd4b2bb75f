"""The versions of a named table: what they say of themselves.

A commit writes number, run, task and the rest into the summary of its Iceberg snapshot, or into the comment of its
table in Snowflake, so that data and record are one commit. A compaction writes the rows of a version anew under the
same number: of two snapshots with one number the later one counts. Numbers are never given twice: the newest version
never expires.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.errors import NotFoundError
from firnflow.graph.table import parse_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table import Table

    from firnflow.stores.tables.base import TableLike

_PREFIX = "firnflow."
_TEXTS = ("mode", "run", "task", "pipeline", "by", "load", "digest")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a named table.

    Attributes:
        table: its name.
        number: 1, 2, 3, …
        at: when it was committed, in seconds since 1970.
        rows: how many it has.
        loaded: how many were published as it.
        mode: `replace`, `append`, `partition` or `restore`.
        run: the run that published it; "": somebody did by hand.
        task: the task there.
        pipeline: the run's pipeline.
        by: who.
        load: the digest of what was published.
        digest: the digest of the whole version: equal for equal files, compacted or not.
        partitions: the partitions that it has changed; None: all.
        restored: the version that it is a copy of.
        snapshot: its snapshot in Iceberg; 0: it is somewhere else.
    """

    table: str
    number: int
    at: float
    rows: int
    loaded: int
    mode: str
    run: str
    task: str
    pipeline: str
    by: str
    load: str
    digest: str
    partitions: tuple[str, ...] | None
    restored: int | None
    snapshot: int

    def properties(self) -> dict[str, str]:
        """Return what is written into the snapshot."""
        said = {
            "version": str(self.number),
            "loaded": str(self.loaded),
            **{name: str(getattr(self, name)) for name in _TEXTS},
        }
        if self.partitions is not None:
            said["partitions"] = json.dumps(list(self.partitions))
        if self.restored is not None:
            said["restored"] = str(self.restored)
        return {f"{_PREFIX}{name}": value for name, value in said.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the version as plain data."""
        partitions = None if self.partitions is None else list(self.partitions)
        return {**{name: getattr(self, name) for name in self.__slots__}, "partitions": partitions}


@dataclass(frozen=True, slots=True)
class Outdated:
    """What nobody needs any more.

    Attributes:
        versions: that have expired.
        compact: the tables whose newest version has many small files, which can be joined.
    """

    versions: tuple[Version, ...] = ()
    compact: tuple[str, ...] = ()


def versions(table: TableLike) -> list[Version]:
    """Return the versions that are kept, the oldest first."""
    return table.versions()


def of_snapshots(table: Table) -> list[Version]:
    """Return the versions of an Iceberg table, the oldest first."""
    name = table.name()[-1]
    snapshots = sorted(table.metadata.snapshots, key=lambda each: each.sequence_number or 0)
    found = (_read(name, each.snapshot_id, each.timestamp_ms, each.summary) for each in snapshots)
    return list({each.number: each for each in found if each is not None}.values())


def newest(table: TableLike) -> Version:
    """Return the version that is current."""
    return versions(table)[-1]


def find(table: TableLike, number: int | None = None, as_of: str | None = None) -> Version:
    """Return a version by its number, or as the table was at a moment; default: the newest.

    Raises:
        NotFoundError: there is none, or it has expired.
    """
    kept, name = versions(table), table.title
    if number is not None:
        found = next((each for each in kept if each.number == number), None)
        if found is None:
            gone = "has expired: `firnflow clean` has removed it" if 0 < number < kept[-1].number else "is not there"
            raise NotFoundError(f"Version {number} of table {name!r} {gone}. Kept: {_numbers(kept)}")
        return found
    if as_of is None:
        return kept[-1]
    moment = parse_moment(as_of)
    before = [each for each in kept if each.at < moment]
    after = kept[len(before)].number if len(before) < len(kept) else kept[-1].number + 1
    if before and before[-1].number == after - 1:
        return before[-1]
    first = dt.datetime.fromtimestamp(kept[0].at, dt.UTC).isoformat(" ", "seconds")
    said = f"version {kept[0].number} is of {first}" if after == 1 else "the version of then has expired"
    raise NotFoundError(f"Table {name!r} has no version of {as_of}: {said}. Kept: {_numbers(kept)}")


def of_task(table: TableLike, run: str, task: str) -> Version | None:
    """Return the version that a task of a run has published, or None."""
    mine = [each for each in versions(table) if run and (each.run, each.task) == (run, task)]
    return mine[-1] if mine else None


def _read(name: str, snapshot: int, at: int, summary: Mapping[str, str] | Any) -> Version | None:
    if summary is None or summary.get(f"{_PREFIX}version") is None:
        return None  # somebody else's tool has written it

    def said(key: str) -> str | None:
        value: str | None = summary.get(f"{_PREFIX}{key}")
        return value

    partitions, restored = said("partitions"), said("restored")
    return Version(
        table=name,
        number=int(said("version") or 0),
        at=float(said("at") or at / 1000),
        rows=int(summary.get("total-records") or 0),
        loaded=int(said("loaded") or summary.get("added-records") or 0),
        **{key: said(key) or "" for key in _TEXTS},
        partitions=None if partitions is None else tuple(json.loads(partitions)),
        restored=int(restored) if restored is not None else None,
        snapshot=snapshot,
    )


def _numbers(kept: list[Version]) -> str:
    numbers = [str(each.number) for each in kept]
    return ", ".join(numbers if len(numbers) <= 12 else [*numbers[:3], "…", *numbers[-3:]])
