"""Writing files: whole or not at all, on disks that may be full."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The error numbers of a disk or a quota that is used up."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Remove `path` when the block that writes it fails, and name a full disk as what it is.

    Raises:
        StoreError: the disk is full, or its quota is used up.
    """
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path) from error
        raise


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give the path of a new file that is at `path` when the block has made it, and for nobody before.

    A process that is killed leaves no half of it; of two who make it at once one has made it, and both find it.
    """
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as folder:
        new = Path(folder) / path.name
        yield new
        with contextlib.suppress(FileExistsError):  # somebody else was first
            os.link(new, path)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk: the system keeps what is written for a while."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error of the system, or DuckDB's words for one, say that a disk or a quota is used up."""
    if isinstance(error, OSError):
        return error.errno in DISK_FULL
    said = str(error) if type(error).__module__.startswith(("duckdb", "_duckdb")) else ""
    return "No space left" in said or "Disk quota exceeded" in said


def disk_full(path: Path) -> StoreError:
    """Return the error that says that the disk of `path` is full."""
    return StoreError(
        f"The disk of {path.parent} is full. Mend: free space (`firnflow clean` removes what no run needs) "
        "or set `artifacts` in firnflow.toml to a place with more"
    )
