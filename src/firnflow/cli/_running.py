"""Runs a pipeline with progress on stderr and the result on stdout: what `run` and `resume` share."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.cli import _summary
from firnflow.cli._deliverers import Sender
from firnflow.cli._print import stdout_is_data
from firnflow.project.settings import DEFAULT_ENVIRONMENT
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from firnflow.engine.events import Listener
    from firnflow.engine.request import RunResult
    from firnflow.project import Project, Settings

    Run = Callable[[Project, Sequence[Listener]], RunResult]


@dataclass(frozen=True)
class Shown:
    """What of a run is shown: `as_json` one object on stdout, `quiet` only errors, `plain` lines instead of a table."""

    as_json: bool = False
    quiet: bool = False
    plain: bool = False


def perform(load: Callable[[], Project], run: Run, shown: Shown) -> int:
    """Load the project, run, show what came of it, and return the exit code.

    Args:
        load: returns the project; what its modules print does not get between the data on stdout.
        run: runs something of it, telling the listeners.
        shown: what is shown.
    """
    with stdout_is_data() if shown.as_json else contextlib.nullcontext():
        project = load()
        with contextlib.ExitStack() as stack:
            listeners = [] if shown.as_json or shown.quiet else [stack.enter_context(progress(plain=shown.plain))]
            sender = Sender(project.root, project.settings)
            result = run(project, [*listeners, sender])
    show(result, project.root, project.settings, shown)
    told = sender.finish()
    if not (shown.as_json or shown.quiet):
        _summary.print_told(told)
    return _summary.exit_code(result)


def option_of(settings: Settings) -> str:
    """Return what to write after a command for the same environment; nothing where it is the default."""
    chosen = os.environ.get("FIRNFLOW_ENV") or DEFAULT_ENVIRONMENT
    return "" if settings.environment == chosen else f" --env {settings.environment}"


def show(result: RunResult, root: Path, settings: Settings, shown: Shown) -> None:
    """Print what came of a run."""
    from firnflow.stores import Stores

    stores = Stores.open(settings, root)
    if result.status != RunStatus.SUCCEEDED:
        _summary.print_failure(result, option_of(settings))
    if shown.as_json:
        _summary.print_result_json(result, stores)
    elif not shown.quiet:
        _summary.print_summary(result, stores.artifacts, option_of(settings))


def progress(*, plain: bool) -> contextlib.AbstractContextManager[Listener]:
    """Return what shows a run while it is under way: a table in a terminal, else lines; `plain`: lines in any case."""
    if plain or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        from firnflow.cli._lines import Lines

        return Lines()
    from firnflow.cli._progress import LiveTable

    return LiveTable()
