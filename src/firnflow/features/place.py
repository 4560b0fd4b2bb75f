"""Where the online values of an environment are: the store, and the places of views in it."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from firnflow import context
from firnflow.engine.services import Services
from firnflow.errors import StoreError
from firnflow.features import encoding
from firnflow.project.settings import FILE, find_root, load_settings
from firnflow.stores.online import connect

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.features.view import FeatureView
    from firnflow.project.settings import Settings
    from firnflow.stores.online.base import OnlineStore

_opened: dict[tuple[int, str], OnlineStore] = {}
"""The stores of this process: a connection does not outlive a fork."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a place is filled.

    Attributes:
        at: the moment whose answers the place has, in microseconds since 1970; None: it is being filled first.
        source: the digest of the named table that they were made of; None: of something else.
        keys: key column → kind, as in `features.encoding`, in their order.
        features: feature → kind, likewise.
        filling: whether somebody is filling it, or was killed meanwhile: a part of the values may be later ones.
    """

    at: int | None
    source: str | None
    keys: dict[str, str]
    features: dict[str, str]
    filling: bool = False

    def to_text(self) -> str:
        """Return what `from_text` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> Mark | None:
        """Return the mark that a place has. Raises StoreError where it is none of ours."""
        if text is None:
            return None
        try:
            mark = cls(**json.loads(text))
            for kind in (*mark.keys.values(), *mark.features.values()):
                encoding.reader(kind)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise StoreError(
                f"The online store has {text!r:.60} where a view's mark should be. Mend: if another Firnflow wrote it, "
                "upgrade this one, or name another store by `online =` in firnflow.toml"
            ) from None
        return mark


@dataclass(frozen=True, slots=True)
class Online:
    """The online store of an environment.

    Attributes:
        store: of texts.
        scope: what stands before the names of its places: project and environment.
    """

    store: OnlineStore
    scope: str

    def place(self, view: FeatureView) -> str:
        """Return the place of a view's values in this version."""
        return self.place_of(view.name, view.version)

    def place_of(self, name: str, version: str) -> str:
        """Return the place of the values of a version of a view."""
        return f"{self.scope}:{name}:{version}"


def of_settings(settings: Settings) -> Online:
    """Return the online store of an environment, connected once in a process."""
    url = settings.online.reveal()
    key = (os.getpid(), url)
    if key not in _opened:
        _opened[key] = connect(url)
    return Online(_opened[key], f"{settings.project}:{settings.environment}")


def here() -> Online:
    """Return the online store of the run that is under way, else of the project around the working directory."""
    running: Any = context.current()
    if running is not None and isinstance(running.services, Services):
        return of_settings(running.services.settings)
    root = find_root()
    variables = tuple(sorted((name, text) for name, text in os.environ.items() if name.startswith("FIRNFLOW_")))
    return of_settings(_settings(root, (root / FILE).stat().st_mtime_ns, variables))


@functools.lru_cache(maxsize=8)
def _settings(root: Path, written: int, variables: tuple[tuple[str, str], ...]) -> Settings:  # noqa: ARG001 - the key
    return load_settings(root)
