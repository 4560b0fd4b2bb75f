"""How pyiceberg reads and writes manifests and metadata here: durably, as everything that a commit refers to.

pyiceberg's own ways do not wait for the disk: after a power cut the catalog could name a file that is not there.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from firnflow._disk import sync, writing
from firnflow.stores.artifacts import settle
from firnflow.stores.remote import is_remote, object_store

if TYPE_CHECKING:
    from types import TracebackType

IMPLEMENTATION = f"{__name__}.DurableIO"
"""What pyiceberg is told to use."""
ROOT = "firnflow.root"
FOLDER = "tables"
"""The folder in the artifact store that has the metadata of the tables."""


class DurableIO(FileIO):  # type: ignore[misc] # pyiceberg is not followed
    """Files by absolute path, objects by URL.

    Iceberg writes absolute paths down. Those of tables are looked for in the artifact store as it stands now, which may
    have been moved, or copied: the property `ROOT` says where that is.
    """

    def here(self, location: str) -> str:
        """Return where a file of a table's metadata is now."""
        root = str(self.properties.get(ROOT, ""))
        _, mark, name = location.rpartition(f"/{FOLDER}/")
        return f"{root}/{FOLDER}/{name}" if root and mark and not is_remote(root) else location

    def new_input(self, location: str) -> InputFile:
        """Return a file to read."""
        return _Input(self.here(location))

    def new_output(self, location: str) -> OutputFile:
        """Return a file to write."""
        return _Output(self.here(location))

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Remove a file; one that is not there is no error."""
        place = self.here(location) if isinstance(location, str) else location.location
        if is_remote(place):
            store, name = _split(place)
            store.delete(name)
        else:
            Path(place).unlink(missing_ok=True)


class _Input(InputFile):  # type: ignore[misc] # likewise
    def __len__(self) -> int:
        store, name = _split(self.location)
        return store.describe(name).size if store is not None else Path(self.location).stat().st_size

    def exists(self) -> bool:
        store, name = _split(self.location)
        return store.exists(name) if store is not None else Path(self.location).is_file()

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 - pyiceberg's signature
        store, name = _split(self.location)
        return cast("InputStream", BytesIO(store.read(name)) if store is not None else Path(self.location).open("rb"))


class _Output(OutputFile):  # type: ignore[misc] # likewise
    def __len__(self) -> int:
        return len(_Input(self.location))

    def exists(self) -> bool:
        return _Input(self.location).exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return cast("OutputStream", _Stream(self.location))


class _Stream(BytesIO):
    """What is written is held, and put into its place when it is closed: it is small."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self._location = location

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            super().close()
        self.close()

    def close(self) -> None:
        if not self.closed:
            _put(self._location, self.getvalue())
        super().close()


def _put(location: str, content: bytes) -> None:
    store, name = _split(location)
    if store is not None:
        store.write(content, name)
        return
    path = Path(location)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(part):
        part.write_bytes(content)
        settle(part, path)
    sync(path.parent.parent)


def _split(location: str) -> tuple[Any, str]:
    """Return the object store and the object's name; of a path None."""
    if not is_remote(location):
        return None, location
    folder, _, name = location.rpartition("/")
    return object_store(folder), name
