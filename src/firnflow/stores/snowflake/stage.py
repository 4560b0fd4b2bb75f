"""A folder of a stage as an object store: PUT, GET, LIST and REMOVE, behind what `stores.remote.ObjectStore` has.

A file of a stage is there whole or not at all, as it is one object of the cloud's store, and is read as it was written
last. https://docs.snowflake.com/en/sql-reference/sql/put (files are moved in pieces, never held in memory),
https://docs.snowflake.com/en/sql-reference/sql/list (names begin with the stage's; a path is the beginning of names).
"""

from __future__ import annotations

import email.utils
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.errors import StoreError
from firnflow.project.account_url import read_account_url
from firnflow.stores.remote import ObjectStore, RemoteObject
from firnflow.stores.snowflake.names import full_name, literal
from firnflow.stores.snowflake.session import NO_FILE, session_at

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = re.compile(r"(?!\.)[\w=.-]+(/(?!\.)[\w=.-]+)*", re.ASCII)
"""What we write has such names; others would mean something else in a path, or in a pattern."""


@dataclass(frozen=True)
class StageStore(ObjectStore):
    """The files below a folder of a stage. Every method raises StoreError where the stage cannot be used."""

    @cached_property
    def _place(self) -> tuple[str, str]:
        """The stage's full name, and the folder in it."""
        section, path = read_account_url(self.url)
        if not path:
            raise StoreError(f"{self.url} names no stage. Mend: {self.url}/STAGE/folder")
        stage, *folder = path
        return full_name(stage, str(section.database), str(section.schema_)), "/".join(folder)

    def upload(self, path: Path, name: str) -> None:
        """Write the file at `path` as the object `name`, whole or not at all."""
        self._location(name)
        folder, _, base = name.rpartition("/")
        with tempfile.TemporaryDirectory(prefix="firnflow-") as link:  # PUT takes the name, and patterns, of the file
            source = Path(link) / base
            source.symlink_to(path.absolute())
            options = "AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = NONE OVERWRITE = TRUE"
            rows = self._send(f"PUT {literal(f'file://{source}')} {self._location(folder, or_below=True)} {options}")
        if [row.get("status") for row in rows] != ["UPLOADED"]:
            raise StoreError(f"{self.url} has not taken {name}: {rows}. Mend: the same command goes on")

    def write(self, content: bytes, name: str) -> None:
        """Write a small object, whole or not at all."""
        with tempfile.TemporaryDirectory(prefix="firnflow-") as folder:
            path = Path(folder) / "content"
            path.write_bytes(content)
            self.upload(path, name)

    def download(self, name: str, path: Path) -> None:
        """Write the object `name` to the file `path`. Raises FileNotFoundError where there is no such object."""
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as folder:
            base = name.rpartition("/")[2]
            self._send(f"GET {self._location(name)} {literal(f'file://{folder}/')} {_exactly(base)}")
            shutil.move(Path(folder) / base, path)

    def read(self, name: str) -> bytes:
        """Return the content of a small object. Raises FileNotFoundError where there is no such object."""
        with tempfile.TemporaryDirectory(prefix="firnflow-") as folder:
            path = Path(folder) / "content"
            self.download(name, path)
            return path.read_bytes()

    def describe(self, name: str) -> RemoteObject:
        """Return what the store says of an object. Raises FileNotFoundError where there is no such object."""
        found = [each for each in self._listed(name) if each.name == name]
        if not found:
            raise FileNotFoundError(name)
        return found[0]

    def exists(self, name: str) -> bool:
        """Return whether there is an object `name`."""
        return any(each.name == name for each in self._listed(name))

    def delete(self, name: str) -> None:
        """Remove the object `name`; one that is not there is no error."""
        self._send(f"REMOVE {self._location(name)} {_exactly(name.rpartition('/')[2])}")

    def find(self, prefix: str) -> list[RemoteObject]:
        """Return the objects below `prefix`, in order of name."""
        return sorted(self._listed(f"{prefix}/" if prefix else ""))

    def _listed(self, start: str) -> list[RemoteObject]:
        folder = f"/{self._place[1]}/" if self._place[1] else "/"
        rows = self._send(f"LIST {self._location(start, or_below=True)}", looks=True)
        return [_described(row["name"].partition(folder)[2], row) for row in rows]

    def _location(self, name: str, *, or_below: bool = False) -> str:
        """Return a path of the stage in SQL; or_below: it ends in a folder's `/`, or is the stage's folder itself."""
        if not (_NAME.fullmatch(name.removesuffix("/") if or_below else name) or (or_below and not name)):
            raise StoreError(f"{name!r} is no name of ours in {self.url}")
        stage, folder = self._place
        return literal(f"@{stage}/{folder}{'/' if folder else ''}{name}")

    def _send(self, text: str, *, looks: bool = False) -> Sequence[dict[str, Any]]:
        """Send a statement; looks: a stage that is not there has nothing in it."""
        here = session_at(self.url)
        try:
            return here.looked(text) if looks else here.send(text)
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) == NO_FILE:
                raise FileNotFoundError(text) from error
            mend = f". Mend: see that there is a stage {self._place[0]} which the role may READ and WRITE"
            mend = "" if "Mend: " in str(error) else mend
            raise StoreError(f"{self.url} cannot be used: {error}{mend}") from error


def _exactly(base: str) -> str:
    """Return the clause that leaves out files whose names only begin like one."""
    return f"PATTERN = {literal('.*' + re.escape(base))}"


def _described(name: str, row: dict[str, Any]) -> RemoteObject:
    written = email.utils.parsedate_to_datetime(str(row["last_modified"])).timestamp()
    return RemoteObject(name, int(row["size"]), written, str(row["md5"] or ""))
