"""What a run leaves to read: how it ended, its figures, what it made and where that is, and what to do next."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from firnflow.cli import _format
from firnflow.cli._outputs import described, nearby, parts
from firnflow.cli._print import STYLES, print_json, say
from firnflow.project import redact
from firnflow.status import RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.engine.request import RunResult, TaskResult
    from firnflow.stores import Stores
    from firnflow.stores.artifacts import ArtifactStore

_OF_INTEREST = ("figure", "file", "html")
_MOST_METRICS = 12
_MOST_OUTPUTS = 12
_EXIT_CODES = {RunStatus.SUCCEEDED: 0, "stopped by SIGINT": 130, "stopped by SIGTERM": 143}
_STATES = (
    (TaskStatus.SUCCEEDED, "ran"),
    (TaskStatus.CACHED, "cached"),
    (TaskStatus.SKIPPED, "skipped"),
    (TaskStatus.FAILED, "failed"),
    (TaskStatus.UPSTREAM_FAILED, "not reached"),
    (TaskStatus.CANCELLED, "cancelled"),
    (TaskStatus.LOST, "lost"),
)


def exit_code(result: RunResult) -> int:
    """Return 0 for a run that did all, 130 or 143 for one that a signal stopped, else 1."""
    return _EXIT_CODES.get(result.status, _EXIT_CODES.get(result.error or "", 1))


def print_result_json(result: RunResult, stores: Stores) -> None:
    """Print a run as one JSON object: the places of its outputs are absolute, small JSON values stand in it."""
    data = result.to_json()
    data["outputs"] = {name: described(ref, stores) for name, ref in result.outputs.items()}
    print_json(data)


def print_failure(result: RunResult, option: str | None) -> None:
    """Print on stderr why a run failed: the user's own traceback first, then where to look and how to go on.

    Args:
        result: how it went.
        option: what to write after a command for the same environment; None: nobody can look or go on.
    """
    failed = {name: task for name, task in result.tasks.items() if task.state == TaskStatus.FAILED and task.error}
    for name, task in failed.items():
        which = f"{result.run} {name}{option}" if option is not None else None
        _print_error(name, task, which, full=name == next(iter(failed)))
    if not failed and result.error:
        say(f"Error: {result.status}: {redact(result.error)}", "red", stderr=True)
    if result.status != RunStatus.SUCCEEDED and option is not None:
        say(f"To go on from what is done: firnflow resume {result.run}{option}", stderr=True)


def _print_error(name: str, task: TaskResult, which: str | None, *, full: bool) -> None:
    """Print why a task failed; `full`: with its traceback, or where it has none, all lines of its message."""
    error = task.error or {}
    traceback = redact(error.get("traceback") or "").rstrip() if full else ""
    if traceback:
        say(f"\n{traceback}\n", stderr=True)
    again = f" after {task.attempts} attempts" if task.attempts > 1 and task.elements is None else ""
    message = redact(f"{error.get('type')}: {error.get('message')}")
    shown = message if full and not traceback else message.partition("\n")[0]
    say(f"Error: task {name} failed{again}: {shown}", "red", stderr=True)
    if which is not None:
        say(f"Its log: firnflow logs {which}", stderr=True)


def print_summary(result: RunResult, artifacts: ArtifactStore, option: str) -> None:
    """Print on stdout how a run ended; `option` as of `print_failure`."""
    took = _format.seconds(result.seconds)
    say()
    say(f"{result.pipeline} {result.status} in {took}", STYLES.get(result.status, ""))
    rows = [("run", result.run), ("tasks", _tasks(result))]
    if result.partition is not None:
        rows.insert(1, ("partition", result.partition))
    peak = max(((task.peak_memory or 0, name) for name, task in result.tasks.items()), default=(0, ""))
    if peak[0]:
        rows.append(("peak memory", f"{_format.size(peak[0])} ({peak[1]})"))
    rows += _section("checks", list(_checks(result)))
    rest = f"firnflow output --run {result.run}{option}"
    rows += _section("metrics", _metrics(result), len(result.metrics) - _MOST_METRICS, rest)
    files = list(_files(result, artifacts))
    rows += _section("outputs", files[:_MOST_OUTPUTS], len(files) - _MOST_OUTPUTS, rest)
    if result.status == RunStatus.SUCCEEDED:
        rows.append(("next", f"firnflow show {result.pipeline} --run {result.run}{option}"))
        rows.append(("", rest))
    for name, text in rows:
        say(f"  {name:<12}{redact(text)}")


def print_told(lines: list[str]) -> None:
    """Print on stdout who has been told of a run."""
    for name, text in _section("told", lines):
        say(f"  {name:<12}{text}")


def _tasks(result: RunResult) -> str:
    counts = Counter(task.state for task in result.tasks.values())
    return ", ".join(f"{counts[state]} {said}" for state, said in _STATES if counts[state])


def _section(name: str, lines: list[str], more: int = 0, rest: str = "") -> list[tuple[str, str]]:
    """Return lines of the summary, the first under its name; more: how many are left out, which `rest` shows."""
    shown = lines + ([f"… {more} more: {rest}"] if more > 0 else [])
    return [(name if index == 0 else "", line) for index, line in enumerate(shown)]


def _checks(result: RunResult) -> Iterator[str]:
    """Yield what checks have found that was not as it should be."""
    told = [part.meta for ref in result.outputs.values() for _, part in ref.walk() if (part.meta or {}).get("checks")]
    if not told:
        return  # the models of results take long to load
    from firnflow.stores.checks.history import of

    for found in map(of, told):
        if found is not None and found.outcome != "passed":
            yield from found.lines()
            yield f"  firnflow data checks {found.table}"


def _metrics(result: RunResult) -> list[str]:
    """Return the figures of the last tasks, as many as fit: what a pipeline comes to stands at its end."""
    of_task: dict[str, list[str]] = {}
    for name, value in result.metrics.items():
        task = max((t for t in result.tasks if name.startswith((f"{t}.", f"{t}["))), key=len, default="")
        of_task.setdefault(task, []).append(f"{name} = {_format.number(value)}")
    shown: list[str] = []
    for lines in reversed(of_task.values()):
        shown = lines[: _MOST_METRICS - len(shown)] + shown
    return shown


def _files(result: RunResult, artifacts: ArtifactStore) -> Iterator[str]:
    """Yield the outputs that a person can open, each with where it is."""
    for name, ref in result.outputs.items():
        for label, inner in parts(name, ref):
            if inner.kind in _OF_INTEREST and inner.where is not None:
                yield f"{label}  {nearby(artifacts.address(inner.where))}"
