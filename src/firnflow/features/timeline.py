"""What was known of each entity from when on: a view for feature stores that join by one time.

It is the view's frontier, dated by when each row came into sight: the rows that are the answer at some moment, see
`features.joining`. A correction then counts from when it was known. Where a value outlives its time to live before
another one comes, a row without values says so. So an as-of join by that one time finds what `training_set` finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import FeatureError
from firnflow.features import joining, moments
from firnflow.features.rows import features

if TYPE_CHECKING:
    import ibis

    from firnflow.features.view import FeatureView


def timeline(view: FeatureView, table: ibis.Table) -> ibis.Table:
    """Return the rows of a view's timeline: `seen`, then its keys and features under their own names.

    No two rows of the same keys are seen at the same moment; features are null where nothing counts.

    Args:
        view: the definition.
        table: its rows.

    Raises:
        FeatureError: a key or feature is called `seen`.
    """
    names = features(view, table)
    columns = {**{f"key{i}": key for i, key in enumerate(view.keys)}, **{f"feature{i}": n for i, n in enumerate(names)}}
    if joining.SEEN in {name.lower() for name in columns.values()}:
        raise FeatureError(f"{view}: a feature store's time is called {joining.SEEN!r}. Mend: rename the column")
    seen = joining.frontier(table, view, names, names)
    if view.ttl is not None:
        values = [name for name in columns if name.startswith("feature")]
        seen = _with_ends(seen, values, len(view.keys), moments.microseconds(view.ttl, f"{view}: ttl"))
    result: ibis.Table = seen.select(joining.SEEN, **{name: seen[column] for column, name in columns.items()})
    return result


def _with_ends(seen: ibis.Table, values: list[str], keys: int, ttl: int) -> ibis.Table:
    """Return a frontier whose values end with their lives: null in rows that come too late, and rows of null after."""
    import ibis

    groups = [seen[f"key{i}"] for i in range(keys)]
    following = seen[joining.SEEN].lead().over(group_by=groups, order_by=seen[joining.SEEN])
    seen = seen.mutate(following=following, ends=seen[joining.HAPPENED] + ibis.interval(microseconds=ttl))
    lives = seen.ends > seen[joining.SEEN]
    nothing = {name: ibis.null(seen[name].type()) for name in values}
    over = seen.filter(lives & (seen.following.isnull() | (seen.following > seen.ends)))
    over = over.mutate(**{joining.SEEN: over.ends}, **nothing)
    seen = seen.mutate(**{name: lives.ifelse(seen[name], nothing[name]) for name in values})
    return ibis.union(seen, over, distinct=False)
