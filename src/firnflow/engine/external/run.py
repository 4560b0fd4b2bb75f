"""Runs whose tasks another scheduler starts, one process each: who holds such a run.

Between two tasks there is no process that could hold it. So the run belongs to `EXTERNAL`, whichever process makes its
row; each process that executes a task of it joins under the same owner and the same epoch, and any number may work on
it at once. While one works it renews the lease to `PATIENCE` seconds ahead; a run on which nobody has worked for that
long has crashed. The task `finalizer` ends the run. A failed, crashed or succeeded run goes on with the next call: the
scheduler must have cleared a task. A cancelled one does not. A run that a local process holds cannot be joined.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from firnflow.engine.origin import check_id, new_run, written
from firnflow.errors import RunCancelledError, RunConflictError, UsageError
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from firnflow.engine.request import RunRequest
    from firnflow.graph.model import Graph
    from firnflow.project import Project
    from firnflow.stores.state import Run, State

EXTERNAL = "outside"
"""The owner of a run that no process holds."""
PATIENCE = 86_400.0
"""Seconds that may pass between two tasks of such a run."""


def find(state: State, run_id: str) -> Run | None:
    """Return the run of exactly this id, or None.

    Raises:
        UsageError: this can be no id: it would stand in paths.
    """
    return state.find(check_id(run_id, "--run"))


def check(run: Run | None, graph: Graph, params: dict[str, Any], *, ends: bool = False) -> None:
    """Check that a run, if it is there, can be joined.

    Args:
        run: the run.
        graph: what the call is of.
        params: the parameters of the call.
        ends: whether the call ends the run, which one that is to stop needs too.

    Raises:
        UsageError: the run is of another pipeline, or was started with other parameters.
        RunCancelledError: the run was cancelled.
        RunConflictError: a local process holds the run.
    """
    if run is None:
        return
    if run.pipeline != graph.pipeline:
        raise UsageError(f"run {run.id} is of pipeline {run.pipeline!r}. Mend: give each pipeline runs of its own")
    if any(params.get(name, value) != value for name, value in run.params.items()):
        raise UsageError(f"run {run.id} was started with other parameters: {run.params}")
    if run.status == RunStatus.CANCELLED:
        raise RunCancelledError(f"run {run.id} was cancelled: {run.error}. Start another one")
    if run.cancel_requested and not ends:
        raise RunCancelledError(f"run {run.id} is to stop: nothing of it begins any more")
    if run.status == RunStatus.RUNNING and run.owner != EXTERNAL:
        raise RunConflictError(f"run {run.id} is held by a `firnflow run`. Wait for it, or: firnflow cancel {run.id}")


def join(
    state: State,
    project: Project,
    graph: Graph,
    run_id: str,
    params: dict[str, Any],
    request: RunRequest,
    *,
    known: Run | None = None,
    ends: bool = False,
) -> Run:
    """Return the run of this id, made if need be, under way and open to this process. Raises as `check`.

    Args:
        state: where runs are kept.
        project: the project, for the origin of a new run.
        graph: what the run is of.
        run_id: its id, chosen by the scheduler.
        params: its parameters.
        request: what a new run is asked for.
        known: the run, as it was a moment ago.
        ends: as of `check`.
    """
    run = known if known is not None and known.status == RunStatus.RUNNING else find(state, run_id)
    if run is None:
        digest, text = written(graph)
        new = new_run(project, request, run_id, digest, params, owner=EXTERNAL, lease_until=time.time() + PATIENCE)
        with contextlib.suppress(RunConflictError):  # another process has just made it
            state.create_run(new, text)
        run = state.run(run_id)
    check(run, graph, params, ends=ends)
    if run.status != RunStatus.RUNNING:
        state.claim(run.id, EXTERNAL, time.time() + PATIENCE)
        run = state.run(run.id)
    return run


def cancel(state: State, run: Run) -> bool:
    """End a run that no process holds as cancelled; return False where it is held. Its attempts can commit no more."""
    if run.owner != EXTERNAL or run.status != RunStatus.RUNNING:
        return False
    state.end_run(run.id, run.epoch, RunStatus.CANCELLED, "stopped by firnflow cancel")
    return True


def give_up(state: State, run: Run, why: str) -> bool:
    """End a run as failed that its scheduler has ended; return False where it has ended. Raises RunConflictError."""
    if run.status != RunStatus.RUNNING:
        return False
    if run.owner != EXTERNAL:
        raise RunConflictError(f"run {run.id} is held by a `firnflow run`. Wait for it, or: firnflow cancel {run.id}")
    state.end_run(run.id, run.epoch, RunStatus.FAILED, why)
    return True
