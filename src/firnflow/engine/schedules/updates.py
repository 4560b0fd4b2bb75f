"""What `OnUpdate` waits for: new versions of named tables, and files of sources that are new or have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from firnflow._text import counted, listing
from firnflow.errors import FirnflowError
from firnflow.graph.model import AllOf, AnyOf, OnUpdate, updates_of
from firnflow.graph.partitions import ByKey
from firnflow.project import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from firnflow.graph.model import Schedule
    from firnflow.graph.partitions import Timed
    from firnflow.stores import Stores
    from firnflow.stores.state import State
    from firnflow.stores.state.ledger import Standing

_TABLES_EVERY = 3.0  # seconds between two looks at the named tables
_PLACE = "@"  # under which it is remembered where a source was; no key begins so
MOST = 500
"""For how many partitions runs are written down at once; the others follow."""


class Versions(Protocol):
    """The named tables of an environment."""

    def newest(self, tables: Iterable[str]) -> dict[str, int]:
        """Return of each table the number of its newest version; 0: there is none."""

    def changed(self, between: Mapping[str, tuple[int, int]]) -> set[str]:
        """Return the partitions that some versions have changed, by name; of one that has changed all, none.

        Args:
            between: table → the version before those that are meant, and the last one of them.
        """


class SourceNews(NamedTuple):
    """What a source holds.

    Attributes:
        partitioned: whether it has other files for each partition.
        marks: partition (else "") → a text that changes when its files do; of files that are being written, none.
        files: how many files there are.
        place: a text for where the source is.
    """

    partitioned: bool
    marks: Mapping[str, str]
    files: int
    place: str = ""


Watched = tuple[str, str]
"""The name of a source, and the kind of the partition that its pipeline has; "": none."""


class Sources(Protocol):
    """The sources of a project, looked at now and then."""

    def news(self, wanted: Iterable[Watched], known: Iterable[str]) -> dict[Watched, SourceNews]:
        """Return what was seen last of each source that could be looked at.

        Args:
            wanted: the sources.
            known: marks that were given earlier: what still has one of them is not read again.
        """


class NamedTables:
    """The named tables of a state and its stores."""

    def __init__(self, state: State, stores: Stores) -> None:
        self._state, self._stores = state, stores

    def newest(self, tables: Iterable[str]) -> dict[str, int]:
        """Return of each table the number of its newest version; 0: there is none."""
        from firnflow.stores.tables import versions

        catalog = self._stores.tables(self._state)
        try:
            there = {name: catalog.find(name) for name in tables} if catalog.exists else dict.fromkeys(tables)
            return {name: versions.newest(table).number if table is not None else 0 for name, table in there.items()}
        finally:
            catalog.close()

    def before(self, tables: Iterable[str], moment: float) -> dict[str, int]:
        """Return of each table its newest version of a moment, in seconds since 1970; 0: there was none."""
        from firnflow.stores.tables import versions

        catalog = self._stores.tables(self._state)
        try:
            there = {name: catalog.find(name) if catalog.exists else None for name in tables}
            kept = {name: versions.versions(table) if table is not None else [] for name, table in there.items()}
            return {
                name: max((each.number for each in of if each.at <= moment), default=0) for name, of in kept.items()
            }
        finally:
            catalog.close()

    def changed(self, between: Mapping[str, tuple[int, int]]) -> set[str]:
        """Return the partitions that some versions have changed, by name; of one that has changed all, none."""
        from firnflow.stores.tables import versions

        catalog = self._stores.tables(self._state)
        found: set[str] = set()
        try:
            for name, (before, last) in between.items():
                table = catalog.find(name) if catalog.exists else None
                for each in versions.versions(table) if table is not None else ():
                    found.update((each.partitions or ()) if before < each.number <= last else ())
            return found
        finally:
            catalog.close()


class News(NamedTuple):
    """What was seen last of tables and sources; what could not be looked at is not in it."""

    tables: Mapping[str, int]
    sources: Mapping[Watched, SourceNews]


class Found(NamedTuple):
    """What news bring for a pipeline.

    Attributes:
        partitions: those whose files are news, in order.
        plain: whether a run is due besides, for no partition in particular.
        seen: what is no news any more, once the runs are written down.
    """

    partitions: tuple[str, ...]
    plain: bool
    seen: dict[str, Any]


class Looks:
    """Looks at tables and sources for the schedules that wait for them.

    Args:
        tables: the named tables.
        sources: the sources.
        partitions: returns pipeline → partition.
        tell: takes a line for people.
    """

    def __init__(
        self,
        tables: Versions,
        sources: Sources | None,
        partitions: Callable[[], Mapping[str, Timed | ByKey]],
        tell: Callable[[str], None],
    ) -> None:
        self._tables, self._sources, self._partitions, self._tell = tables, sources, partitions, tell
        self._versions: dict[str, int] = {}
        self._at, self._unreadable = float("-inf"), ""  # when tables were looked at, and what was said of them
        self._left: dict[str, set[str]] = {}  # pipeline → what is left alone, as people were told

    def look(self, schedules: Mapping[str, Schedule], standings: Mapping[str, Standing], now: float) -> News:
        """Return what is there now, or was a moment ago."""
        waits = {(name, each) for name, schedule in schedules.items() for each in updates_of(schedule)}
        tables = {each.table for _, each in waits if each.table is not None}
        if not self._at <= now < self._at + _TABLES_EVERY or (tables - self._versions.keys() and not self._unreadable):
            self._at = now
            self._versions = self._newest(sorted(tables))
        wanted = {self._watched(name, each.source) for name, each in waits if each.source is not None}
        known = (mark for each in standings.values() for marks in each.seen.values() for mark in _texts(marks))
        return News(self._versions, self._sources.news(wanted, known) if wanted and self._sources is not None else {})

    def start(self, pipeline: str, schedule: Schedule, known: dict[str, Any], news: News) -> dict[str, Any] | None:
        """Return what is no news for a schedule that counts from now on; None: that cannot be said yet.

        Args:
            pipeline: its name.
            schedule: the schedule.
            known: what an earlier schedule of the pipeline has seen.
            news: what there is.
        """
        seen: dict[str, Any] = {}
        for each in updates_of(schedule):
            key, now = _key(each), self._state(pipeline, each, news)
            if now is None:
                return None
            seen[key] = known[key] if _is_alike(known.get(key), now) else now
            if each.source is not None and seen[key] is now:
                files = news.sources[self._watched(pipeline, each.source)].files
                there = ""
                if files:
                    there = f"; {counted(files, 'file')} {'is' if files == 1 else 'are'} there already, and "
                    there += "brings nothing" if files == 1 else "bring nothing"
                self._tell(f"{pipeline}  waits for files of source {each.source}{there}")
        return seen

    def found(self, pipeline: str, schedule: Schedule, seen: Mapping[str, Any], news: News, now: float) -> Found | None:
        """Return what news bring for a pipeline; None: nothing."""
        if any(self._has_moved(pipeline, each, seen, news) for each in updates_of(schedule)):
            anew = self.start(pipeline, schedule, dict(seen), news)
            return Found((), plain=False, seen=anew) if anew is not None else None
        changed = {each: self._changed(pipeline, each, seen, news) for each in updates_of(schedule)}
        keys = sorted({key for each in changed.values() if isinstance(each, set) for key in each})
        due = [key for key in self._runnable(pipeline, keys, now) if _has_happened(schedule, changed, key)]
        plain = _has_happened(schedule, changed, None)
        if not due and not plain:
            return None
        left, due = due[MOST:], due[:MOST]
        after = dict(seen)
        for each, what in changed.items():
            state, key = self._state(pipeline, each, news), _key(each)
            if isinstance(what, set):
                after[key] = {**seen.get(key, {}), **{unit: state[unit] for unit in due if unit in state}}
            elif state is not None and not left:  # with `&` what is left needs this news too
                after[key] = {**seen.get(key, {}), **state} if isinstance(state, dict) else state
        return Found(tuple(due), plain and not left, after)

    def changed(self, schedule: Schedule, before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
        """Return the partitions of the tables of a schedule that versions have changed, by name.

        Args:
            schedule: the schedule.
            before: what was no news before.
            after: what is none any more: `Found.seen`.
        """
        tables = {each.table for each in updates_of(schedule) if each.table is not None}
        return self._tables.changed({name: (before.get(name) or 0, after.get(name) or 0) for name in tables})

    def _newest(self, tables: list[str]) -> dict[str, int]:
        try:
            found = self._tables.newest(tables) if tables else {}
            self._unreadable = ""
        except FirnflowError as error:  # what a clock drives goes on
            if (said := redact(str(error))) != self._unreadable:
                self._tell(f"the named tables cannot be read: {said}")
            self._unreadable = said
            return {}
        return found

    def _runnable(self, pipeline: str, keys: list[str], now: float) -> list[str]:
        """Return those of the keys that are partitions of a pipeline, and have begun; the others are said once."""
        partition = self._partitions().get(pipeline)
        if partition is None:
            return []
        wrong = {key: said for key in keys if (said := _refusal(partition, key))}
        begun = [key for key in keys if key not in wrong and has_begun(partition, key, now)]
        left = [*wrong, *(key for key in keys if key not in wrong and key not in set(begun))]
        if new := set(left) - self._left.setdefault(pipeline, set()):
            self._left[pipeline] |= new
            why = wrong.get(min(new), "It waits until it has begun")
            self._tell(f"{pipeline}  files for no partition of now are left alone: {listing(new, 3)}. {why}")
        return begun

    def _watched(self, pipeline: str, source: str) -> Watched:
        partition = self._partitions().get(pipeline)
        return source, partition.kind if partition is not None else ""

    def _state(self, pipeline: str, each: OnUpdate, news: News) -> Any:
        """Return what there is of a table or a source: its version, or its marks; None: it could not be looked at."""
        if each.source is None:
            return news.tables.get(each.table or "")
        found = news.sources.get(self._watched(pipeline, each.source))
        return {**found.marks, _PLACE: found.place} if found is not None else None

    def _has_moved(self, pipeline: str, each: OnUpdate, seen: Mapping[str, Any], news: News) -> bool:
        """Return whether a source is somewhere else than it was: what is there already brings nothing, as ever."""
        state = self._state(pipeline, each, news) if each.source is not None else None
        return state is not None and not _is_alike(seen.get(_key(each)), state)

    def _changed(self, pipeline: str, each: OnUpdate, seen: Mapping[str, Any], news: News) -> bool | set[str]:
        """Return whether there is news of it; of a partitioned source, of which partitions."""
        state, before = self._state(pipeline, each, news), seen.get(_key(each))
        if each.source is None:
            return bool(state is not None and state > (before or 0))
        units = {
            unit for unit, mark in (state or {}).items() if content_of(mark) != content_of((before or {}).get(unit))
        }
        found = news.sources.get(self._watched(pipeline, each.source))
        return units if found is not None and found.partitioned else bool(units)


def content_of(mark: str | None) -> str | None:
    """Return the part of a mark that tells content: a file that was only touched has another mark, but not that."""
    return mark.rpartition(".")[2] if mark is not None else None


def has_begun(partition: Timed | ByKey, key: str, now: float) -> bool:
    """Return whether there is such a partition, and it has begun."""
    try:
        partition.check(key)
        return isinstance(partition, ByKey) or partition.span(key).start <= now
    except ValueError:
        return False


def _has_happened(schedule: Schedule, changed: Mapping[OnUpdate, bool | set[str]], key: str | None) -> bool:
    """Return whether what a schedule waits for has happened: for a partition, or apart from any."""
    if isinstance(schedule, OnUpdate):
        news = changed[schedule]
        return key in news if isinstance(news, set) else news
    if isinstance(schedule, AllOf):
        return all(_has_happened(part, changed, key) for part in schedule.of)
    return isinstance(schedule, AnyOf) and any(_has_happened(part, changed, key) for part in schedule.of)


def _refusal(partition: Timed | ByKey, key: str) -> str:
    """Return why a key is none of a partition, "" where it is one."""
    try:
        partition.check(key)
    except ValueError as error:
        return str(error)
    return ""


def _is_alike(before: Any, now: Any) -> bool:
    """Return whether what was seen earlier can be compared: a source may have moved, got partitions, or lost them."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return before is not None
    empty = before.keys() == {_PLACE} or now.keys() == {_PLACE}
    return before.get(_PLACE) == now.get(_PLACE) and (empty or ("" in before) == ("" in now))


def _key(each: OnUpdate) -> str:
    """Return under which name the ledger remembers what was seen; a table's name holds no colon."""
    return f"source:{each.source}" if each.source is not None else str(each.table)


def _texts(seen: Any) -> Iterable[str]:
    return (mark for unit, mark in seen.items() if unit != _PLACE) if isinstance(seen, dict) else ()
