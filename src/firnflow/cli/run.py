"""`firnflow run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _complete, _options
from firnflow.cli._elsewhere import steered
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.engine.events import Listener
    from firnflow.engine.request import RunRequest, RunResult
    from firnflow.project import Project

_ASSIGNMENTS = typer.Option([], "--set", "-s", metavar="NAME=VALUE", help="Set a parameter. May be given again.")
_INPUTS = typer.Option([], "--input", "-i", metavar="NAME=PATH", help="Read a source or a table from a file instead.")
_FROM = typer.Option([], "--from", metavar="TASKS", help="Run these and what follows.", autocompletion=_complete.tasks)
_TO = typer.Option([], "--to", metavar="TASKS", help="Run nothing beyond these.", autocompletion=_complete.tasks)
_ONLY = typer.Option([], "--only", metavar="TASKS", help="Run just these.", autocompletion=_complete.tasks)
_ID = typer.Option(None, "--id", metavar="ID", help="The run's id; one that is taken is an error. Default: a new one.")
_REGISTER = typer.Option(True, "--register/--no-register", help="Register and promote models.")  # noqa: FBT003
_PARTITION = typer.Option(
    None, "--partition", metavar="KEY", help="What to run it for, e.g. 2026-01-05. Default: the newest complete one."
)
_UNLESS_DONE = typer.Option(False, "--unless-done", help="Not if the partition has succeeded.")  # noqa: FBT003 - Typer's way
_CACHE = typer.Option(True, "--cache/--no-cache", help="Take results of earlier runs.")  # noqa: FBT003 - Typer's way


@steered()
def command(
    pipeline: str | None = _options.PIPELINE,
    environment: str | None = _options.ENVIRONMENT,
    assignments: list[str] = _ASSIGNMENTS,
    inputs: list[str] = _INPUTS,
    start: list[str] = _FROM,
    stop: list[str] = _TO,
    only: list[str] = _ONLY,
    cache: bool = _CACHE,
    register: bool = _REGISTER,
    partition: str | None = _PARTITION,
    unless_done: bool = _UNLESS_DONE,
    workers: int | None = _options.WORKERS,
    inline: bool = _options.INLINE,
    run_id: str | None = _ID,
    wait: bool = _options.WAIT,
    timeout: float | None = _options.TIMEOUT,
    as_json: bool = _options.JSON,
    quiet: bool = _options.QUIET,
) -> int:
    """Run a pipeline.

    Results of earlier runs are taken where code, inputs and parameters are the same. Exit code: 0 if all was done, 1 if
    not, 2 for a wrong call, 130 after Ctrl-C.
    """
    from firnflow.cli import _project, _running
    from firnflow.engine.origin import check_id
    from firnflow.engine.request import RunRequest

    _options.refuse_elsewhere(wait=wait, timeout=timeout)
    chosen = check_id(run_id, "--id") if run_id is not None else None
    request = RunRequest(
        pipeline=pipeline or "",
        assignments=tuple(assignments),
        start=_names(start),
        stop=_names(stop),
        only=_names(only),
        inputs=dict(_pair(text) for text in inputs),
        cache=cache,
        register=register,
        workers=workers,
        inline=inline,
        partition=partition,
    )

    def go(project: Project, listeners: Sequence[Listener]) -> RunResult:
        _project.named(project, pipeline, "run")
        return _run(project, request, listeners, chosen, unless_done=unless_done)

    shown = _running.Shown(as_json=as_json, quiet=quiet, plain=inline)
    return _running.perform(lambda: _project.load(environment), go, shown)


def _run(
    project: Project, request: RunRequest, listeners: Sequence[Listener], run_id: str | None, *, unless_done: bool
) -> RunResult:
    from firnflow.engine.run import run

    echo = sys.stderr if request.inline else None
    return run(project, request, listeners, echo, run_id, unless_done=unless_done)


def _names(given: list[str]) -> tuple[str, ...]:
    """Return the names in `a,b` and in an option that is given again."""
    names = tuple(name.strip() for text in given for name in text.split(",") if name.strip())
    if given and not names:
        raise UsageError("--only, --from and --to need the name of a task. See: firnflow show")
    return names


def _pair(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name.strip() and equals and path):
        raise UsageError(f"--input {text!r} is not NAME=PATH. E.g.: --input customers=data/customers.csv")
    return name.strip(), path
