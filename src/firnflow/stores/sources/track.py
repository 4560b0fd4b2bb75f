"""Putting a file or folder under DVC: its content goes to DVC's cache, what git keeps of it is staged."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from firnflow._text import nearest
from firnflow.errors import ConfigError, NotFoundError, StoreError, UsageError
from firnflow.stores.sources import repository


@dataclass(frozen=True)
class Tracked:
    """What was tracked.

    Attributes:
        path: the file or folder, relative to the top of its repository.
        staged: the files that git has staged now, relative to the top; none: its content was tracked already.
    """

    path: str
    staged: tuple[str, ...]


def track(place: Path) -> Tracked:
    """Add a file or folder to DVC, and stage what git is to keep of it.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it is in no git repository, or that is not set up for DVC.
        UsageError: git keeps the file itself.
        MissingExtraError: DVC is not installed.
        StoreError: DVC cannot add it; says why.
    """
    if not place.exists():
        siblings = [each.name for each in place.parent.iterdir()] if place.parent.is_dir() else []
        raise NotFoundError(f"there is no file {place}.{nearest(place.name, siblings)}")
    folder = place.parent.resolve()
    top = repository.top_of(folder)
    repository.check_dvc(folder, top)
    path = Path(os.path.relpath(folder / place.name, top))
    if place.is_symlink():
        raise UsageError(f"{path} is a link. Mend: track what it leads to")
    if repository.git(top, "ls-files", "--error-unmatch", "--", str(path)):
        raise UsageError(
            f"git keeps {path} itself. Mend: git rm -r --cached '{path}', then git commit -m 'Stop tracking {path}', "
            "then this again"
        )
    _add(top, folder, place.name)
    mine = [f"{path}.dvc", str(path.parent / ".gitignore")]
    there = [each for each in mine if (top / each).exists()]
    if repository.git(top, "add", "--", *there) is None:
        raise StoreError(f"git cannot stage {', '.join(there)}. Mend: git status")
    staged = repository.git(top, "diff", "--cached", "--name-only", "-z", "--", *there) or ""
    return Tracked(str(path), tuple(filter(None, staged.split("\0"))))


def _add(top: Path, folder: Path, name: str) -> None:
    try:
        repository.dvc(folder, ["add", f"./{name}"])
    except StoreError as error:
        if "is git-ignored" in str(error):
            raise ConfigError(
                f"git ignores {name}.dvc in {folder}, so no version of it could be kept. Mend: .gitignore in {top}"
            ) from error
        raise StoreError(f"DVC cannot add {name}: {error}") from error
