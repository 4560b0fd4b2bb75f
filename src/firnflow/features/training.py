"""`training_set`: the features of views beside the rows of a spine, each as it was known at the row's own time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow import context
from firnflow._text import listing, nearest
from firnflow.errors import FeatureError
from firnflow.features import joining, moments
from firnflow.features.entity import check_table
from firnflow.features.rows import backends, check_key, check_time, features, require, rows
from firnflow.features.sources import of_views
from firnflow.features.view import FeatureView, Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import ibis


def training_set(
    spine: ibis.Table,
    views: Sequence[FeatureView | Use],
    *,
    time: str | None = None,
    sources: Mapping[str, ibis.Table] | None = None,
) -> ibis.Table:
    """Return the rows of a spine, each with the features of the views as they were known at its time.

    One row per row of the spine, with all its columns and then a column `view__feature` for each feature. A feature is
    null where there was none: nothing had happened or was known by then, its time to live was over, or the spine's key
    or time is null. Nothing is computed yet. The rows of a relation have no order: sort the result if it needs one.

    Args:
        spine: what is to be learnt or predicted: the key columns of all views, a time, and whatever else.
        views: what is wanted to be known of it; `view.use(…)` for some features, another name or other columns.
        time: the spine's column with the moment of each row; None: its only column that holds times.
        sources: name → table, for views that only name their source; in a run, the named table of that name where none
            is given, as it was when the run began.

    Raises:
        FeatureError: the spine or a source lacks a column or has one of another type, two columns would have one name,
            or a source is not there.
        UsageError: the SQL of a view cannot be run.
    """
    check_table(spine, "training_set: the spine")
    uses = as_uses(views, "training_set")
    time = _time(spine, time)
    given = of_views([use.view for use in uses], sources, "training_set")
    _check_place([spine, *given.values(), *(use.view.source for use in uses if not isinstance(use.view.source, str))])
    running = context.current()
    if running is not None:
        running.features.update({use.view.name: use.view.version for use in uses})
    moment = _unused("moment", spine.columns)
    joined = spine.mutate(**{moment: moments.instant(spine[time])})
    for use in uses:
        joined = _joined(joined, use, moment, rows(use.view, given))
    return joined.drop(moment)


def _joined(spine: ibis.Table, use: Use, moment: str, found: ibis.Table) -> ibis.Table:
    known = features(use.view, found)
    wanted = as_wanted(use, known)
    for key, ours in use.spine_keys().items():
        _check_keys(spine, ours, found[key], f"{use.view}: key {key!r}", moment)
    names = [f"{use.name}__{feature}" for feature in wanted]
    taken = {column.lower() for column in spine.columns}  # names of columns are the same in any case
    for name in names:
        if name.lower() in taken:
            raise FeatureError(
                f"{use.view}: the result would have two columns {name!r}. Mend: give it another name: view.use(name=…)"
            )
        taken.add(name.lower())
    ttl = None if use.view.ttl is None else moments.microseconds(use.view.ttl, f"{use.view}: ttl")
    seen = joining.frontier(found, use.view, known, wanted)
    return joining.attach(spine, moment, seen, list(use.spine_keys().values()), names, ttl)


def as_uses(views: Sequence[FeatureView | Use] | FeatureView | Use, what: str) -> list[Use]:
    """Return views as they are joined. Raises FeatureError for what is none, and where two are of one name.

    Args:
        views: one or several.
        what: who asks, for the message.
    """
    uses = []
    for each in [views] if isinstance(views, FeatureView | Use) else views:
        if not isinstance(each, FeatureView | Use):
            raise FeatureError(f"{what}: {each!r} is no feature view")
        uses.append(each.use() if isinstance(each, FeatureView) else each)
    named: dict[str, FeatureView] = {}
    for use in uses:
        if named.setdefault(use.view.name, use.view).version != use.view.version:
            raise FeatureError(f"{what}: two different feature views are named {use.view.name!r}. Mend: rename one")
    if not uses:
        raise FeatureError(f"{what}: there are no views, so there is nothing to join")
    return uses


def as_wanted(use: Use, known: list[str]) -> list[str]:
    """Return the features that are wanted, of those that there are. Raises FeatureError for one that there is not."""
    for name in use.features:
        if name not in known:
            raise FeatureError(
                f"{use.view}: use: it has no feature {name!r}.{nearest(name, known)} Its features: {listing(known)}"
            )
    return list(use.features) or known


def _time(spine: ibis.Table, name: str | None) -> str:
    if name is not None:
        require(spine, name, "training_set: time")
        check_time(spine[name], "training_set: time")
        return name
    found: list[str] = [column for column in spine.columns if moments.is_time(spine[column])]
    if len(found) != 1:
        raise FeatureError(
            f"training_set: which column of the spine is the time? It has {len(found)} that could be: "
            f"{listing(found)}. Mend: time=COLUMN; of text or numbers make one, e.g. by .cast('timestamp')"
        )
    return found[0]


def _check_keys(spine: ibis.Table, name: str, theirs: ibis.Column, what: str, moment: str) -> None:
    if name not in spine.columns or name == moment:
        there = [column for column in spine.columns if column != moment]
        raise FeatureError(
            f"{what}: the spine has no column {name!r}.{nearest(name, there)} It has: {listing(there)}. "
            f"Mend: view.use(keys={{{theirs.get_name()!r}: COLUMN}}) if it has another name there"
        )
    check_key(spine[name], f"{what}: the spine's {name!r}")
    ours, other = spine[name].type(), theirs.type()
    alike = (ours.is_integer() and other.is_integer()) or ours.copy(nullable=True) == other.copy(nullable=True)
    if not alike:
        raise FeatureError(
            f"{what} is {other}, and the spine's {name!r} is {ours}: no value would ever be the same. "
            "Mend: cast one of them"
        )


def _check_place(tables: list[ibis.Table]) -> None:
    if len(backends(tables)) > 1:
        raise FeatureError(
            "training_set: the spine and the sources are in different warehouses or connections. "
            "Mend: read them all through one connection"
        )


def _unused(name: str, taken: Iterable[str]) -> str:
    lower = {each.lower() for each in taken}
    while name in lower:
        name += "_"
    return name
