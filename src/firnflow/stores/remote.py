"""Object stores by URL, through fsspec: what the artifact store and the sources need of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow._disk import DISK_FULL
from firnflow.errors import MissingExtraError, StoreError
from firnflow.project.account_url import is_account_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROTOCOLS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
"""Protocols whose stores write a whole object or nothing → their library."""
_EXTRAS = {"s3fs": "s3"}
"""Library → the extra that brings it; the others are not tested, and have none."""


class RemoteObject(NamedTuple):
    """One object of a store.

    Attributes:
        name: its name below the store's URL.
        size: bytes.
        modified: when it was written, in seconds since the epoch.
        etag: the tag that changes with its content, "" where the store has none.
    """

    name: str
    size: int
    modified: float
    etag: str


def is_remote(url: str) -> bool:
    """Return whether `url` is a URL of an object store, or of a stage of Snowflake's, and not a path."""
    return (url.partition("://")[0] in PROTOCOLS and "://" in url) or is_account_url(url)


def object_store(url: str) -> ObjectStore:
    """Return what reads and writes the objects below a URL."""
    if not is_account_url(url):
        return ObjectStore(url)
    from firnflow.stores.snowflake.stage import StageStore

    return StageStore(url)


@dataclass(frozen=True)
class ObjectStore:
    """The objects below a URL. Every method raises StoreError where the store cannot be used."""

    url: str

    @cached_property
    def _filesystem(self) -> tuple[Any, str]:
        """The fsspec file system and the root in it; made in the process that uses it, after any fork."""
        import fsspec

        protocol = self.url.partition("://")[0]
        try:
            filesystem, root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            library = PROTOCOLS[protocol]
            raise MissingExtraError(library, _EXTRAS.get(library, "")) from error
        return filesystem, root.rstrip("/")

    def upload(self, path: Path, name: str) -> None:
        """Write the file at `path` as the object `name`, whole or not at all."""
        try:
            with self._reaching() as (filesystem, root):
                filesystem.put_file(str(path), f"{root}/{name}")
        except FileNotFoundError as error:  # what s3fs raises where there is no such bucket
            raise self._unusable(error) from error

    def write(self, content: bytes, name: str) -> None:
        """Write a small object, whole or not at all."""
        with self._reaching() as (filesystem, root):
            filesystem.pipe_file(f"{root}/{name}", content)

    def download(self, name: str, path: Path) -> None:
        """Write the object `name` to the file `path`. Raises FileNotFoundError where there is no such object."""
        with self._reaching() as (filesystem, root):
            filesystem.get_file(f"{root}/{name}", str(path))

    def read(self, name: str) -> bytes:
        """Return the content of a small object. Raises FileNotFoundError where there is no such object."""
        with self._reaching() as (filesystem, root):
            content: bytes = filesystem.cat_file(f"{root}/{name}")
            return content

    def describe(self, name: str) -> RemoteObject:
        """Return what the store says of an object. Raises FileNotFoundError where there is no such object."""
        with self._reaching() as (filesystem, root):
            filesystem.invalidate_cache()
            info = filesystem.info(f"{root}/{name}")
            if info.get("type") == "directory":  # names begin like this; an object it is not
                raise FileNotFoundError(name)
            return _described(name, info)

    def exists(self, name: str) -> bool:
        """Return whether there is an object `name`, asking the store and no cache."""
        with self._reaching() as (filesystem, root):
            filesystem.invalidate_cache()
            return bool(filesystem.exists(f"{root}/{name}"))

    def delete(self, name: str) -> None:
        """Remove the object `name`; one that is not there is no error."""
        with self._reaching() as (filesystem, root), contextlib.suppress(FileNotFoundError):
            filesystem.rm_file(f"{root}/{name}")

    def find(self, prefix: str) -> list[RemoteObject]:
        """Return the objects below `prefix`, in order of name."""
        with self._reaching() as (filesystem, root):
            filesystem.invalidate_cache()
            found: dict[str, Any] = filesystem.find(f"{root}/{prefix}", detail=True)
            return [_described(name.removeprefix(root).lstrip("/"), info) for name, info in sorted(found.items())]

    def matching(self, pattern: str) -> list[RemoteObject]:
        """Return the objects whose names match a pattern (`data/*.csv`), in order of name."""
        with self._reaching() as (filesystem, root):
            filesystem.invalidate_cache()
            found: dict[str, Any] = filesystem.glob(f"{root}/{pattern}", detail=True)
            files = ((name, info) for name, info in sorted(found.items()) if info["type"] == "file")
            return [_described(name.removeprefix(root).lstrip("/"), info) for name, info in files]

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[tuple[Any, str]]:
        """Give the file system; turn what its library raises into a StoreError, but not a missing object."""
        try:
            yield self._filesystem
        except (FileNotFoundError, StoreError, MissingExtraError):
            raise
        except Exception as error:  # each library has a tree of its own
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self.url} cannot be used: {type(error).__name__}: {str(error).rstrip('.')}. Mend: check the URL, and "
            "the credentials in the environment (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL)"
        )


def _described(name: str, info: dict[str, Any]) -> RemoteObject:
    tag = str(info.get("ETag") or info.get("etag") or "").strip('"')  # quoted in one answer, and not in another
    return RemoteObject(name, int(info["size"]), _modified(info), tag)


def _modified(info: dict[str, Any]) -> float:
    """Return when an object was written, by the names that the stores' libraries give it; 0 where none says."""
    for key in ("LastModified", "last_modified", "updated", "mtime"):
        value = info.get(key)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return 0.0
