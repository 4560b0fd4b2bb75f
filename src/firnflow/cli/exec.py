"""`firnflow exec`."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _options
from firnflow.errors import UsageError
from firnflow.status import COMMITTED, RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.engine.external.plan import Share, Wish
    from firnflow.engine.external.task import Hire
    from firnflow.project import Project

_GRAPH = typer.Option(..., "--graph", metavar="FILE", help="What `firnflow show PIPELINE --format json` wrote.")
_TASK = typer.Option(..., "--task", metavar="NAME", help="The task; `finalizer` ends the run.")
_RUN = typer.Option(..., "--run", metavar="ID", help="The run; the first call makes it.")
_ELEMENT = typer.Option(None, "--element", metavar="N", help="Of a map, one element, from 0; default: all.")
_ELEMENTS = typer.Option(False, "--elements", help="Execute nothing, say which elements a map has.")  # noqa: FBT003
_SHARE = typer.Option(None, "--share", metavar="N/M", help="Of a map, the elements of the Nth, from 0, of M processes.")
_ASSIGNMENTS = typer.Option([], "--set", "-s", metavar="NAME=VALUE", help="Set a parameter of a new run.")
_PARTITION = typer.Option(None, "--partition", metavar="KEY", help="What a new run is for. Default: as of `run`.")
_DUE = typer.Option(None, "--due", metavar="MOMENT", help="When a new run was due: for the newest partition of then.")
_CHANGED = typer.Option([], "--changed", metavar="KEY", help="A partition that has started a new run; the last counts.")
_KEEP = typer.Option(False, "--keep", help="A run that is there keeps its parameters.")  # noqa: FBT003 - likewise
_WAKES = typer.Option(
    [], "--wakes", metavar="PIPELINE", help="Say which runs of it begin, if all it waits for is there."
)
_CACHE = typer.Option(True, "--cache/--no-cache", help="Take what is there already.")  # noqa: FBT003 - Typer's way
_MEMORY = typer.Option(None, "--memory", metavar="SIZE", help="End the task if it holds more, e.g. 2GiB.")
_GIVEN_UP = typer.Option(None, "--given-up", metavar="WHY", help="Run nothing: end the run as failed, if it goes on.")
_JOB = typer.Option(False, "--job", help="Execute it in a job of Snowflake, and wait for that.")  # noqa: FBT003 - likewise
_EXIT_CODES = {"stopped by SIGINT": 130, "stopped by SIGTERM": 143}


def command(
    graph: str = _GRAPH,
    task: str = _TASK,
    run: str = _RUN,
    element: int | None = _ELEMENT,
    elements: bool = _ELEMENTS,
    share: str | None = _SHARE,
    assignments: list[str] = _ASSIGNMENTS,
    partition: str | None = _PARTITION,
    due: str | None = _DUE,
    changed: list[str] = _CHANGED,
    keep: bool = _KEEP,
    wakes: list[str] = _WAKES,
    cache: bool = _CACHE,
    memory: str | None = _MEMORY,
    given_up: str | None = _GIVEN_UP,
    job: bool = _JOB,
    environment: str | None = _options.ENVIRONMENT,
) -> int:
    """Execute one task of a run: for schedulers other than Firnflow's own.

    Takes the task's inputs from what the run has committed, and prints what came of it as JSON, its outputs as refs.
    What the task prints goes to stderr and into its log. `--task finalizer` comes last: it runs the pipeline's
    finalizer, if it has one, ends the run, and fails if the run did. Then whoever is to be told of runs is told.
    """
    from firnflow.cli import _project
    from firnflow.cli._deliverers import Sender
    from firnflow.cli._print import print_json, say, stdout_is_data
    from firnflow.graph.check import read_graph

    moment = _moment(due) if due is not None else None
    most = _size(memory) if memory is not None else None
    if given_up is not None and task != "finalizer":
        raise UsageError(f"--given-up ends the run, not task {task!r}. Mend: --task finalizer")
    leave = _leaving() if most is not None else lambda _: None
    with stdout_is_data():
        read = read_graph(_bytes(graph))
        project = _project.load(environment)
        from firnflow.engine.driver import FINALIZER
        from firnflow.engine.external.plan import Wish
        from firnflow.engine.external.task import execute_task, give_up

        given, changes = tuple(assignments), tuple(changed)
        dealt = _share(share, alone=element is None and not elements)
        wish = Wish(read, run, task, element, given, cache, partition, moment, changes, elements, most, keep, dealt)
        if given_up is not None:
            answer = give_up(project, wish, given_up)
        else:
            answer = execute_task(project, wish, sys.stderr, leave, _hired(project, wish) if job else None)
        if wakes and answer["state"] in COMMITTED:
            answer["wakes"] = _woken(project, wakes, answer)
        if task == FINALIZER and answer.get("is_news", True):
            answer["tracked"], said = Sender(project.root, project.settings).tell(answer["run"])
            for line in said:
                say(line, stderr=True)
    print_json(answer)
    if given_up is not None:
        return 0
    is_broken = answer.get("status") in {RunStatus.FAILED, RunStatus.CANCELLED}
    if answer["state"] in {*COMMITTED, TaskStatus.SKIPPED} and not is_broken:
        return 0
    return _EXIT_CODES.get((answer["error"] or {}).get("message", ""), 1)


def _hired(project: Project, wish: Wish) -> Hire:
    """Return what has a task executed in a job. Raises UsageError for what ends a run, and must reach it."""
    if wish.task == "finalizer":
        raise UsageError("--job executes tasks; the finalizer runs here. Mend: leave out --job")
    from firnflow.cli._print import say
    from firnflow.targets.snowflake.hired import Hired

    return Hired(project, wish.graph, wish.run, wish.task, lambda line: say(line, stderr=True))


def _moment(text: str) -> float:
    """Return a moment in seconds since 1970. Raises UsageError where it is none, or could be another elsewhere."""
    with contextlib.suppress(ValueError, OverflowError):
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    raise UsageError(f"--due {text!r} is no moment with a time zone. E.g.: 2026-01-05T06:00:00+00:00")


def _size(text: str) -> int:
    """Return a number of bytes. Raises UsageError where it is none."""
    from firnflow.graph.units import parse_memory

    with contextlib.suppress(ValueError):
        size = parse_memory(int(text) if text.isdecimal() else text)
        if size > 0:
            return size
    raise UsageError(f"--memory {text!r} is no size. E.g.: 2GiB, or a number of bytes")


def _woken(project: Project, pipelines: list[str], answer: dict[str, Any]) -> list[dict[str, str | None]]:
    """Return the runs that begin since a task has published what pipelines wait for."""
    from firnflow.engine.external.wake import wake
    from firnflow.engine.workplace import open_workplace

    with open_workplace(project) as place:
        return wake(project, place, pipelines, answer["run"], again=answer.get("attempt") is None)


def _share(text: str | None, *, alone: bool) -> Share | None:
    """Return which share of a map is meant. Raises UsageError where it is none, or other elements are named too."""
    from firnflow.engine.external.plan import Share

    if text is None:
        return None
    number, _, count = text.partition("/")
    if alone and number.isdecimal() and count.isdecimal() and int(number) < int(count):
        return Share(int(number), int(count))
    why = "is no share of a map. E.g.: 0/2 and 1/2" if alone else "says itself which elements"
    raise UsageError(f"--share {text!r} {why}")


def _leaving() -> Callable[[dict[str, Any]], None]:
    """Return what prints an answer and ends the process at once, whatever its main thread does."""
    stdout = os.dup(1)

    def leave(answer: dict[str, Any]) -> None:
        from firnflow.cli._print import print_json
        from firnflow.engine.external.outgrown import end_children

        end_children()
        with os.fdopen(stdout, "w", encoding="utf-8") as sys.stdout:
            print_json(answer)
        os._exit(1)

    return leave


def _bytes(path: str) -> bytes:
    """Return what a file holds, without more than a graph can be."""
    from firnflow.errors import NotFoundError
    from firnflow.graph.check import MAX_BYTES

    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFoundError(
            f"--graph {path}: {error.strerror}. Mend: firnflow show PIPELINE --format json --output {path}"
        ) from error
