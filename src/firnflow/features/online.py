"""`online_features`: the features of many entities as they were last materialised, in one question to the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow import context
from firnflow._text import listing, nearest
from firnflow.errors import FeatureError, StoreError
from firnflow.features import encoding, moments, place
from firnflow.features.materializing import micros, moment_from, moment_of
from firnflow.features.training import as_uses, as_wanted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from firnflow.features.place import Mark, Online
    from firnflow.features.view import FeatureView, Use
    from firnflow.stores.online.base import Found


def online_features(
    views: Sequence[FeatureView | Use] | FeatureView | Use,
    entities: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]],
    *,
    at: dt.datetime | str | None = None,
    online: Online | None = None,
) -> dict[str, list[Any]]:
    """Return the online features of entities, column by column: what was given, then `view__feature` of each view.

    A feature is null where the entity has none, or it has outlived its time to live. The values are those that the view
    has had when it was materialised last: what has become known since is not in them. In a run the task that asks is
    never taken from the cache, and its tables remember the versions of the views.

    Args:
        views: as for `training_set`.
        entities: the key columns of all views, and whatever else: a list of rows, or column → values.
        at: the moment by which lives end; None: now. Not before the one that a view was materialised at.
        online: the store; None: that of the run, else of the project around the working directory.

    Raises:
        FeatureError: a key is not there or of another type than the view's, a view has no such feature or was not
            materialised in this version, or the moment is none.
        StoreError: the online store cannot be used.
    """
    uses, columns = as_uses(views, "online_features"), _columns(entities)
    online, moment = online or place.here(), micros(moment_of(at))
    texts = _texts(uses, columns)
    keys = [texts[tuple(use.spine_keys().values())] for use in uses]
    asked = [
        (online.place(use.view), [key for key in each if key is not None]) for use, each in zip(uses, keys, strict=True)
    ]
    result = dict(columns)
    running = context.current()
    if running is not None:
        running.reusable = False
        running.features.update({use.view.name: use.view.version for use in uses})
    checked: set[tuple[str, str]] = set()
    for use, each, found in zip(uses, keys, online.store.read(asked), strict=True):
        mark = _mark(use, found, moment)
        _check_keys(use, mark, columns, checked)
        there = iter(found.texts)
        try:
            answers = _answers(use, mark, [None if key is None else next(there) for key in each], moment)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise StoreError(
                f"{use.view}: a value in the online store is not what was written: {error}. Mend: delete it, then: "
                f"firnflow features materialize {use.view.name}"
            ) from error
        for name, values in answers.items():
            if name in result:
                raise FeatureError(
                    f"{use.view}: the result would have two columns {name!r}. Mend: give it another name: "
                    "view.use(name=…)"
                )
            result[name] = values
    return result


def _columns(entities: Any) -> dict[str, list[Any]]:
    if isinstance(entities, dict):
        columns = {name: list(values) for name, values in entities.items()}
        if len({len(values) for values in columns.values()}) > 1:
            sizes = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
            raise FeatureError(f"online_features: entities: the columns are not of one length: {sizes}")
        return columns
    rows = list(entities) if isinstance(entities, list | tuple) else None
    if rows is None or not all(isinstance(row, dict) for row in rows):
        raise FeatureError(
            "online_features: entities are a list of rows, [{'customer_id': 42}], or columns, {'customer_id': [42]}"
        )
    names = list(rows[0]) if rows else []
    for row in rows:
        if set(row) != set(names):
            raise FeatureError(
                f"online_features: entities: one row has {listing(map(str, names))}, another {listing(map(str, row))}"
            )
    return {name: [row[name] for row in rows] for name in names}


def _texts(uses: Sequence[Use], columns: dict[str, list[Any]]) -> dict[tuple[str, ...], list[str | None]]:
    """Return, for the names of the columns that hold a view's keys, the key of each entity, or None."""
    found: dict[tuple[str, ...], list[str | None]] = {}
    for use in uses:
        for key, name in use.spine_keys().items():
            if columns and name not in columns:
                raise FeatureError(
                    f"{use.view}: key {key!r}: the entities have no {name!r}.{nearest(name, columns)} "
                    f"They have: {listing(columns)}"
                )
        names = tuple(use.spine_keys().values())
        if not names:
            found[names] = ["[]"] * (len(next(iter(columns.values()))) if columns else 1)
        elif names not in found:
            given = zip(*(map(encoding.plain, columns.get(name, ())) for name in names), strict=True)
            found[names] = list(map(encoding.key_text, given))
    return found


def _mark(use: Use, found: Found, moment: int) -> Mark:
    mark = place.Mark.from_text(found.mark)
    view = use.view
    if mark is None or mark.at is None:
        raise FeatureError(
            f"{view}: there are no online values of its version {view.version}. "
            f"Mend: firnflow features materialize {view.name}"
        )
    if mark.at > moment:
        raise FeatureError(
            f"{view}: its online values are those of {moment_from(mark.at)}: what was known before that is in "
            "training_set"
        )
    return mark


def _check_keys(use: Use, mark: Mark, columns: dict[str, list[Any]], checked: set[tuple[str, str]]) -> None:
    """Raise FeatureError where a key is of another kind than the view's; `checked`: the columns that are fine."""
    for key, name in use.spine_keys().items():
        kind = mark.keys[key]
        if (name, kind) not in checked:
            for value in columns.get(name, ()):
                encoding.check_key(encoding.plain(value), kind, f"{use.view}: key {key!r}")
            checked.add((name, kind))


def _answers(use: Use, mark: Mark, texts: list[str | None], moment: int) -> dict[str, list[Any]]:
    """Return `view__feature` → values, of the texts of a view."""
    names = list(mark.features)
    wanted = as_wanted(use, names)
    oldest = None if use.view.ttl is None else moment - moments.microseconds(use.view.ttl, f"{use.view}: ttl")
    rows: list[Any] = json.loads(f"[{','.join(text or 'null' for text in texts)}]")
    rows = [row if row is not None and (oldest is None or row[0] > oldest) else None for row in rows]
    found = {}
    for name in wanted:
        index, read = names.index(name) + 1, encoding.reader(mark.features[name])
        values = [None if row is None else row[index] for row in rows]
        if read is not None:
            values = [None if value is None else read(value) for value in values]
        found[f"{use.name}__{name}"] = values
    return found
