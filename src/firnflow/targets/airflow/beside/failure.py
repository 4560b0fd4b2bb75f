"""What happens when Airflow gives a run up: Firnflow is told, and tells people, where it does not know yet.

A task that fails, or is killed, is followed by the finalizer, which ends the run. This is for runs whose finalizer
could not: its process was killed too, no worker serves its queue, the project's Python is away, or somebody has marked
the run. Airflow calls it in the DAG processor.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from . import secrets
from .program import Program, environment
from .task import assignments, program_of, run_id

_PATIENCE = 45.0  # seconds; Airflow ends the process that calls this after 50
_WORDS = {
    "task_failure": "a task has failed, and the finalizer has not ended the run",
    "all_tasks_deadlocked": "no task could start any more",
    "timed_out": "the run took longer than it may",
}


def give_up(call: dict[str, Any], context: Any) -> None:
    """Tell Firnflow that Airflow has ended a run as failed; one that has ended there too stays as it is.

    Args:
        call: how `firnflow exec` is called.
        context: of the callback.
    """
    log = logging.getLogger(__name__)
    run = run_id(call["pipeline"], context["run_id"])
    command = [*program_of(call), "--graph", call["graph"], "--task", "finalizer", "--run", run, "--env", call["env"]]
    command += assignments(call, context.get("params") or {})
    variables = environment(os.environ) | secrets.variables(call["secrets"], log)
    said, code = Program([*command, "--given-up", reason(context)], call["project"], variables).wait(
        log.info, _PATIENCE
    )
    log.info("firnflow exec ended with %s: %s", code, said)


def reason(context: Any) -> str:
    """Return in one line why Airflow has given a run up."""
    given = str(context.get("reason") or "")
    words = _WORDS.get(given, given or "no reason was given")
    last = context.get("task_instance") or context.get("ti")
    return f"Airflow has given the run up: {words}{f' (task {last.task_id})' if last is not None else ''}"
