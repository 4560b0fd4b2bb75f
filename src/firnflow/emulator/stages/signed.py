"""Addresses by which a file can be read for a while without logging in.

https://docs.snowflake.com/en/sql-reference/functions/get_presigned_url
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from firnflow.emulator import errors
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import function
from firnflow.emulator.stages.places import place

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.session import Session

_LONGEST = 604_800


class Signed:
    """The addresses of an account: as long as its server runs."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Path, float]] = {}

    def add(self, path: Path, seconds: float) -> str:
        """Return a word by which a file is found for some seconds."""
        word = secrets.token_urlsafe(24)
        self._found = {each: held for each, held in self._found.items() if held[1] > time.time()}
        self._found[word] = (path, time.time() + seconds)
        return word

    def get(self, word: str) -> Path | None:
        """Return the file of a word; None: there is none, or its time is over."""
        path, until = self._found.get(word, (None, 0.0))
        return path if until > time.time() else None


@function("GET_PRESIGNED_URL")
def _get_presigned_url(session: Session, where: str, file: str, seconds: int = 3600) -> str:
    path = place(session, Reader(where.rstrip("/") + "/").location(), "READ", "USAGE").inside(file)
    if not path.is_file():
        raise errors.SnowflakeError(253006, "22000", f"Remote file '{file}' was not found.")
    if not 0 < seconds <= _LONGEST:
        raise errors.invalid(f"Invalid value [{seconds}] for parameter 'expiration_time': 1 to {_LONGEST} seconds")
    return f"http://127.0.0.1:{session.account.port}/files/{session.account.signed.add(path, seconds)}"
