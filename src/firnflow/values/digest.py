"""SHA-256 of files and texts, and the check that a file is what was committed."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from typing import TYPE_CHECKING

from firnflow.errors import DamagedArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.values.ref import Ref

MEND = "Mend: `firnflow run` with --no-cache makes it anew"


def of_bytes(content: bytes) -> str:
    """Return the hex SHA-256."""
    return hashlib.sha256(content).hexdigest()


def of_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def while_written(path: Path) -> Iterator[Callable[[], str]]:
    """Hash a file in a thread while the block appends to it; afterwards the yielded function returns the hex SHA-256.

    The file must be there, and only ever grow.
    """
    sha, complete = hashlib.sha256(), threading.Event()

    def follow() -> None:
        buffer = memoryview(bytearray(1 << 20))
        with path.open("rb", buffering=0) as file:
            while True:
                last = complete.is_set()
                count = file.readinto(buffer)
                if count:
                    sha.update(buffer[:count])
                elif last:
                    return
                else:
                    complete.wait(0.005)

    follower = threading.Thread(target=follow, name="sha256", daemon=True)
    follower.start()
    try:
        yield sha.hexdigest
    finally:
        complete.set()
        follower.join()


def verify_bytes(path: Path, ref: Ref, content: str | None = None) -> None:
    """Raise DamagedArtifactError where size or digest of the file are not those of the ref.

    Args:
        path: the file.
        ref: what was committed.
        content: the hex SHA-256 of the bytes, where that is not the ref's digest.
    """
    size = path.stat().st_size
    if size != ref.size:
        raise DamagedArtifactError(f"{ref.where} has {size} bytes, but {ref.size} were committed. {MEND}")
    if of_file(path) != (content or ref.digest):
        raise DamagedArtifactError(f"{ref.where} is not what was committed: its SHA-256 differs. {MEND}")


def damaged(ref: Ref, why: object) -> DamagedArtifactError:
    """Return the error for a stored value that cannot be read."""
    place = ref.where or f"the {ref.kind} value {ref.digest[:12]}"
    return DamagedArtifactError(f"{place} cannot be read as {ref.type}: {why}. {MEND}")
