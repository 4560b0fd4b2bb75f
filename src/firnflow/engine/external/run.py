"""Runs whose tasks another scheduler starts, one process each: who holds such a run.

Between two tasks there is no process that could hold it. So the run belongs to `EXTERNAL`, whichever process makes its
row; each process that executes a task of it joins under the same owner and the same epoch, and any number may work on
it at once. While one works it renews the lease to `PATIENCE` seconds ahead; a run on which nobody has worked for that
long has crashed. The task `finalizer` ends the run. A failed, crashed or succeeded run goes on with the next call: the
scheduler must have cleared a task. A cancelled one does not. A run that a local process holds cannot be joined.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from typing import TYPE_CHECKING, Any

from firnflow.engine import origin
from firnflow.engine.request import RunRequest
from firnflow.errors import NotFoundError, RunCancelledError, RunConflictError, UsageError
from firnflow.status import RunStatus
from firnflow.stores.state import Run

if TYPE_CHECKING:
    from firnflow.graph.model import Graph
    from firnflow.project import Project
    from firnflow.stores.state import State

EXTERNAL = "outside"
"""The owner of a run that no process holds."""
PATIENCE = 86_400.0
"""Seconds that may pass between two tasks of such a run."""
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}")


def find(state: State, run_id: str) -> Run | None:
    """Return the run of exactly this id, or None.

    Raises:
        UsageError: this can be no id: it would stand in paths.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(f"--run {run_id!r} is no id of a run: letters, digits and `_.:+-`, at most 80")
    try:
        found = state.run(run_id)
    except NotFoundError:
        return None
    return found if found.id == run_id else None  # the beginning of an id finds a run too


def join(state: State, project: Project, graph: Graph, run_id: str, params: dict[str, Any]) -> Run:
    """Return the run of this id, made if need be, under way and open to this process.

    Args:
        state: where runs are kept.
        project: the project, for the origin of a new run.
        graph: what the run is of.
        run_id: its id, chosen by the scheduler.
        params: its parameters.

    Raises:
        UsageError: the run is of another graph, or was started with other parameters.
        RunCancelledError: the run was cancelled.
        RunConflictError: a local process holds the run.
    """
    text = graph.model_dump_json()
    digest = hashlib.sha256(text.encode()).hexdigest()
    run = find(state, run_id)
    if run is None:
        with contextlib.suppress(RunConflictError):  # another process has just made it
            state.create_run(_new(project, graph.pipeline, run_id, digest, params), text)
        run = state.run(run_id)
    if run.graph != digest:
        raise UsageError(f"run {run_id} is of another graph than this one. Mend: give each graph runs of its own")
    if run.params != params:
        raise UsageError(f"run {run_id} was started with other parameters: {run.params}")
    return _held(state, run)


def cancel(state: State, run: Run) -> bool:
    """End a run that no process holds as cancelled; return False where it is held. Its attempts can commit no more."""
    if run.owner != EXTERNAL or run.status != RunStatus.RUNNING:
        return False
    state.end_run(run.id, run.epoch, RunStatus.CANCELLED, "stopped by firnflow cancel")
    return True


def _held(state: State, run: Run) -> Run:
    """Return the run under way, after it went on if it had ended."""
    if run.status == RunStatus.CANCELLED:
        raise RunCancelledError(f"run {run.id} was cancelled: {run.error}. Start another one")
    if run.status == RunStatus.RUNNING and run.owner != EXTERNAL:
        raise RunConflictError(f"run {run.id} is held by a `firnflow run`. Wait for it, or: firnflow cancel {run.id}")
    if run.status != RunStatus.RUNNING:
        state.claim(run.id, EXTERNAL, time.time() + PATIENCE)
        run = state.run(run.id)
    return run


def _new(project: Project, pipeline: str, run_id: str, graph: str, params: dict[str, Any]) -> Run:
    now = time.time()
    return Run(
        id=run_id,
        pipeline=pipeline,
        environment=project.settings.environment,
        status=RunStatus.RUNNING,
        graph=graph,
        params=params,
        request=RunRequest(pipeline).to_json(),
        origin=origin.describe(project.root),
        owner=EXTERNAL,
        epoch=1,
        lease_until=now + PATIENCE,
        cancel_requested=0,
        started_at=now,
        ended_at=None,
        error=None,
    )
