"""How a run begins: its row, with where it comes from: who, on what machine, which commit, which versions."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import platform
import re
import secrets
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import firnflow
from firnflow.errors import UsageError
from firnflow.status import RunStatus
from firnflow.stores.state import Run

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.engine.request import RunRequest
    from firnflow.graph.model import Graph
    from firnflow.project import Project

_GIT_SECONDS = 5
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}")


def written(graph: Graph) -> tuple[str, str]:
    """Return digest and JSON of a graph, as the state keeps them."""
    text = graph.model_dump_json()
    return hashlib.sha256(text.encode()).hexdigest(), text


def new_run(
    project: Project,
    request: RunRequest,
    run_id: str,
    graph: str,
    params: dict[str, Any],
    owner: str,
    lease_until: float,
) -> Run:
    """Return the row of a run that begins now.

    Args:
        project: whose environment and origin it has.
        request: what was asked for.
        run_id: its id.
        graph: the digest of its graph.
        params: its parameters as JSON.
        owner: who holds it.
        lease_until: how long, in seconds since 1970.
    """
    return Run(
        id=run_id,
        pipeline=request.pipeline,
        environment=project.settings.environment,
        status=RunStatus.RUNNING,
        graph=graph,
        params=params,
        request=request.to_json(),
        origin=describe(project.root),
        owner=owner,
        epoch=1,
        lease_until=lease_until,
        cancel_requested=0,
        started_at=time.time(),
        ended_at=None,
        error=None,
        partition=request.partition,
    )


def new_id(pipeline: str, moment: float, chance: int = 2) -> str:
    """Return an id for a run of a pipeline.

    Args:
        pipeline: its name.
        moment: when it is due, or begins, in seconds since 1970.
        chance: how many bytes tell it from others of that second.
    """
    stamp = time.strftime("%y%m%d-%H%M%S", time.gmtime(moment))
    return f"{pipeline[:40].lower()}-{stamp}-{secrets.token_hex(chance)}"


def check_id(run_id: str, option: str) -> str:
    """Return the id that somebody has chosen for a run. Raises UsageError where it could not stand in a path."""
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(f"{option} {run_id!r} is no id of a run: letters, digits and `_.:+-`, at most 80")
    return run_id


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
