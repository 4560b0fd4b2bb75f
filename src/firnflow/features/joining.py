"""The join at a point in time: what a row tells may be seen from when it happened *and* was known.

An as-of join finds, for each row of the spine, the last row of a view by one time. Two times count here: at a moment t,
of the rows that had happened and were known by t, the one that happened last is the answer, and of its versions the one
that was known last. With e when a row happened and k when it was known, it is in sight from s = max(e, k), and the
answer at t is the greatest (e, k) of the rows with s ≤ t.

The frontier is the rows that are the answer at some moment: those with the greatest (e, k) of all rows with their s or
an earlier one. The answer at t is in it, and no row of it comes into sight between that row's s and t, or it would be
the answer: so an as-of join by s on the frontier finds the answer. To be in the frontier a row needs the greatest e of
the rows in sight by s, and to be the last in the order of (s, e, k) of those with its s. That is enough: a row of the
same e and a greater k has s' = max(e, k') ≥ s, so it either comes later or has the same s, where the order decides.
One sort finds both. The time to live is looked at in the answer alone: all else in sight happened earlier still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.features import moments

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import ibis

    from firnflow.features.view import FeatureView

SEEN, HAPPENED, KNOWN = "seen", "happened", "known"
"""The times of a row in a frontier: when it came into sight, when it happened, since when it could be known."""


def frontier(rows: ibis.Table, view: FeatureView, features: Sequence[str], wanted: Sequence[str]) -> ibis.Table:
    """Return the rows of a view that are the answer at some moment, each with its times.

    Columns: `seen` and `happened`, `key0`, `key1`, … and `feature0`, `feature1`, …, in the order of the view's keys and
    of `wanted`. No two rows of the same keys are seen at the same time.

    Args:
        rows: of the view.
        view: the definition.
        features: all features of the view: they decide between rows of equal times, whichever of them are wanted.
        wanted: which features.
    """
    import ibis

    rows, keys, order = _dated(rows, view, features)
    line = {"group_by": [rows[key] for key in keys], "order_by": [rows[n].asc(nulls_first=True) for n in order]}
    looked = {"next_seen": rows[SEEN].lead().over(ibis.window(**line))}
    if view.known_at is not None:  # else each row happened later than all that was in sight before
        looked["latest"] = rows[HAPPENED].max().over(ibis.window(**line, preceding=(None, 0)))
    rows = rows.mutate(**looked)
    rows = rows.filter(rows.next_seen.isnull() | (rows.next_seen > rows[SEEN]))
    if view.known_at is not None:
        rows = rows.filter(rows[HAPPENED] == rows.latest)
    chosen = {f"feature{i}": rows[f"feature{features.index(name)}"] for i, name in enumerate(wanted)}
    return rows.select(SEEN, HAPPENED, *keys, **chosen)


def answers(
    rows: ibis.Table, view: FeatureView, features: Sequence[str], at: dt.datetime, since: dt.datetime | None = None
) -> ibis.Table:
    """Return the answer at one moment for each keys of a view that have one, without regard to its time to live.

    Columns: `happened`, `key0`, … and `feature0`, …, as of a frontier. Of the same rows, the answers of two moments
    differ at most for the keys of which a row came into sight between them.

    Args:
        rows: of the view.
        view: the definition.
        features: all features of the view.
        at: the moment, in UTC without a zone.
        since: an earlier one: only what may have changed since.
    """
    import ibis

    rows, keys, order = _dated(rows, view, features)
    rows = rows.filter(rows[SEEN] <= ibis.literal(at, "timestamp(6)"))
    if since is not None and keys:
        changed = rows.filter(rows[SEEN] > ibis.literal(since, "timestamp(6)")).select(*keys).distinct()
        rows = rows.semi_join(changed, keys)
    last = ibis.row_number().over(
        group_by=[rows[key] for key in keys], order_by=[rows[n].desc(nulls_first=False) for n in order if n != SEEN]
    )
    rows = rows.mutate(place=last)
    return rows.filter(rows.place == 0).drop("place", SEEN, *({KNOWN} & set(rows.columns)))


def _dated(rows: ibis.Table, view: FeatureView, features: Sequence[str]) -> tuple[ibis.Table, list[str], list[str]]:
    """Return the rows that can be seen at some moment, the names of their keys, and of what they are ordered by."""
    import ibis

    keys = {f"key{i}": rows[key] for i, key in enumerate(view.keys)}
    values = {f"feature{i}": rows[feature] for i, feature in enumerate(features)}
    times = {HAPPENED: moments.instant(rows[view.timestamp], up=True)}
    if view.known_at is not None:
        times[KNOWN] = moments.instant(rows[view.known_at], up=True)
    rows = rows.select(**keys, **times, **values)
    rows = rows.filter(*(rows[name].notnull() for name in (*keys, *times)))
    rows = rows.mutate(**{SEEN: ibis.greatest(*(rows[name] for name in times))})
    # a value is more than no value; of equal times the values decide, and never the order of the rows
    return rows, list(keys), [SEEN, *times, *values]


def attach(
    spine: ibis.Table, moment: str, seen: ibis.Table, keys: Sequence[str], names: Sequence[str], ttl: int | None
) -> ibis.Table:
    """Return the spine with the features of a frontier, each row with those of its own moment, or null.

    Args:
        spine: the rows.
        moment: its column of moments, as `moments.instant` makes them.
        seen: the frontier.
        keys: the spine's columns for the frontier's keys.
        names: what the features are to be called.
        ttl: microseconds; None: no end.
    """
    import ibis

    ours = ":"
    while any(name.startswith(ours) for name in spine.columns):
        ours += ":"
    seen = seen.rename(lambda name: ours + name).view()  # the spine may hold features of the same rows already
    equal = [spine[key] == seen[f"{ours}key{i}"] for i, key in enumerate(keys)]
    joined = spine.asof_join(seen, spine[moment] >= seen[ours + SEEN], equal)
    # DuckDB joins a row without a moment with the last row of its keys: of a null it must be asked
    lives = joined[moment].notnull()
    if ttl is not None:
        lives = joined[ours + HAPPENED] > joined[moment] - ibis.interval(microseconds=ttl)
    found = {name: joined[f"{ours}feature{i}"] for i, name in enumerate(names)}
    found = {name: lives.ifelse(value, ibis.null(value.type())) for name, value in found.items()}
    return joined.select(*(joined[name] for name in spine.columns), **found)
