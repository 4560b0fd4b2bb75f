"""Which state databases keep their values in an artifact store: each leaves a mark there, `owners/<id>.json`.

A store alone does not tell which of its values some database needs: whoever deletes must know all that use it.
"""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._disk import writing
from firnflow.stores.artifacts import settle
from firnflow.stores.remote import is_remote, object_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firnflow.stores.artifacts import ArtifactStore

_FOLDER = "owners"
_NAME = re.compile(rf"{_FOLDER}/([0-9a-f]{{32}})\.json")


@dataclass(frozen=True, slots=True)
class Owner:
    """The mark of one state database: its id, and who left the mark, where and when."""

    id: str
    about: dict[str, Any]


def register(store: ArtifactStore, identity: str, about: Callable[[], dict[str, Any]]) -> None:
    """Leave the mark of a state database, unless it is there.

    Args:
        store: the store.
        identity: the database's id.
        about: returns what the mark says; called where there is none yet.

    Raises:
        StoreError: the store cannot be written.
    """
    if read(store, identity) is not None:
        return
    name = f"{_FOLDER}/{identity}.json"
    scratch = store.scratch("json")
    with writing(scratch):
        scratch.write_text(json.dumps(about()), encoding="utf-8")
        if is_remote(store.url):
            object_store(store.url).upload(scratch, name)
            scratch.unlink()
        else:
            settle(scratch, store.folder / name)


def read(store: ArtifactStore, identity: str) -> Owner | None:
    """Return the mark of a state database, or None where it has left none."""
    name = f"{_FOLDER}/{identity}.json"
    try:
        text = object_store(store.url).read(name) if is_remote(store.url) else (store.folder / name).read_bytes()
    except FileNotFoundError:
        return None
    return Owner(identity, _parsed(text))


def places(store: ArtifactStore, state: Path) -> dict[str, Any]:
    """Return where a store and the file of a state database are, for the mark."""
    folder = None if is_remote(store.url) else store.folder
    return {"state": _place(state), "store": _place(folder) if folder is not None else store.url}


def is_copy(mark: Owner, store: ArtifactStore, state: Path | None) -> bool:
    """Return whether a state database, of the id of a mark in the store, is a copy of the one that left the mark.

    It is one if it is another file elsewhere: one that was moved has kept its number, one that was put back its path.
    Where the store was copied along, both are on their own, and it does not matter.
    """
    if state is None or not {"state", "store"} <= mark.about.keys():
        return False
    then, now = mark.about, places(store, state)
    return not (_is_same(then["state"], now["state"]) or _was_copied_along(then, now))


def _place(path: Path) -> dict[str, Any]:
    number = f"{os.statvfs(path).f_fsid:x}-{path.stat().st_ino}"
    return {"host": socket.gethostname(), "path": str(path.resolve()), "number": number}


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.get("number") == other["number"] or all(one.get(key) == other[key] for key in ("host", "path"))


def _was_copied_along(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether the store is another folder, and lies where it lay beside the state."""
    if not (isinstance(then["store"], dict) and isinstance(now["store"], dict)):
        return False
    ways = {os.path.relpath(each["store"].get("path", ""), each["state"].get("path", "")) for each in (then, now)}
    return len(ways) == 1 and not _is_same(then["store"], now["store"])


def find(store: ArtifactStore) -> list[Owner]:
    """Return the marks in a store."""
    if not is_remote(store.url):
        files = sorted((store.folder / _FOLDER).glob("*.json"))
        marks = {path.relative_to(store.folder).as_posix(): path.read_bytes() for path in files}
    else:
        remote = object_store(store.url)
        marks = {each.name: remote.read(each.name) for each in remote.find(_FOLDER)}
    return [Owner(match[1], _parsed(text)) for name, text in marks.items() if (match := _NAME.fullmatch(name))]


def forget(store: ArtifactStore, identity: str) -> None:
    """Remove a mark: its database is gone, and what only that needed is garbage."""
    name = f"{_FOLDER}/{identity}.json"
    if is_remote(store.url):
        object_store(store.url).delete(name)
    else:
        (store.folder / name).unlink(missing_ok=True)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
