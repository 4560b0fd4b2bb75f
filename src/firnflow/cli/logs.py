"""`firnflow logs`."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import typer

from firnflow._text import printable_json
from firnflow.cli import _complete, _options
from firnflow.cli._elsewhere import steered
from firnflow.status import RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.stores.state import Attempt, Run, State

    Line = dict[str, Any]

_TASK = typer.Argument(None, metavar="[TASK]", help="Only of this task.", autocompletion=_complete.tasks)
_FOLLOW = typer.Option(False, "--follow", "-f", help="Go on until the run has ended.")  # noqa: FBT003 - Typer's way
_ATTEMPT = typer.Option(None, "--attempt", metavar="N", min=1, help="Only of the attempt of this number.")
_POLL = 0.4  # seconds
_LAST_POLLS = 12  # how often a process that has ended its run, but not itself, is waited for
_STYLES = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "red"}


@steered(state_will_do=True)
def command(
    run: str | None = _options.RUN,
    task: str | None = _TASK,
    follow: bool = _FOLLOW,
    attempt: int | None = _ATTEMPT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Show what the tasks of a run have printed and logged, and what happened to them.

    A task alone is one of the newest run. Of a task whose result came from the cache it is the log of the run that made
    it. With --json each line is an object.
    """
    from firnflow.cli import _project
    from firnflow.engine.workplace import logs_folder

    root, _, state = _project.open_state(environment)
    record, task = _find(state, run, task, environment)
    reader = _Reader(state, logs_folder(root), record.id, task, attempt)
    show = print_json_line if as_json else print_line
    shown = _follow(state, record.id, reader, show) if follow else _show(reader, show)
    if not shown:
        typer.echo(_nothing(state, record, task), err=True)


def _nothing(state: State, record: Run, task: str | None) -> str:
    """Return why there is no line to show."""
    import socket

    host = record.origin.get("host")
    if task is not None and host == socket.gethostname():
        states = [attempt.status for attempt in state.attempts(record.id) if task in _names(attempt)]
        if not states or states[-1] in {TaskStatus.SKIPPED, TaskStatus.UPSTREAM_FAILED}:
            return f"Task {task} did not run in run {record.id}" + (f": {states[-1]}" if states else "")
        if states[-1] == TaskStatus.SUCCEEDED:
            return f"Task {task} printed nothing in run {record.id}"
    what = f"run {record.id}" if task is None else f"task {task} in run {record.id}"
    return f"There is no log of {what} here" + (f"; it ran on {host}" if host != socket.gethostname() else "")


def _find(state: State, run: str | None, task: str | None, environment: str | None) -> tuple[Run, str | None]:
    """Return the run and the task that are meant, and check that the run has the task.

    A single name is an id in full, else a task of the newest run, else the beginning of an id.
    """
    from firnflow.cli import _project

    if run is not None and task is None:
        return _named(state, run, environment)
    record = _project.find_run(state, run, environment)
    if task is not None and task not in (known := _tasks(state, record)):
        from firnflow._text import listing, nearest
        from firnflow.errors import NotFoundError

        said = f"run {record.id} has no task {task!r}.{nearest(task, known)} It has: {listing(known)}"
        raise NotFoundError(said)
    return record, task


def _named(state: State, name: str, environment: str | None) -> tuple[Run, str | None]:
    from firnflow._text import nearest
    from firnflow.cli import _project
    from firnflow.errors import NotFoundError

    newest = _project.find_run(state, None, environment)
    known = _tasks(state, newest)
    try:
        record = state.run(name)
    except NotFoundError as error:
        if name in known:
            return newest, name
        raise NotFoundError(
            f"{error}; the newest run, {newest.id}, has no task {name!r}.{nearest(name, known)}"
        ) from None
    return (newest, name) if record.id != name and name in known else (record, None)


def _tasks(state: State, record: Run) -> set[str]:
    """Return the names of a run's tasks, and of the elements of its maps: `train`, `train[2]`, `train[max_depth=6]`."""
    names = set(json.loads(state.graph_json(record.graph))["tasks"])
    return names.union(*(_names(attempt) for attempt in state.attempts(record.id)))


def _names(attempt: Attempt) -> set[str]:
    element = {f"{attempt.task}[{attempt.element}]", f"{attempt.task}[{attempt.label}]"}
    return {attempt.task} | (element if attempt.element >= 0 else set())


class _Reader:
    """Reads the logs of a run, each line once."""

    def __init__(self, state: State, folder: Path, run: str, task: str | None, number: int | None) -> None:
        self._state, self._folder, self._run, self._task, self._number = state, folder, run, task, number
        self._offsets: dict[Path, int] = {}
        self._makers: dict[int, Attempt | None] = {}
        self._said: set[str] = set()

    def new(self) -> list[Line]:
        """Return the lines that have come since the last call, in the order of time."""
        from firnflow.engine.logs import read

        found: list[Line] = []
        for path, where in self._files():
            lines, self._offsets[path] = read(path, self._offsets.get(path, 0))
            found += [{**where, **line} for line in lines]
        return sorted(found, key=lambda line: line["at"])

    def _files(self) -> Iterator[tuple[Path, Line]]:
        """Yield the files to read, each with what its lines are about."""
        from firnflow.engine.eventlog import run_log_file

        if self._task is None and self._number is None:
            about = {"run": self._run, "task": None, "element": None, "attempt": None}
            yield run_log_file(self._folder, self._run), about
        for attempt in self._state.attempts(self._run):
            if self._task not in {None, *_names(attempt)}:
                continue
            if self._number in {None, attempt.number}:
                yield self._file(attempt)
            cached = attempt.status == TaskStatus.CACHED and self._number is None
            if cached and self._task is not None and (maker := self._maker(attempt)) is not None:
                yield self._file(maker)

    def _file(self, attempt: Attempt) -> tuple[Path, Line]:
        from firnflow.engine.logs import attempt_file

        element = (attempt.label or str(attempt.element)) if attempt.element >= 0 else None
        about = {"run": attempt.run, "task": attempt.task, "element": element, "attempt": attempt.number}
        return attempt_file(self._folder, attempt.run, attempt.task, attempt.element, attempt.number), about

    def _maker(self, attempt: Attempt) -> Attempt | None:
        """Return the attempt that made what a cached one has, and say on stderr, once a run, which run that was in."""
        if attempt.id not in self._makers:
            self._makers[attempt.id] = maker = self._state.made_by(attempt)
            where = f"run {maker.run} made it" if maker is not None else "the run that made it is deleted"
            if where not in self._said:
                self._said.add(where)
                typer.echo(f"{attempt.task} is from the cache: {where}", err=True)
        return self._makers[attempt.id]


def _show(reader: _Reader, show: Callable[[Line], None]) -> bool:
    lines = reader.new()
    for line in lines:
        show(line)
    return bool(lines)


def _follow(state: State, run: str, reader: _Reader, show: Callable[[Line], None]) -> bool:
    """Show lines until the run has ended and its process has said its last; return whether there was one."""
    from firnflow.stores.state.owner import is_alive

    shown, polls_left = False, _LAST_POLLS
    while True:
        state.reap()
        record = state.run(run)  # before reading, so that no line is missed
        shown = _show(reader, show) or shown
        polls_left -= record.status != RunStatus.RUNNING
        if record.status != RunStatus.RUNNING and (not is_alive(record.owner) or polls_left < 0):
            return shown
        time.sleep(_POLL)


def print_json_line(line: Line) -> None:
    """Print a line as a JSON object."""
    sys.stdout.write(printable_json(json.dumps(line, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def print_line(line: Line) -> None:
    """Print a line after its time and its task."""
    from firnflow.cli._print import paint, say_painted

    at = paint(time.strftime("%H:%M:%S", time.localtime(line["at"])), "dim", sys.stdout)
    name = line["task"] or ""
    name = f"{name}[{line['element']}]" if line["element"] is not None else name
    before = f"{at} {paint(name, 'cyan', sys.stdout)} | " if name else f"{at} "
    for part in str(line["message"]).rstrip("\n").split("\n"):
        say_painted(before + paint(part, _STYLES.get(line["level"], ""), sys.stdout), sys.stdout)
