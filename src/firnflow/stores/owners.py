"""Which state databases keep their values in an artifact store: each leaves a mark there, `owners/<id>.json`.

A store alone does not tell which of its values some database needs: whoever deletes must know all that use it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._disk import writing
from firnflow.stores.artifacts import settle
from firnflow.stores.remote import ObjectStore, is_remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.stores.artifacts import ArtifactStore

_FOLDER = "owners"
_NAME = re.compile(rf"{_FOLDER}/([0-9a-f]{{32}})\.json")


@dataclass(frozen=True, slots=True)
class Owner:
    """The mark of one state database: its id, and who left the mark, where and when."""

    id: str
    about: dict[str, Any]


def register(store: ArtifactStore, identity: str, describe: Callable[[], dict[str, str | None]]) -> None:
    """Leave the mark of a state database, unless it is there.

    Args:
        store: the store.
        identity: the database's id.
        describe: returns what the mark says; called where there is none yet.

    Raises:
        StoreError: the store cannot be written.
    """
    name = f"{_FOLDER}/{identity}.json"
    remote = ObjectStore(store.url) if is_remote(store.url) else None
    place = store.folder / name
    if place.is_file() if remote is None else remote.exists(name):
        return
    scratch = store.scratch("json")
    with writing(scratch):
        scratch.write_text(json.dumps(describe()), encoding="utf-8")
        if remote is not None:
            remote.upload(scratch, name)
            scratch.unlink()
        else:
            settle(scratch, place)


def find(store: ArtifactStore) -> list[Owner]:
    """Return the marks in a store."""
    if not is_remote(store.url):
        files = sorted((store.folder / _FOLDER).glob("*.json"))
        marks = {path.relative_to(store.folder).as_posix(): path.read_bytes() for path in files}
    else:
        remote = ObjectStore(store.url)
        marks = {each.name: remote.read(each.name) for each in remote.find(_FOLDER)}
    return [Owner(match[1], _parsed(text)) for name, text in marks.items() if (match := _NAME.fullmatch(name))]


def forget(store: ArtifactStore, identity: str) -> None:
    """Remove a mark: its database is gone, and what only that needed is garbage."""
    name = f"{_FOLDER}/{identity}.json"
    if is_remote(store.url):
        ObjectStore(store.url).delete(name)
    else:
        (store.folder / name).unlink(missing_ok=True)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
