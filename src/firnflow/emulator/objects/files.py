"""Where the files of stages lie: a folder each, below the account's."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import FullName


def folder(account: Account, path: FullName) -> Path:
    """Return the folder of a stage, or of all stages of a database or schema; no name leads out of it."""
    found = account.files
    for part in path:
        found /= quote(part, safe=" ").replace(".", "%2E")[:200]
    return found
