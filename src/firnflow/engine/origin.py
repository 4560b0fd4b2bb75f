"""Where a run comes from: who, on what machine, which commit of the code, which versions."""

from __future__ import annotations

import contextlib
import getpass
import platform
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import firnflow

if TYPE_CHECKING:
    from pathlib import Path

_GIT_SECONDS = 5


def describe(root: Path) -> dict[str, Any]:
    """Return user, host, git commit (with `+` for uncommitted changes; None outside a checkout) and versions."""
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if commit and _git(root, "status", "--porcelain", "--untracked-files=no", "--", "."):
        commit += "+"
    return {
        **who(),
        "commit": commit or None,
        "python": platform.python_version(),
        "firnflow": firnflow.__version__,
    }


def who() -> dict[str, str | None]:
    """Return user and host."""
    user = None
    with contextlib.suppress(KeyError, OSError):
        user = getpass.getuser()
    return {"user": user, "host": socket.gethostname()}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no word of it comes from outside
            command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
