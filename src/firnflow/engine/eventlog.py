"""The log of a run: its events, one JSON object a line, beside the logs of its attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow._text import counted
from firnflow.engine.logs import AttemptLog, attempt_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firnflow.engine.events import Event

RUN_LOG = "run"


def run_log_file(folder: Path, run: str) -> Path:
    """Return where the log of a run is kept."""
    return attempt_file(folder, run, f"-{RUN_LOG}", -1, 0)


class EventLog:
    """A listener that writes what happens as lines for people."""

    def __init__(self, folder: Path, run: str, redact: Callable[[str], str]) -> None:
        self._log = AttemptLog(run_log_file(folder, run), redact)

    def __call__(self, event: Event) -> None:
        """Write one event."""
        line = describe(event)
        if line is not None:
            self._log.write(RUN_LOG, line, "error" if event.data.get("error") else "info")
        if event.kind == "run_finished":
            self._log.close()


def describe(event: Event) -> str | None:
    """Return an event in one line, or None where it says nothing new."""
    name = event.task if event.label is None else f"{event.task}[{event.label}]"
    data = event.data
    if event.kind == "run_started":
        return f"run {data['run']} of {counted(len(data['tasks']), 'task')}" + (" resumed" if data["epoch"] > 1 else "")
    if event.kind == "task_started":
        return f"{name} started" + (f" (attempt {data['attempt']})" if data["attempt"] > 1 else "")
    if event.kind == "task_retrying":
        return f"{name} failed: {data['error']['type']}: {data['error']['message']}; again in {data['seconds']:.3g} s"
    if event.kind == "task_finished":
        error = data.get("error")
        said = f": {error['type']}: {error['message']}" if error else ""
        return (
            f"{name} {data['state']} in {data['seconds']:.3g} s{said}"
            if data["seconds"]
            else f"{name} {data['state']}{said}"
        )
    if event.kind == "run_finished":
        return f"run {data['status']} in {data['seconds']:.3g} s"
    return str(data["message"])
