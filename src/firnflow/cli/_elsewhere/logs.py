"""`firnflow logs` in an environment that runs elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import logs
from firnflow.errors import NotFoundError
from firnflow.status import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.cli._elsewhere._site import Row, Site
    from firnflow.targets.operate import LogLine, TargetRun, TargetTask

_PACE = 1.0  # seconds
_WAITING = {TaskStatus.WAITING, TaskStatus.RUNNING}


def command(site: Site, *, run: str | None, task: str | None, follow: bool, attempt: int | None, as_json: bool) -> None:
    """Show what the target has kept of what tasks have said: also of those that Firnflow never saw begin."""
    row, task = _find(site, run, task)
    there = site.there(row)
    reader = _Reader(site, there, task, attempt)
    show = logs.print_json_line if as_json else logs.print_line
    shown = False
    while True:
        is_over = row.is_over  # before reading, so that no line is missed
        for line in reader.new():
            show(line)
            shown = True
        if is_over or not follow:
            break
        time.sleep(_PACE)
        row = site.fresh(row)
    if not shown:
        what = f"task {task} in run {row.id}" if task is not None else f"run {row.id}"
        typer.echo(f"{site.operator.name} has no log of {what}" + ("" if is_over else " yet"), err=True)


def _find(site: Site, run: str | None, task: str | None) -> tuple[Row, str | None]:
    """Return the run and the task that are meant: a single name is a run, else a task of the newest run."""
    if run is not None and task is None:
        try:
            return site.find(run), None
        except NotFoundError as error:
            newest = site.find(None)
            if run in (known := _names(site, newest)):
                return newest, run
            raise NotFoundError(f"{error}. {site.unknown(run, known, newest)}") from None
    row = site.find(run)
    if task is not None and task not in (known := _names(site, row)):
        raise site.unknown(task, known, row)
    return row, task


def _names(site: Site, row: Row) -> set[str]:
    graph = site.graph(row)
    names = set(graph.tasks) if graph is not None else set()
    return names.union(*(_called(each) for each in site.operator.tasks(site.there(row))))


def _called(task: TargetTask) -> set[str]:
    return {task.task, task.name, *([f"{task.task}[{task.element}]"] if task.element >= 0 else [])}


class _Reader:
    """Reads the logs of a run at its target, each line once."""

    def __init__(self, site: Site, run: TargetRun, task: str | None, number: int | None) -> None:
        self._site, self._run, self._task, self._number = site, run, task, number
        self._read: dict[tuple[str, int, int], list[LogLine]] = {}
        self._whole: set[tuple[str, int, int]] = set()

    def new(self) -> list[dict[str, Any]]:
        """Return the lines that have come since the last call, in the order of time."""
        found = []
        for task in self._site.operator.tasks(self._run):
            if self._task is not None and self._task not in _called(task):
                continue
            for attempt in range(1, task.attempt + 1):
                if self._number in {None, attempt}:
                    found += self._of(task, attempt)
        return sorted(found, key=lambda line: line["at"])

    def _of(self, task: TargetTask, attempt: int) -> list[dict[str, Any]]:
        which = (task.task, task.element, attempt)
        if which in self._whole:
            return []
        if attempt < task.attempt or task.status not in _WAITING:
            self._whole.add(which)
        lines = self._site.operator.log(self._run, task, attempt)
        known, self._read[which] = self._read.get(which, []), lines
        element = (task.label or str(task.element)) if task.element >= 0 else None
        about = {"run": self._run.id, "task": task.task, "element": element, "attempt": attempt}
        return [
            {**about, "at": each.at, "level": each.level, "source": each.source, "message": each.message}
            for each in fresh(known, lines)
        ]


def fresh(known: list[LogLine], lines: list[LogLine]) -> Iterator[LogLine]:
    """Yield the lines that are new, in order: of each source, as several may be at work at once."""
    passed = {}
    for source in {each.source for each in lines}:
        mine = [[each for each in some if each.source == source] for some in (known, lines)]
        passed[source] = _overlap(*mine)
    for each in lines:
        if passed[each.source] <= 0:
            yield each
        passed[each.source] -= 1


def _overlap(known: list[LogLine], lines: list[LogLine]) -> int:
    """Return how many lines are known already: of a long log a target may keep the last ones only."""
    starts = (at for at in range(len(known)) if known[at] == lines[0]) if lines else iter(())
    return next((len(known) - at for at in starts if known[at:] == lines[: len(known) - at]), 0)
