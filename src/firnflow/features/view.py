"""Feature views: where features come from, what they are of, and since when each value was known.

A definition is data and code, and computes nothing. Its version is the digest of what it computes: another expression,
time to live or key makes a new version; another description or owner does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from firnflow._text import listing, nearest
from firnflow.errors import FeatureError
from firnflow.features import code, moments
from firnflow.features.entity import Entity, as_names, check_name, check_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import ibis

VERSION_DIGITS = 12  # hex; 48 bits tell the versions of one view apart


@dataclass(frozen=True, eq=False)
class FeatureView:
    """Features of one or more entities, from one table.

    Attributes:
        name: what it is called; its features are `name__feature` in a training set.
        source: the table, or the name of one that is given when the view is used.
        entities: what the features are of; their keys together say which row is about what. None at all: every row is
            about the same thing, such as a market.
        timestamp: the column that says when what a row tells happened.
        known_at: the column that says since when the row could be known; None: since it happened.
        ttl: how long a value counts after it happened, such as "30d"; None: until there is a newer one.
        transform: what makes the view's rows of the source: a function of one table, or a SELECT that names the source
            (`source` where a table is given). None: the source as it is.
        description: for people, as the next three.
        owner: who answers for it.
        tags: name → text.
        columns: feature → what it means. Where given it lists them all; else each column but keys and times is one.

    Raises:
        FeatureError: the definition contradicts itself. What the source must have is checked when it is there.
    """

    name: str
    source: str | ibis.Table
    entities: Sequence[Entity]
    timestamp: str
    known_at: str | None = None
    ttl: moments.Length | None = None
    transform: Callable[[ibis.Table], ibis.Table] | str | None = None
    description: str = ""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("feature view", self.name)
        several = isinstance(self.entities, list | tuple)
        object.__setattr__(self, "entities", tuple(self.entities) if several else (self.entities,))
        for entity in self.entities:
            if not isinstance(entity, Entity):
                raise FeatureError(f"{self}: entities: {entity!r} is no Entity")
        if not isinstance(self.source, str):
            check_table(self.source, f"{self}: source")
        if not isinstance(self.columns, Mapping):
            raise FeatureError(f"{self}: columns: they are a dict: feature → what it means")
        for role, time in {"timestamp": self.timestamp, "known_at": self.known_at}.items():
            if time is not None:
                as_names(f"{self}: the keys of its entities and {role}", (*self.keys, time))
        for taken in (*self.keys, self.timestamp, self.known_at):
            if taken in self.columns:
                raise FeatureError(f"{self}: columns: {taken!r} is a key or a time, and so no feature")
        if self.ttl is not None:
            moments.microseconds(self.ttl, f"{self}: ttl")

    def __str__(self) -> str:
        return f"feature view {self.name!r}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns of all its entities."""
        return tuple(key for entity in self.entities for key in entity.keys)

    @property
    def source_name(self) -> str:
        """The name of the source: how a SELECT calls it."""
        return self.source if isinstance(self.source, str) else "source"

    @cached_property
    def version(self) -> str:
        """The digest of what the view computes, in 12 hex digits."""
        text = json.dumps(self.definition(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]

    def definition(self) -> dict[str, Any]:
        """Return what the version depends on, as JSON. Of a table that is given itself, its columns count, no rows."""
        given = self.source if isinstance(self.source, str) else {n: str(t) for n, t in self.source.schema().items()}
        return {
            "name": self.name,
            "entities": [[entity.name, *entity.keys] for entity in self.entities],
            "timestamp": self.timestamp,
            "known_at": self.known_at,
            "ttl": None if self.ttl is None else moments.microseconds(self.ttl, "ttl"),
            "source": given,
            "transform": code.digest(self.transform),
            "features": list(self.columns),
        }

    def use(self, *features: str, name: str = "", keys: Mapping[str, str] | None = None) -> Use:
        """Return the view as `training_set` is to join it.

        Args:
            features: which of its features; none: all.
            name: what stands before each feature's name; default: the view's. For a view that is used twice.
            keys: key → the spine's column that holds it, where that has another name.

        Raises:
            FeatureError: a key is none of the view's, or `name` is no name.
        """
        return Use(self, as_names(f"{self}: use", features), name or self.name, dict(keys or {}))


@dataclass(frozen=True, eq=False)
class Use:
    """A view as it is joined: which features, under which name, by which columns of the spine."""

    view: FeatureView
    features: tuple[str, ...]
    name: str
    keys: Mapping[str, str]

    def __post_init__(self) -> None:
        check_name(f"{self.view}: use", self.name)
        for key in self.keys:
            if key not in self.view.keys:
                raise FeatureError(
                    f"{self.view}: use: it has no key {key!r}.{nearest(key, self.view.keys)} "
                    f"Its keys: {listing(self.view.keys)}"
                )

    def spine_keys(self) -> dict[str, str]:
        """Return key → the spine's column."""
        return {key: self.keys.get(key, key) for key in self.view.keys}


def feature_view(
    *, source: str | ibis.Table, entities: Sequence[Entity], timestamp: str, **options: Any
) -> Callable[[Callable[[ibis.Table], ibis.Table]], FeatureView]:
    """Make a feature view of a function from the source to the view's rows.

    The view has the function's name and, where none is given, the first line of its docstring as description.

    Args:
        source: as in `FeatureView`, and so the others.
        entities: what the features are of.
        timestamp: the column that says when what a row tells happened.
        options: `known_at`, `ttl`, `description`, `owner`, `tags`, `columns`.

    Raises:
        FeatureError: the definition contradicts itself.
    """

    def make(function: Callable[[ibis.Table], ibis.Table]) -> FeatureView:
        known = [each.name for each in fields(FeatureView)]
        for name in options:
            if name not in known:
                raise FeatureError(f"feature view {function.__name__!r}: no option {name!r}.{nearest(name, known)}")
        first = (function.__doc__ or "").strip().partition("\n")[0]
        said = {"description": first, **options}
        return FeatureView(function.__name__, source, entities, timestamp, transform=function, **said)

    return make
