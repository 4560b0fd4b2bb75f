"""Watches the sources that schedules wait for: lists them now and then, each in a thread of its own.

A folder is looked at every second, and a file in it counts once it has not changed for two: it may be half written.
Objects appear whole. What cannot be reached is tried again, ever more seldom, and said once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firnflow._text import listing, nearest
from firnflow.engine.in_snowflake import reached
from firnflow.engine.schedules.updates import SourceNews, Watched
from firnflow.errors import FirnflowError, NotFoundError
from firnflow.project import load_catalog, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from firnflow.project import Settings, Source
    from firnflow.stores.sources.units import Unit

QUIET = 2.0
"""Seconds for which a local file must not have changed."""
_EVERY = {"path": 1.0, "url": 5.0}
_SELDOM = 30.0  # seconds between two looks at what costs more: a query, a revision
_LONGEST = 60.0  # seconds between two tries
_PATIENCE = 4  # a look that took long is not repeated before so many times that


@dataclass
class _Watch:
    """One source, and what is known of it."""

    thread: threading.Thread | None = None
    news: SourceNews | None = None
    since: float = 0.0
    next_at: float = float("-inf")
    failures: int = 0
    trouble: str = ""
    files: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    """Local file → size, when written, and since when we have seen it so."""
    strays: set[str] = field(default_factory=set)
    """Files for no partition, of which people were told."""


class SourceWatch:
    """Looks at sources in the background.

    Args:
        root: the project's folder.
        tell: takes a line for people.
        clock: seconds from some moment on.
        background: look in threads; False: at once, for tests.
        settings: of the environment, for what is in Snowflake.
    """

    def __init__(
        self,
        root: Path,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        background: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self._root, self._tell, self._clock, self._background = root, tell, clock, background
        self._settings = settings
        self._watches: dict[Watched, _Watch] = {}
        self._contents: dict[str, str] = {}  # what was told of files by a listing → of their content

    def news(self, wanted: Iterable[Watched], known: Iterable[str]) -> dict[Watched, SourceNews]:
        """Return what was seen last of each source that could be looked at; begin the looks that are due."""
        wanted = set(wanted)
        for gone in self._watches.keys() - wanted:
            del self._watches[gone]
        for each in wanted - self._watches.keys():
            self._watches[each] = _Watch(since=self._clock())
            self._contents |= dict(mark.split(".", 1) for mark in known)
        for each, watch in self._watches.items():
            if watch.next_at <= self._clock() and (watch.thread is None or not watch.thread.is_alive()):
                self._begin(each, watch)
        return {each: watch.news for each, watch in self._watches.items() if watch.news is not None}

    def _begin(self, each: Watched, watch: _Watch) -> None:
        try:
            spec = _spec(self._root, each[0])
        except FirnflowError as error:
            self._failed(each, watch, error, _SELDOM)
            return
        if not self._background:
            self._look(each, watch, spec)
            return
        watch.next_at = self._clock() + _pause(spec)  # also of a look that ends by a mistake of ours
        name, arguments = f"look-{each[0]}", (each, watch, spec)
        watch.thread = threading.Thread(target=self._look, args=arguments, daemon=True, name=name)
        watch.thread.start()

    def _look(self, each: Watched, watch: _Watch, spec: Source) -> None:
        began, (name, kind) = self._clock(), each
        try:
            found = self._found(spec, kind, watch)
        except (FirnflowError, OSError) as error:
            self._failed(each, watch, error, _pause(spec))
            return
        if watch.trouble:
            self._tell(f"source {name} can be looked at again")
        watch.failures, watch.trouble = 0, ""
        if spec.path is None or self._clock() >= watch.since + QUIET:
            watch.news = found
        now = self._clock()
        watch.next_at = now + max(_pause(spec), _PATIENCE * (now - began))

    def _failed(self, each: Watched, watch: _Watch, error: Exception, pause: float) -> None:
        watch.next_at = self._clock() + min(pause * 2**watch.failures, _LONGEST)
        watch.failures = min(watch.failures + 1, 10)
        if (said := redact(str(error)).removeprefix(f"{each[0]}: ")) != watch.trouble:
            self._tell(f"source {each[0]} cannot be looked at: {said}")
        watch.trouble = said

    def _found(self, spec: Source, kind: str, watch: _Watch) -> SourceNews:
        from firnflow.stores.sources import units

        there = self._settings if spec.in_snowflake else None
        with reached(there, self._root) if there is not None else contextlib.nullcontext() as account:
            partitioned, found, strays = units.of(spec, self._root, kind, account)
        if new := set(strays) - watch.strays:
            example = {"weekly": "2026-W05", "hourly": "2026-01-05T13", "by_key": "north"}.get(kind, "2026-01-05")
            self._tell(f"source {spec.name}: for no partition, such as {example}, and left alone: {listing(new, 3)}")
        watch.strays = set(strays)
        if spec.path is not None:
            found = self._quiet(found, watch)
        marks = {each.key: mark for each in found.values() if (mark := self._mark(spec, each)) is not None}
        return SourceNews(partitioned, marks, sum(len(each.files) for each in found.values()), _place(spec))

    def _quiet(self, found: dict[str, Unit], watch: _Watch) -> dict[str, Unit]:
        """Return the units none of whose files has changed for a while, and remember what was seen."""
        now, before = self._clock(), watch.files
        watch.files = {}
        for unit in found.values():
            for each in unit.files:
                was = before.get(each.shown)
                same = was is not None and was[:2] == (each.size, each.modified)
                watch.files[each.shown] = was if was is not None and same else (each.size, each.modified, now)
        return {
            key: unit
            for key, unit in found.items()
            if all(watch.files[each.shown][2] <= now - QUIET for each in unit.files)
        }

    def _mark(self, spec: Source, unit: Unit) -> str | None:
        """Return `LISTING.CONTENT`, digests of what a listing tells and of what files hold; None: they are gone."""
        from firnflow.stores.sources import units

        told = _digest([[each.shown, each.size, each.tag or each.modified] for each in unit.files])
        if told not in self._contents:
            try:
                self._contents[told] = _digest(units.content(spec, self._root, unit))
            except OSError:
                return None
        return f"{told}.{self._contents[told]}"


def _spec(root: Path, name: str) -> Source:
    catalog = load_catalog(root)
    if name not in catalog:
        raise NotFoundError(f"it is not in catalog.toml.{nearest(name, catalog)} Mend: add [{name}]")
    return catalog[name]


def _place(spec: Source) -> str:
    """Return a text for where a source is; a revision or a query of the same place is news, and no other place."""
    if spec.in_snowflake:
        return _digest([spec.table, spec.view, spec.query is not None])
    secret = spec.url or spec.connection
    return _digest([spec.repo, spec.path, secret.place_digest() if secret is not None else None])


def _pause(spec: Source) -> float:
    if spec.revision is not None or spec.repo is not None or spec.query is not None or spec.in_snowflake:
        return _SELDOM
    return _EVERY["path" if spec.path is not None else "url"]


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]
