"""The registry of feature views: those of a project's modules, and what of them the state does not know yet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._text import listing, nearest
from firnflow.errors import FeatureError, NotFoundError
from firnflow.features.rows import features, rows
from firnflow.features.view import FeatureView
from firnflow.graph.units import format_duration
from firnflow.stores.state.models import Models
from firnflow.stores.state.views import Views, ViewVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis

    from firnflow.project import Project
    from firnflow.stores.state import State

NEW, CHANGED, RETOLD, SAME = "new", "changed", "described anew", "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """What applying a view does.

    Attributes:
        view: the view.
        action: `new`, `changed` (another version), `described anew` (the same version, other words), or `unchanged`.
        before: the version that is current now; None: none is.
        parts: what is other, in words.
        about: what the registry is to say of it, for people.
    """

    view: FeatureView
    action: str
    before: str | None
    parts: tuple[str, ...]
    about: dict[str, Any]


def find(project: Project) -> dict[str, FeatureView]:
    """Return name → feature view of those that stand in the project's modules, by name.

    Raises:
        FeatureError: two views have one name, or two entities of one name other keys.
    """
    found: dict[str, FeatureView] = {}
    for module in project.modules:
        for value in vars(module).values():
            if isinstance(value, FeatureView) and found.setdefault(value.name, value) is not value:
                raise FeatureError(f"Two feature views are named {value.name!r}. Mend: rename one")
    keys: dict[str, tuple[tuple[str, ...], str]] = {}
    for view in found.values():
        for entity in view.entities:
            first, where = keys.setdefault(entity.name, (tuple(entity.keys), view.name))
            if first != entity.keys:
                raise FeatureError(
                    f"Entity {entity.name!r} has the keys {listing(first)} in view {where!r} and "
                    f"{listing(entity.keys)} in {view.name!r}. Mend: define it once"
                )
    return dict(sorted(found.items()))


def chosen(views: Mapping[str, FeatureView], names: Iterable[str]) -> list[FeatureView]:
    """Return the views of these names; none: all.

    Raises:
        NotFoundError: there is no such view, or none at all.
    """
    if not views:
        raise NotFoundError(
            "The project's modules define no feature view. Mend: define one in a module of [project] pipelines, or "
            "import it there"
        )
    for name in names:
        if name not in views:
            raise NotFoundError(f"There is no feature view {name!r}.{nearest(name, views)} Known: {listing(views)}")
    return [views[name] for name in dict.fromkeys(names)] or list(views.values())


def describe(view: FeatureView, sources: Mapping[str, ibis.Table]) -> dict[str, Any]:
    """Return what the registry says of a view for people, as JSON.

    The types of its features are there where its source is: then the source has been checked, too.

    Args:
        view: the definition.
        sources: name → table, as far as they are there.

    Raises:
        FeatureError: the source is not what the view says.
        UsageError: the view's SQL cannot be run.
    """
    types: dict[str, str | None] = dict.fromkeys(view.columns)
    if not isinstance(view.source, str) or view.source in sources:
        table = rows(view, sources)
        types = {name: str(table[name].type()) for name in features(view, table)}
    return {
        "description": view.description,
        "owner": view.owner,
        "tags": dict(view.tags),
        "entities": {entity.name: entity.description for entity in view.entities},
        "features": {name: {"type": kind, "description": view.columns.get(name, "")} for name, kind in types.items()},
    }


def plan(
    views: Iterable[FeatureView], current: Mapping[str, ViewVersion], sources: Mapping[str, ibis.Table]
) -> list[Change]:
    """Return what applying views does, in their order. Raises as `describe`."""
    changes = []
    for view in views:
        there, about = current.get(view.name), describe(view, sources)
        if there is None:
            changes.append(Change(view, NEW, None, (), about))
        elif there.version != view.version:
            changes.append(Change(view, CHANGED, there.version, _differences(there.definition, view), about))
        else:
            parts = tuple(name for name, said in about.items() if said != there.about.get(name))
            changes.append(Change(view, RETOLD if parts else SAME, there.version, parts, about))
    return changes


def apply(state: State, changes: Iterable[Change], by: str) -> None:
    """Write down what a plan says, all or nothing. Two at once leave each version once.

    Args:
        state: of the environment.
        changes: the plan.
        by: who.
    """
    now = time.time()
    wanted = [change for change in changes if change.action != SAME]
    Views(state).write(
        [
            ViewVersion(each.view.name, each.view.version, each.view.definition(), each.about, now, now, by)
            for each in wanted
        ]
    )


def trained_on(state: State, view: str) -> dict[str, list[str]]:
    """Return version of a view → the models that were trained on it, as `NAME/3`."""
    models = Models(state)
    found: dict[str, list[str]] = {}
    for model in (version for name in models.names() for version in models.versions(name)[::-1]):
        joined = ((model.metadata.get("lineage") or {}).get("features") or {}).values()
        for version in {each[view] for each in joined if view in each}:
            found.setdefault(version, []).append(model.place)
    return found


def _differences(before: Mapping[str, Any], view: FeatureView) -> tuple[str, ...]:
    now = view.definition()
    parts = []
    for name in now:
        old, new = before.get(name), now[name]
        if old == new:
            continue
        if name == "features" and isinstance(old, list):
            signs = [f"+{each}" for each in new if each not in old] + [f"-{each}" for each in old if each not in new]
            parts.append(f"features {' '.join(signs) or 'in another order'}")
        elif name == "ttl":
            parts.append(f"ttl {lasts(old)} → {lasts(new)}")
        elif isinstance(old, str) and isinstance(new, str) and name != "transform":
            parts.append(f"{name} {old} → {new}")
        else:
            parts.append(name)
    return tuple(parts)


def lasts(ttl: int | None) -> str:
    """Return a time to live in microseconds as people write it."""
    return "for ever" if ttl is None else format_duration(ttl / 1e6)
