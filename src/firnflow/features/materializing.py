"""Filling the online store: the answers of views at a moment, of which only what has changed is written.

What has changed is not told by clocks. Where the source is the version of a named table that the place was filled from,
only the keys are computed of which a row has come into sight since. Else all answers are computed, and compared with
what is there: so rows that came late, corrections that were loaded after the moment they are dated, and rows that were
deleted come through, whatever their times say. Who is killed leaves values that a later call looks at again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow import context
from firnflow.errors import FeatureError
from firnflow.features import encoding, joining, place
from firnflow.features.rows import features, rows
from firnflow.features.sources import of_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import ibis
    import pyarrow as pa

    from firnflow.features.place import Mark, Online
    from firnflow.features.view import FeatureView
    from firnflow.stores.online.base import Writer

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - moments are UTC without a zone
_BATCH = 5000
_MICRO = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Materialized:
    """What materialising a view did.

    Attributes:
        view: its name.
        version: of the view.
        at: the moment whose answers the online store has now.
        written: how many keys got other values, or values at all.
        dropped: how many have none any more.
        keys: how many have values now.
        whole: whether all answers were compared, and not only those of keys with rows since the last time.
    """

    view: str
    version: str
    at: dt.datetime
    written: int
    dropped: int
    keys: int
    whole: bool


def materialize(
    views: Sequence[FeatureView] | FeatureView,
    *,
    at: dt.datetime | str | None = None,
    sources: Mapping[str, ibis.Table] | None = None,
) -> list[Materialized]:
    """Bring the online values of views to what was known at a moment; return what that changed, view by view.

    The values are those that `training_set` gives to rows of that moment. Each view is filled by itself: after an error
    those before it are there. Two at once wait for each other. In a run the task that does so is never taken from the
    cache.

    Args:
        views: whose values.
        at: the moment, in ISO 8601 where it is a text, UTC where it has no zone; None: now. Not in the future, and not
            before the one that a view stands at.
        sources: name → table, as for `training_set`; in a run, the named table where none is given.

    Raises:
        FeatureError: a source is not there or not what its view says, or the moment is none.
        StoreError: the online store cannot be used.
    """
    from firnflow.features.view import FeatureView

    wanted = [views] if isinstance(views, FeatureView) else list(views)
    given = of_views(wanted, sources, "materialize")
    moment, online = moment_of(at), place.here()
    running = context.current()
    read = running.read if running is not None else {}
    if running is not None:
        running.reusable = False
    named = {name: about["digest"] for name, about in read.items() if name not in (sources or {})}
    return [fill(online, view, given, moment, digests=named, exact=at is not None) for view in wanted]


def moment_of(at: dt.datetime | str | None) -> dt.datetime:
    """Return a moment as UTC without a zone; None: now. Raises FeatureError where it is none, or in the future."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    if at is None:
        return now
    try:
        found = dt.datetime.fromisoformat(at) if isinstance(at, str) else at
        found = found if found.tzinfo is None else found.astimezone(dt.UTC).replace(tzinfo=None)
    except (AttributeError, OverflowError, ValueError):
        raise FeatureError(f"at={at!r:.80} is no moment. Write 2026-01-31T12:00, which is UTC, or …+01:00") from None
    if found > now:
        raise FeatureError(f"at={at!s:.80} is in the future: nobody knows yet what will be known. Mend: leave it out")
    return found


def micros(moment: dt.datetime) -> int:
    """Return a moment in microseconds since 1970."""
    return (moment - _EPOCH) // _MICRO


def moment_from(stamp: int) -> dt.datetime:
    """Return what `micros` has made a number of."""
    return _EPOCH + stamp * _MICRO


def fill(
    online: Online,
    view: FeatureView,
    sources: Mapping[str, ibis.Table],
    at: dt.datetime,
    *,
    digests: Mapping[str, str],
    exact: bool = False,
) -> Materialized:
    """Bring one view to a moment.

    Args:
        online: the store.
        view: the view.
        sources: name → table.
        at: the moment, in UTC without a zone.
        digests: name → digest, of those that are versions of named tables.
        exact: whether that very moment is wanted. Else nothing is done where the view stands at a later one.
    """
    table = rows(view, sources)
    names = features(view, table)
    source = digests.get(view.source) if isinstance(view.source, str) else None
    with online.store.writing(online.place(view)) as writer:
        before = place.Mark.from_text(writer.mark)
        if before is not None and before.at is not None and before.at > micros(at):
            if exact:
                raise FeatureError(
                    f"{view}: its online values are those of {moment_from(before.at)}, and at={at} is before that. "
                    "Mend: ask for a later moment; training_set has those of any"
                )
            return Materialized(view.name, view.version, moment_from(before.at), 0, 0, writer.count(), whole=False)
        mark = _mark(view, table, names, at, source)
        since = _since(before, mark)
        found = joining.answers(table, view, names, at, None if since is None else moment_from(since))
        filling = place.Mark(before.at if before else None, None, mark.keys, mark.features, filling=True).to_text()
        written, seen = _write(writer, found, mark, filling)
        dropped = 0 if since is not None else _drop(writer, found, mark, seen, filling)
        writer.end(mark.to_text())
        keys = writer.count()
    return Materialized(view.name, view.version, at, written, dropped, keys, whole=since is None)


def _mark(view: FeatureView, table: ibis.Table, names: list[str], at: dt.datetime, source: str | None) -> Mark:
    types = {field.name: field.type for field in table.select(*view.keys, *names).schema().to_pyarrow()}
    keys = {key: encoding.kind_of(types[key], f"{view}: key {key!r}") for key in view.keys}
    kinds = {name: encoding.kind_of(types[name], f"{view}: feature {name!r}") for name in names}
    return place.Mark(micros(at), source, keys, kinds)


def _since(before: Mark | None, mark: Mark) -> int | None:
    """Return the moment since which rows have come into sight that may change something; None: any row may."""
    same = before is not None and not before.filling and mark.source is not None and before.source == mark.source
    same = same and before is not None and (before.keys, before.features) == (mark.keys, mark.features)
    return before.at if before is not None and same else None


def _write(writer: Writer, found: ibis.Table, mark: Mark, filling: str) -> tuple[int, int]:
    """Write the answers that are others than those that are there; return how many that are, and how many in all."""
    written = seen = 0
    for texts in _texts(found, mark):
        seen += len(texts)
        there = writer.get(list(texts))
        other = {key: text for (key, text), old in zip(texts.items(), there, strict=True) if text != old}
        if other:
            writer.put(other, filling)
            written += len(other)
    return written, seen


def _drop(writer: Writer, found: ibis.Table, mark: Mark, seen: int, filling: str) -> int:
    """Remove what has no answer any more; return how much that was. To count is nearly always enough."""
    if writer.count() == seen:
        return 0
    stay = {key for texts in _texts(found, mark) for key in texts}
    gone = [key for key in writer.all_keys() if key not in stay]
    writer.drop(gone, filling)
    return len(gone)


def _texts(found: ibis.Table, mark: Mark) -> Iterator[dict[str, str]]:
    """Yield key → text of the answers, some thousands at a time."""
    for batch in found.to_pyarrow_batches(chunk_size=_BATCH):
        for start in range(0, batch.num_rows, _BATCH):
            yield _some(batch.slice(start, _BATCH), mark)


def _some(batch: pa.RecordBatch, mark: Mark) -> dict[str, str]:
    import pyarrow as pa

    keys = [batch.column(f"key{i}").to_pylist() for i in range(len(mark.keys))]
    happened = batch.column(joining.HAPPENED).cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
    columns = [_plain(batch.column(f"feature{i}"), kind) for i, kind in enumerate(mark.features.values())]
    names = [encoding.key_text(values) for values in zip(*keys, strict=True)] if keys else ["[]"] * batch.num_rows
    texts = map(encoding.text_of, zip(happened, *columns, strict=True))
    return {name: text for name, text in zip(names, texts, strict=True) if name is not None}


def _plain(column: Any, kind: str) -> list[Any]:
    values = column.to_pylist()
    if encoding.reader(kind) is None:
        return list(values)
    write = encoding.writer(kind)
    return [None if value is None else write(value) for value in values]
