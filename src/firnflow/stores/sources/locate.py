"""Finding the files of a source: paths, patterns, and objects to list and to download."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from firnflow._disk import writing
from firnflow._text import nearest
from firnflow.errors import ConfigError, DataError, NotFoundError, StoreError
from firnflow.stores.remote import PROTOCOLS, ObjectStore, RemoteObject
from firnflow.stores.sources import dvc

if TYPE_CHECKING:
    from firnflow.project.catalog import Source


class SourceFile(NamedTuple):
    """One file or object of a source, as a listing tells of it.

    Attributes:
        shown: how to show it.
        size: bytes.
        modified: when it was written, in seconds since 1970; 0: nobody says.
        tag: what changes with its content, where the store has such a tag; else "".
    """

    shown: str
    size: int
    modified: float
    tag: str


def listed(spec: Source, root: Path) -> list[SourceFile]:
    """Return the files or objects of a source that is no query, in order of name; no content is read or fetched.

    Raises:
        NotFoundError: there are none.
        DataError: what is there is no file, or may not be read.
        StoreError: the store cannot be reached, or refuses.
    """
    if dvc.is_kept(spec):
        return [SourceFile(each.path, each.size or 0, 0.0, each.md5) for each in dvc.kept(spec, root)]
    if spec.path is not None:
        found = [(shown, path.stat()) for shown, path in local_files(spec, root)]
        return [SourceFile(shown, status.st_size, status.st_mtime, "") for shown, status in found]
    store, objects = remote_objects(spec)
    return [SourceFile(f"{store.url}/{each.name}", each.size, each.modified, each.etag) for each in objects]


def local_files(spec: Source, root: Path) -> list[tuple[str, Path]]:
    """Return the files of `spec.path` in order of name, each as (how to show it, path).

    Raises:
        NotFoundError: there is no such file, or none that the pattern matches.
        DataError: it is a folder, or no regular file.
    """
    text = os.path.expanduser(spec.path or "")  # noqa: PTH111 - a pattern is no path
    whole = root / text
    if os.path.exists(whole) or not glob.has_magic(text):  # noqa: PTH110 - Path.exists() raises for a name that is too long
        found = [whole]
    else:
        found = [Path(name) for name in sorted(glob.glob(str(whole), recursive=True)) if Path(name).is_file()]  # noqa: PTH207
        if not found:
            raise NotFoundError(f"{spec.name}: no file matches {whole}")
    return [(_shown(path, root), _checked(path, spec)) for path in found]


def remote_objects(spec: Source) -> tuple[ObjectStore, list[RemoteObject]]:
    """Return the store (a bucket) and the objects of `spec.url` in order of name.

    Raises:
        NotFoundError: there are none.
        StoreError: there is no such bucket, or it refuses.
        ConfigError: the URL is of no object store.
    """
    store, pattern = _bucket(spec)
    if "*" not in pattern:  # `?` and `[` may be meant as they stand
        with contextlib.suppress(FileNotFoundError):
            return store, [store.describe(pattern)]
    found = store.matching(pattern) if glob.has_magic(pattern) else []
    if not found:
        shown = spec.url.reference if spec.url else ""
        if not store.exists(""):
            raise StoreError(
                f"{spec.name}: there is no bucket for {shown}, or these credentials may not see it. "
                "Mend: `url` in catalog.toml"
            )
        raise NotFoundError(f"{spec.name}: {_missing(store, pattern, shown)}")
    return store, found


def _bucket(spec: Source) -> tuple[ObjectStore, str]:
    """Return the bucket of a source, and the name or pattern of its objects there."""
    url = spec.url.reveal() if spec.url is not None else ""
    protocol, _, place = url.partition("://")
    bucket, _, pattern = place.partition("/")
    if protocol not in PROTOCOLS or not bucket or not pattern:
        raise ConfigError(f"{spec.name}: the URL is of no object in a store that is known: {', '.join(PROTOCOLS)}")
    return ObjectStore(f"{protocol}://{bucket}"), pattern


def _missing(store: ObjectStore, pattern: str, shown: str) -> str:
    """Return why there are no objects: none matches, it is a folder, or one of another name is meant."""
    folder, _, name = pattern.rpartition("/")
    if glob.has_magic(pattern):
        return f"no object matches {shown}"
    if store.exists(pattern):
        return f"{shown} is a folder. Mend: name its objects with a pattern, e.g. {name or folder}/*.csv"
    siblings = [each.name.rpartition("/")[2] for each in store.matching(f"{folder}/*" if folder else "*")]
    return f"there is no object {shown}.{nearest(name, siblings)}"


def downloaded(spec: Source, scratch: Path) -> list[tuple[str, Path]]:
    """Return the objects of `spec.url` as local files in `scratch`, each as (how to show it, path).

    Raises:
        As `remote_objects`; DataError where an object is deleted meanwhile.
    """
    store, objects = remote_objects(spec)
    files = []
    for number, found in enumerate(objects):
        path = scratch / f"object-{number}"
        shown = f"{store.url}/{found.name}"
        try:
            with writing(path):
                store.download(found.name, path)
        except FileNotFoundError:
            raise DataError(f"{spec.name}: {shown} was deleted while it was read. Mend: run again") from None
        files.append((shown, path))
    return files


def check_readable(spec: Source, file: SourceFile) -> None:
    """Ask for the head of an object: who may list a bucket need not be allowed to read. Raises as `remote_objects`."""
    store, _ = _bucket(spec)
    try:
        store.describe(file.shown.removeprefix(f"{store.url}/"))
    except FileNotFoundError:
        raise NotFoundError(f"{spec.name}: {file.shown} was just deleted. Mend: look again") from None


def digest_of_files(files: list[tuple[str, Path]]) -> str:
    """Return the SHA-256 over the names and bytes of files, each read in pieces."""
    whole = hashlib.sha256()
    for shown, path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{Path(shown).name}\0{content}\0".encode())
    return whole.hexdigest()


def _checked(path: Path, spec: Source) -> Path:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise NotFoundError(f"{spec.name}: there is no file {path}.{nearest(path.name, siblings)}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{spec.name}: {path} cannot be read: {reason}") from error
    if stat.S_ISDIR(mode):
        raise DataError(f"{spec.name}: {path} is a folder. Mend: name its files with a pattern, e.g. {path.name}/*.csv")
    if not stat.S_ISREG(mode):
        raise DataError(f"{spec.name}: {path} is no regular file")
    if not os.access(path, os.R_OK):
        raise DataError(f"{spec.name}: {path} may not be read by this user")
    return path


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
