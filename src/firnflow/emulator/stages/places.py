"""Where the files of stages lie: a folder each, below the account's; no name and no path leads out of it.

Places: https://docs.snowflake.com/en/user-guide/querying-stage
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.objects import relations
from firnflow.targets.snowflake.grammar.values import Location, Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session


URI_PLACES: dict[str, Callable[[Session, str], Place]] = {}
"""What finds the place of `snow://KIND/…`, by kind."""


class File(NamedTuple):
    """A file of a stage.

    Attributes:
        path: on this machine.
        name: below the stage.
        shown: as LIST says it.
    """

    path: Path
    name: str
    shown: str

    def row(self) -> tuple[str, int, str, str]:
        """Return what LIST says of it: name, bytes, MD5, when it was written."""
        digest = hashlib.md5(self.path.read_bytes(), usedforsecurity=False).hexdigest()
        there = self.path.stat()
        return self.shown, there.st_size, digest, formatdate(there.st_mtime, usegmt=True)


@dataclass(frozen=True)
class Place:
    """A place in a stage.

    Attributes:
        folder: of the stage.
        path: below it: the beginning of names, not only a folder's.
        prefix: what stands before names in lists.
        stage: the stage's full name; () for one of a user or table.
    """

    folder: Path
    path: str
    prefix: str
    stage: FullName = ()

    def files(self, pattern: str | None = None) -> list[File]:
        """Return the files here, by name.

        Args:
            pattern: a regular expression that the whole name matches.
        """
        found = []
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and self._holds(name) and (pattern is None or _matches(pattern, name)):
                found.append(File(path, name, self.prefix + name))
        return found

    def _holds(self, name: str) -> bool:
        """Return whether a file is here: at the path, below it, or named so far, as the path is no folder there."""
        return name.startswith(self.path)

    def inside(self, *parts: str) -> Path:
        """Return the place of a file or folder below this one.

        Raises:
            SnowflakeError: it would lie outside of the stage.
        """
        found = self.folder.joinpath(self.path, *parts)
        if not found.resolve().is_relative_to(self.folder.resolve()):
            raise errors.invalid(f"Invalid path '{'/'.join((self.path, *parts))}': it leads out of the stage")
        return found


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error as error:
        raise errors.invalid(f"Invalid regular expression '{pattern}': {error}") from None


def folder(account: Account, path: FullName) -> Path:
    """Return the folder of a stage, or of all stages of a database or schema."""
    found = account.files
    for part in path:
        safe = quote(part, safe=" ").replace(".", "%2E")
        found /= safe if len(safe) < 200 else hashlib.sha256(part.encode()).hexdigest()
    return found


def _of_uri(session: Session, uri: str) -> Place:
    """Return the place that `snow://…` names."""
    known = next((find for kind, find in URI_PLACES.items() if uri.lower().startswith(f"snow://{kind}/")), None)
    if known is None:
        raise errors.unknown(uri, ["@stage/path", *(f"snow://{kind}/" for kind in URI_PLACES)])
    return known(session, uri)


def place(session: Session, where: Location | Uri, *privileges: str) -> Place:
    """Return a place in a stage on which the session has one of the privileges.

    Raises:
        SnowflakeError: there is no such stage, or it may not use it so.
    """
    if not isinstance(where, Location):
        return _of_uri(session, where.text)
    path = str(PurePosixPath(where.path)) if where.path else ""
    path += "/" if where.path.endswith("/") and path else ""
    if ".." in PurePosixPath(path).parts or path.startswith("/"):
        raise errors.invalid(f"Invalid path '{where.path}': it leads out of the stage")
    account = session.account
    if where.of == "~" or where.stage is None:
        found = Place(account.files / "~" / quote(session.user, safe=""), path, "")
    elif where.of == "%":
        table = session.path("TABLE", where.stage.parts)
        relations.need(session, table)
        found = Place(folder(account, (*table[:2], f"%{table[2]}")), path, "")
    else:
        name = session.path("STAGE", where.stage.parts)
        stage = session.account.catalog.get("STAGE", name)
        if stage is None or stage.body.get("session") not in (None, session.token):
            raise errors.missing("STAGE", full(name))
        session.need("STAGE", name, *privileges)
        found = Place(folder(account, name), path, f"{name[2].lower()}/", name)
    found.folder.mkdir(parents=True, exist_ok=True)
    return found
