"""Files as DVC keeps them by version: a path at a git revision, of this repository or another one.

DVC is called as a program. What it says of a file is the MD5 of its content, which stands for the content: nothing is
fetched before it is read.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow._disk import writing
from firnflow._text import nearest
from firnflow.errors import ConfigError, DamagedArtifactError, NotFoundError, StoreError
from firnflow.stores.sources import repository

if TYPE_CHECKING:
    from firnflow.project.catalog import Source

_GONE = "No storage files available"


class Kept(NamedTuple):
    """A file that DVC keeps.

    Attributes:
        path: in its repository.
        md5: of its content.
        size: bytes; None: DVC does not say.
    """

    path: str
    md5: str
    size: int | None


class _Place(NamedTuple):
    """Where a source is: a repository, a revision of it, and a path or pattern in it."""

    repository: str
    revision: str
    path: str


def is_kept(spec: Source) -> bool:
    """Return whether a source is a path at a revision."""
    return spec.path is not None and (spec.revision is not None or spec.repo is not None)


def kept(spec: Source, root: Path) -> list[Kept]:
    """Return the files of a source in order of name, as its revision has them; no content is fetched.

    Raises:
        ConfigError: there is no git repository, or no DVC in it.
        NotFoundError: there is no such revision, or no such file in it that DVC keeps.
        MissingExtraError: DVC is not installed.
    """
    place = _place(spec, root)
    try:
        found = _listed(*place)
    except StoreError as error:
        if "No such file" in str(error) or "does not exist" in str(error):
            found = ()
        else:
            raise _explained(error, spec, place) from error
    if not found:
        raise NotFoundError(f"{spec.name}: {_untracked(spec, place)}")
    return list(found)


def fetched(spec: Source, root: Path, scratch: Path) -> list[tuple[str, Path]]:
    """Return the files of a source, from DVC's cache or remote, in `scratch`: each as (how to show it, path).

    Raises:
        As `kept`; StoreError where the content of a file is neither in the cache nor in the remote;
        DamagedArtifactError where it is another than was tracked.
    """
    place, folder = _place(spec, root), scratch / "dvc"
    folder.mkdir()
    files = []
    for number, each in enumerate(kept(spec, root)):
        path = folder / f"{number}-{PurePosixPath(each.path).name}"
        version = ("--rev", place.revision) if place.revision else ()
        try:
            with writing(path):
                repository.dvc(scratch, ["get", *version, "-o", str(path), "--", place.repository, each.path])
        except StoreError as error:
            raise _explained(error, spec, place) from error
        _check_content(path, each, spec)
        files.append((f"{spec.revision}:{each.path}" if spec.revision else each.path, path))
    return files


def _check_content(path: Path, file: Kept, spec: Source) -> None:
    """Raise DamagedArtifactError where a file is not what its hash says: DVC believes its remote."""
    with path.open("rb") as opened:
        if hashlib.file_digest(opened, _md5).hexdigest() == file.md5:
            return
        opened.seek(0)
        old = _md5()
        for line in opened:
            old.update(line[:-2] + b"\n" if line.endswith(b"\r\n") else line)
    if old.hexdigest() != file.md5:  # DVC 2 took no notice of how lines end
        raise DamagedArtifactError(
            f"{spec.name}: what DVC has fetched as {file.path} is not what was tracked: its MD5 is not {file.md5}. "
            "Mend: dvc push again from where it was tracked"
        )


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _place(spec: Source, root: Path) -> _Place:
    text, revision = spec.path or "", spec.revision or ""
    if spec.repo is not None and _is_url(spec.repo):
        return _Place(spec.repo, revision, text)
    folder = root if spec.repo is None else root / os.path.expanduser(spec.repo)  # noqa: PTH111 - it may be relative
    top = repository.top_of(folder)
    within = folder.resolve() if spec.repo is None else top
    path = Path(os.path.normpath(within / text))
    if not path.is_relative_to(top):
        raise ConfigError(f"{spec.name}: {text} is outside the git repository {top}, so it has no revision")
    repository.check_dvc(path, top)
    commit = repository.commit_of(top, revision or "HEAD", spec.name)
    return _Place(str(top), commit, path.relative_to(top).as_posix())


def _is_url(text: str) -> bool:
    return "://" in text or re.match(r"[\w.-]+@[\w.-]+:", text) is not None


@functools.lru_cache(maxsize=256)
def _listed_at_commit(where: str, commit: str, path: str) -> tuple[Kept, ...]:
    return _asked(where, commit, path)


def _listed(where: str, revision: str, path: str) -> tuple[Kept, ...]:
    """Return the files that match; of a commit, which never changes, DVC is asked once."""
    if re.fullmatch(r"[0-9a-f]{40,64}", revision):
        return _listed_at_commit(where, revision, path)
    return _asked(where, revision, path)


def _asked(where: str, revision: str, path: str) -> tuple[Kept, ...]:
    from fsspec.utils import glob_translate

    folder = _fixed(path)
    version = ["--rev", revision] if revision else []
    options = ["-R", "--dvc-only", "--json", "--show-hash", "--size"]
    said = repository.dvc(Path("/"), ["list", *version, *options, "--", where, *([folder] if folder else [])])
    found = []
    wanted = re.compile(glob_translate(path)) if glob.has_magic(path) else None
    for each in json.loads(said):
        name = path if wanted is None else str(PurePosixPath(folder) / each["path"])
        if wanted is None and each["path"] != PurePosixPath(path).name:  # `path` is a folder
            continue
        if each["md5"] and (wanted is None or wanted.fullmatch(name)):
            found.append(Kept(name, each["md5"], each["size"]))
    return tuple(sorted(found))


def _fixed(path: str) -> str:
    """Return the path, or of a pattern the folder that all of its files are in."""
    parts = PurePosixPath(path).parts
    magic = next((number for number, part in enumerate(parts) if glob.has_magic(part)), None)
    return path if magic is None else str(PurePosixPath(*parts[:magic])).removeprefix(".")


def _untracked(spec: Source, place: _Place) -> str:
    """Return why there are no files: nothing at the revision that DVC keeps has such a name."""
    try:
        there = [each.path for each in _listed(place.repository, place.revision, "**")]
    except StoreError:
        there = []
    near = nearest(place.path, there)
    mend = "" if near else f" Mend: firnflow data track {spec.path}, and commit what it says"
    return f"DVC keeps no file {spec.path} at revision {spec.revision or 'HEAD'}.{near}{mend}"


def _explained(error: StoreError, spec: Source, place: _Place) -> StoreError:
    said = str(error).removeprefix("unexpected error - ")
    if _GONE in said or "failed to load directory" in said:
        return StoreError(
            f"{spec.name}: the content of {spec.path} at {spec.revision or 'HEAD'} is neither in DVC's cache nor in "
            "its remote. Mend: dvc push where it was tracked; here: dvc remote list"
        )
    return StoreError(f"{spec.name}: DVC cannot read {spec.path} of {place.repository}: {said}")
