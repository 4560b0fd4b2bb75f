"""Finding the files of a source: paths, patterns, and objects to download."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow._disk import writing
from firnflow._text import nearest
from firnflow.errors import ConfigError, DataError, NotFoundError
from firnflow.stores.remote import PROTOCOLS, ObjectStore, RemoteObject, is_remote

if TYPE_CHECKING:
    from firnflow.project.catalog import Source


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
        ConfigError: the URL is of no object store.
    """
    url = spec.url.reveal() if spec.url is not None else ""
    protocol, _, place = url.partition("://")
    bucket, _, pattern = place.partition("/")
    if not is_remote(url) or not bucket or not pattern:
        raise ConfigError(f"{spec.name}: the URL is of no object in a store that is known: {', '.join(PROTOCOLS)}")
    store = ObjectStore(f"{protocol}://{bucket}")
    try:
        found = [each for each in store.matching(pattern) if each.size]
    except FileNotFoundError:  # there is no such bucket
        found = []
    if not found:
        raise NotFoundError(f"{spec.name}: there is no object {spec.url.reference if spec.url else ''}, or it is empty")
    return store, found


def downloaded(spec: Source, scratch: Path) -> list[tuple[str, Path]]:
    """Return the objects of `spec.url` as local files in `scratch`, each as (how to show it, path)."""
    store, objects = remote_objects(spec)
    files = []
    for number, found in enumerate(objects):
        path = scratch / f"object-{number}"
        with writing(path):
            store.download(found.name, path)
        files.append((f"{store.url}/{found.name}", path))
    return files


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
