"""Runs whose tasks somebody else's scheduler starts, one process each: who holds such a run.

Between two tasks there is no process that could hold it. So the run belongs to `OUTSIDE`, whichever process makes its
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
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow.engine import origin
from firnflow.engine.request import RunRequest
from firnflow.errors import NotFoundError, RunCancelledError, RunConflictError, UsageError
from firnflow.stores.state import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.graph.model import Graph
    from firnflow.project import Project
    from firnflow.stores.state import State

OUTSIDE = "outside"
"""The owner of a run that no process holds."""
PATIENCE = 86_400.0
"""Seconds that may pass between two tasks of such a run."""
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}")


def join(
    state: State, project: Project, graph: Graph, run_id: str, params: dict[str, Any], assignments: Sequence[str]
) -> Run:
    """Return the run of this id, made if need be, under way and open to this process.

    Args:
        state: where runs are kept.
        project: the project, for the origin of a new run.
        graph: what the run is of.
        run_id: its id, chosen by the scheduler: letters, digits and `_.:+-`.
        params: the parameters of a new run.
        assignments: those that this call names; a run that is there must have been started with the same.

    Raises:
        UsageError: the id is none, or the run is of another graph or has other parameters.
        RunCancelledError: the run was cancelled.
        RunConflictError: a local process holds the run.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(f"--run {run_id!r} is no id of a run: letters, digits and `_.:+-`, at most 80")
    text = graph.model_dump_json()
    digest = hashlib.sha256(text.encode()).hexdigest()
    run = _find(state, run_id)
    if run is None:
        new = _new(project, graph.pipeline, run_id)
        new = replace(new, graph=digest, params=params, request=_request(graph.pipeline, assignments))
        with contextlib.suppress(RunConflictError):  # another process has just made it
            state.create_run(new, text)
        run = state.run(run_id)
    if run.graph != digest:
        raise UsageError(f"run {run_id} is of another graph than this one. Mend: give each graph runs of its own")
    if assignments and run.params != params:
        raise UsageError(f"run {run_id} was started with other parameters: {run.params}")
    return _held(state, run)


def cancel(state: State, run: Run) -> bool:
    """End a run that no process holds as cancelled; return False where it is held. Its attempts can commit no more."""
    if run.owner != OUTSIDE or run.status != "running":
        return False
    state.end_run(run.id, run.epoch, "cancelled", "stopped by firnflow cancel")
    return True


def _held(state: State, run: Run) -> Run:
    """Return the run under way, after it went on if it had ended."""
    if run.status == "cancelled":
        raise RunCancelledError(f"run {run.id} was cancelled: {run.error}. Start another one")
    if run.status == "running" and run.owner != OUTSIDE:
        raise RunConflictError(f"run {run.id} is held by a `firnflow run`. Wait for it, or: firnflow cancel {run.id}")
    if run.status != "running":
        state.claim(run.id, OUTSIDE, time.time() + PATIENCE)
        run = state.run(run.id)
    return run


def _find(state: State, run_id: str) -> Run | None:
    try:
        found = state.run(run_id)
    except NotFoundError:
        return None
    return found if found.id == run_id else None  # the beginning of an id finds a run too


def _request(pipeline: str, assignments: Sequence[str]) -> dict[str, Any]:
    return RunRequest(pipeline, assignments=tuple(assignments)).to_json()


def _new(project: Project, pipeline: str, run_id: str) -> Run:
    now = time.time()
    return Run(
        id=run_id,
        pipeline=pipeline,
        environment=project.settings.environment,
        status="running",
        graph="",
        params={},
        request={},
        origin=origin.describe(project.root),
        owner=OUTSIDE,
        epoch=1,
        lease_until=now + PATIENCE,
        cancel_requested=0,
        started_at=now,
        ended_at=None,
        error=None,
    )
