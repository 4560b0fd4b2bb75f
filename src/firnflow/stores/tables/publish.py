"""Publishing: rows become the next version of a named table, in one commit, once.

What makes it safe: what is published is stored first and nothing refers to it; then one commit adds it together with
what the version says of itself (`Publication.commit`, which differs by where named tables are). Whoever dies before it
has changed nothing; whoever comes again finds the version of its run and task. Of two writers at once the second to
commit looks again: what the other one did leaves its own as it is, or it is a conflict.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import ibis

from firnflow import values
from firnflow._crash import crash_point
from firnflow._text import listing
from firnflow.errors import TableConflictError, UsageError
from firnflow.stores.tables.versions import newest, of_task, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.stores.tables.base import TableLike, TablesLike
    from firnflow.stores.tables.versions import Version
    from firnflow.values.ref import Ref

PATIENCE = 60.0
"""Seconds for which a writer tries again when others are faster."""
NOTED = 200  # partitions that a version names; one that changes more says that it changes all


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


def publish(tables: TablesLike, load: Ref, wish: Wish) -> Ref:
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
    return tables.publication(load, wish).publish()


class Publication(ABC):
    """One publication, however often it has to look again.

    Args:
        tables: where to.
        load: the stored table.
        wish: how.
    """

    def __init__(self, tables: TablesLike, load: Ref, wish: Wish) -> None:
        table = tables.find(wish.table)
        seen = newest(table).number if table is not None else 0
        self._tables, self._load, self._wish, self._first = tables, load, wish, table
        self._seen = wish.base if wish.base is not None else seen
        self._identity = wish.identity or load.digest
        self._stores = tables.stores
        self._rows: ibis.Table = values.load(load, ibis.Table, self._stores)

    def publish(self) -> Ref:
        """Publish the rows, and return the version that has them. Raises as `publish.publish`."""
        until, pause, table = time.monotonic() + PATIENCE, 0.02, self._first
        while True:
            found = self._attempt(table)
            if found is not None:
                return found
            if time.monotonic() > until:
                raise TableConflictError(
                    f"table {self._wish.table!r}: others have published all the time for {PATIENCE:g} s; nothing was "
                    "changed. Mend: run again"
                )
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that two do not meet again
            pause = min(2 * pause, 1.0)
            table = self._tables.find(self._wish.table)

    @abstractmethod
    def commit(self, table: TableLike | None) -> bool:
        """Make the rows a version of a table, None: of a new one; return False where somebody else was faster."""

    @abstractmethod
    def partitions(self) -> Sequence[str] | None:
        """Return the names of the partitions that are in the rows; None: it is not known yet."""

    def _attempt(self, table: TableLike | None) -> Ref | None:
        """Commit, or find that it was done; return None where somebody else was faster."""
        if table is not None:
            self._check_same(table)
            done = self._done(table)
            if done is not None:
                return _ref(table, done)
            if self._wish.mode != "partition":  # which ones are in the rows is known when they are written
                self._check_conflict(table)
        if not self.commit(table):
            return None
        crash_point("table.committed")
        now = self._tables.get(self._wish.table)
        mine = of_task(now, self._wish.run, self._wish.task) or newest(now)
        return _ref(now, mine)

    def _check_same(self, table: TableLike) -> tuple[str, ...]:
        """Check that key and partition are those of the table, and return the partition."""
        wish = self._wish
        for what, given, has in (("partition", wish.partition, table.partition), ("key", wish.key, table.key)):
            if given and given != has:
                said = f"whose {what} is {listing(has)}" if has else f"which has no {what}"
                raise UsageError(
                    f"{what}={list(given)} for table {wish.table!r}, {said} since its first version. "
                    f"Mend: leave {what}= out, or publish under another name"
                )
        return table.partition

    def _done(self, table: TableLike) -> Version | None:
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
        """Return the partitions that are in the rows; None: they are too many to be named, or not known yet."""
        names = self.partitions()
        found = tuple(sorted(set(names))) if names is not None else ()
        return None if names is None or len(found) > NOTED else found

    def _check_conflict(self, table: TableLike) -> None:
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


def _ref(table: TableLike, version: Version) -> Ref:
    """Return the ref of a version; `run` in its `meta` is the run that has made it, which may be an earlier one."""
    ref = table.ref_of(version)
    return replace(ref, meta={**(ref.meta or {}), "run": version.run})
