"""The artifact store: immutable files addressed by the digest of their content.

`objects/ab/<sha256>.<suffix>` under a folder, or under an object store's URL with a local folder as its cache. A file
is written under `tmp/`, synced, renamed into place and the folder synced: what stands under `objects/` is complete, but
only the state says whether it is committed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from firnflow._crash import crash_point
from firnflow._disk import sync, writing
from firnflow.errors import ConfigError, DamagedArtifactError, StoreError
from firnflow.stores.remote import PROTOCOLS, ObjectStore, is_remote, object_store

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"[a-z0-9]{1,16}(\.[a-z0-9]{1,16})?")
_TOUCH = 600.0  # seconds
_WHERE = re.compile(r"objects/([0-9a-f]{2})/(\1[0-9a-f]{62})\.[a-z0-9]{1,16}(\.[a-z0-9]{1,16})?")


class StoredObject(NamedTuple):
    """One object: its place, its size in bytes, and when it was written (seconds since the epoch)."""

    where: str
    size: int
    modified: float


@dataclass(frozen=True)
class ArtifactStore:
    """Files by digest, in a folder or in an object store.

    Attributes:
        url: a folder, or the URL of an object store such as `s3://bucket/prefix`.
        cache_dir: for a URL, the local folder that keeps downloaded objects; a folder needs none.
    """

    url: str
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        if "://" not in self.url:
            return
        if not is_remote(self.url):
            raise ConfigError(
                f"artifacts = {self.url!r} is neither a folder nor in an object store ({', '.join(PROTOCOLS)}); "
                "other places do not write a file whole or not at all"
            )
        if self.cache_dir is None:
            raise ConfigError(f"artifacts = {self.url!r}: an object store needs a local cache folder")

    @cached_property
    def _remote(self) -> ObjectStore | None:
        return object_store(self.url) if is_remote(self.url) else None

    @cached_property
    def folder(self) -> Path:
        """The local folder: the store itself, or the cache of a remote one."""
        return Path(self.url if self._remote is None else self.cache_dir or "").absolute()

    def scratch(self, suffix: str) -> Path:
        """Return a fresh path for `put`, on the file system of the objects. `suffix` is with or without its dot."""
        folder = self.folder / "tmp"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{os.getpid()}-{uuid.uuid4().hex}.{_checked_suffix(suffix)}"

    def put(self, path: Path, digest: str, suffix: str) -> str:
        """Move the file at `path` (from `scratch`) to its place, durably, and return that place.

        An equal object that is there is replaced in one step: this mends a damaged one, and renews its age, so that
        `firnflow clean` does not collect what a run is about to commit.

        Raises:
            StoreError: the disk is full, or the object store does not take the object; `path` is removed.
        """
        if not _DIGEST.fullmatch(digest):
            raise StoreError(f"{digest!r} is no SHA-256 digest in hexadecimal")
        where = f"objects/{digest[:2]}/{digest}.{_checked_suffix(suffix)}"
        target = self._path(where, inside=False)
        with writing(path):
            crash_point("artifact.written")
            sync(path)
            path.chmod(path.stat().st_mode & ~0o222)
            crash_point("artifact.synced")
            if self._remote is not None:
                self._remote.upload(path, where)
            _make_folder(target.parent)
            try:
                path.replace(target)
            except IsADirectoryError as error:
                raise StoreError(f"{target} is a folder, where an object belongs. Mend: remove it") from error
            sync(target.parent)
        crash_point("artifact.renamed")
        return where

    def local(self, where: str) -> Path:
        """Return a readable path of the object; a remote one is downloaded once.

        Raises:
            DamagedArtifactError: there is no such object.
        """
        path = self._path(where)
        if path.is_file():
            if self._remote is not None:
                _touch(path)
            return path
        if self._remote is None:
            raise _missing(where, self.url)
        self._download(self._remote, where, path)
        return path

    def exists(self, where: str) -> bool:
        """Return whether the object is in the store."""
        path = self._path(where)
        return path.is_file() if self._remote is None else self._remote.exists(where)

    def delete(self, where: str) -> None:
        """Remove the object, here and in the cache; one that is not there is no error."""
        self._path(where).unlink(missing_ok=True)
        if self._remote is not None:
            self._remote.delete(where)

    def modified(self, where: str) -> float | None:
        """Return when the object was written, in seconds since the epoch; None: it is not there."""
        path = self._path(where)
        try:
            return path.stat().st_mtime if self._remote is None else self._remote.describe(where).modified
        except FileNotFoundError:
            return None

    def drop_copy(self, where: str) -> bool:
        """Remove the local copy of a remote object, to be downloaded again; return whether there was one."""
        path = self._path(where)
        if self._remote is None or not path.is_file():
            return False
        path.unlink(missing_ok=True)
        return True

    def copies(self) -> Iterator[StoredObject]:
        """Yield the local copies of a remote store's objects, each with about when it was last used."""
        if self._remote is not None:
            yield from (each for each in self._local_objects() if _WHERE.fullmatch(each.where))

    def objects(self) -> Iterator[StoredObject]:
        """Yield every object of the store, in order of place; files that are no objects are left out."""
        if self._remote is None:
            found = self._local_objects()
        else:
            found = (StoredObject(each.name, each.size, each.modified) for each in self._remote.find("objects"))
        yield from (each for each in found if _WHERE.fullmatch(each.where))

    def address(self, where: str) -> str:
        """Return the object's path or URL, for people."""
        path = self._path(where)
        return str(path) if self._remote is None else f"{self.url.rstrip('/')}/{where}"

    def sweep_scratch(self, older_than: float) -> int:
        """Remove what killed processes left in `tmp/` and was not touched for `older_than` seconds; return how many."""
        limit = time.time() - older_than
        removed = 0
        for path in (self.folder / "tmp").glob("*"):
            with contextlib.suppress(OSError):  # another process may have removed it
                if path.lstat().st_mtime < limit and not _in_use(path.name):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                    removed += 1
        return removed

    def _path(self, where: str, *, inside: bool = True) -> Path:
        """Return the local path of a place, which must be one of ours; inside: and not be a link out of the folder."""
        path = self.folder / where
        real = path if inside else path.parent  # a link is replaced as what it is
        if not _WHERE.fullmatch(where) or not real.resolve().is_relative_to(self.folder.resolve()):
            raise DamagedArtifactError(
                f"{where!r} is no place in the artifact store {self.url}. "
                "Mend: `firnflow run` with --no-cache makes it anew"
            )
        return path

    def _download(self, remote: ObjectStore, where: str, path: Path) -> None:
        scratch = self.scratch("part")
        with writing(scratch):
            try:
                remote.download(where, scratch)
            except FileNotFoundError as error:
                raise _missing(where, self.url) from error
            sync(scratch)
            _make_folder(path.parent)
            scratch.replace(path)

    def _local_objects(self) -> Iterator[StoredObject]:
        for path in sorted((self.folder / "objects").glob("*/*")):
            with contextlib.suppress(FileNotFoundError):  # collected by another process
                status = path.stat()
                yield StoredObject(path.relative_to(self.folder).as_posix(), status.st_size, status.st_mtime)


def _touch(path: Path) -> None:
    """Note that a copy is in use, at most every few minutes."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _TOUCH:
            os.utime(path)


def settle(path: Path, target: Path) -> None:
    """Move a file to a place on the same file system, durably."""
    sync(path)
    _make_folder(target.parent)
    path.replace(target)
    sync(target.parent)


def _in_use(name: str) -> bool:
    """Return whether the process whose number stands in a scratch name (`PID-…`, `duckdb-PID-…`) lives here."""
    number = re.match(r"(?:duckdb-)?(\d+)-", name)
    return number is not None and Path(f"/proc/{number[1]}").exists()


def _checked_suffix(suffix: str) -> str:
    suffix = suffix.removeprefix(".")
    if not _SUFFIX.fullmatch(suffix):
        raise StoreError(f"{suffix!r} is no file suffix: small letters, digits and at most one inner dot")
    return suffix


def _missing(where: str, url: str) -> DamagedArtifactError:
    return DamagedArtifactError(
        f"{where} is not in the artifact store {url}. Mend: `firnflow run` with --no-cache makes it anew"
    )


def _make_folder(folder: Path) -> None:
    """Make the folder and its parents, each entry durable."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)
