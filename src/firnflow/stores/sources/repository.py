"""Git repositories with DVC in them: where they are, their revisions, and how both programs are called."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from firnflow._text import nearest
from firnflow.errors import ConfigError, MissingExtraError, NotFoundError, StoreError
from firnflow.project.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_QUIET = {"DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0", "CI": "1", "LC_ALL": "C"}
"""Nothing is reported to anybody, nothing is asked for, no newer version is looked for; messages are in English."""


def git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it refuses. Raises ConfigError where it is not installed."""
    try:
        done = _run(["git", "-C", str(folder), *arguments])
    except FileNotFoundError:
        raise ConfigError("git is not installed. Mend: install git; sources by revision need it") from None
    return done.stdout.strip() if done.returncode == 0 else None


def dvc(folder: Path, arguments: Sequence[str]) -> str:
    """Return what DVC prints.

    Raises:
        MissingExtraError: it is not installed.
        StoreError: it refuses; says why in its words.
    """
    if importlib.util.find_spec("dvc") is None:
        raise MissingExtraError("dvc", "dvc")
    with tempfile.TemporaryDirectory(prefix="firnflow-dvc-") as scratch:  # DVC leaves a clone that fails behind
        done = _run([sys.executable, "-m", "dvc", *arguments], folder, {"TMPDIR": scratch})
    if done.returncode != 0:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise StoreError(redact(said[0] if said else done.stderr.strip()[-500:]))
    return done.stdout


def top_of(folder: Path) -> Path:
    """Return the top of the git repository that a folder is in. Raises ConfigError where it is in none."""
    top = git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        raise ConfigError(f"{folder} is in no git repository. Mend: git init, then dvc init")
    return Path(top)


def check_dvc(folder: Path, top: Path) -> None:
    """Raise ConfigError where neither a folder nor one above it, up to the top, has been set up for DVC."""
    if not any((each / ".dvc").is_dir() for each in (folder, *folder.parents) if each.is_relative_to(top)):
        raise ConfigError(f"{top} is not set up for DVC. Mend: dvc init, then git commit -m 'Set up DVC'")


def commit_of(top: Path, revision: str, whose: str) -> str:
    """Return the commit that a tag, branch or commit stands for. Raises NotFoundError where there is none."""
    found = git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found is not None and _COMMIT.fullmatch(found):
        return found
    names = (git(top, "for-each-ref", "--format=%(refname:short)", "refs/tags", "refs/heads") or "").split()
    known = f" It has: {', '.join(sorted(names)[:12])}" if names else " It has no commit yet"
    raise NotFoundError(f"{whose}: there is no revision {revision!r} in {top}.{nearest(revision, names) or known}")


def _run(
    command: list[str], folder: Path | None = None, more: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    # A git hook sets GIT_DIR and the like, which would lead git to the hook's repository whatever the folder is.
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("GIT_") or "SSH" in name}
    return subprocess.run(  # noqa: S603 - a list of arguments, no shell
        command,
        cwd=folder,
        env={**inherited, **_QUIET, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
