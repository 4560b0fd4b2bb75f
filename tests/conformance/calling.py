"""Calls of the command line, each a process, as people make them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def firnflow(folder: Path, *arguments: str, code: int = 0, variables: Mapping[str, str] | None = None) -> str:
    """Call `firnflow` in a folder and return what it prints; fail with what it says where it ends otherwise."""
    done = subprocess.run(
        [sys.executable, "-m", "firnflow", *arguments],
        cwd=folder,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, f"firnflow {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout
