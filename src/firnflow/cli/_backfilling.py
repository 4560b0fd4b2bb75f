"""What a backfill comes to, wherever its partitions run: what of it is to be done, who does it, how it is shown."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _project, _running, _schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from firnflow.engine.backfill.drive import Hand, Tally
    from firnflow.engine.backfill.plan import Range
    from firnflow.graph.partitions import ByKey, Timed
    from firnflow.project import Project
    from firnflow.stores.state import State

_SHOWN = 20


@dataclass(frozen=True)
class Asked:
    """What somebody asked for, in the words of the verb's options."""

    first: str | None
    last: str | None
    keys: list[str]
    workers: int
    only_failed: bool
    force: bool
    dry_run: bool
    as_json: bool


@dataclass(frozen=True)
class Crew:
    """Who runs partitions.

    Attributes:
        hire: brings one more, who runs one at a time.
        started: partition → the run that has been started for it already.
        note: what to say where somebody stops the backfill, and something goes on.
    """

    hire: Callable[[], Hand]
    started: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def perform(project: Project, pipeline: str, asked: Asked, crew: Callable[[list[str]], Crew]) -> int:
    """Run the partitions that are missing, show how it goes, and return the exit code.

    Args:
        project: the loaded project.
        pipeline: whose partitions they are.
        asked: which, and how.
        crew: brings who runs them, given what is wanted.

    Raises:
        UsageError: the pipeline has no partitions, or there are none such.
    """
    partition = _project.partitioned(project, pipeline)
    state = _schedules.open_state(project.settings)
    chosen, wanted, tally = _plan(project, pipeline, partition, state, asked)
    if chosen.note:
        typer.echo(chosen.note, err=True)
    if asked.dry_run:
        return _print_plan(pipeline, chosen, list(chosen.keys) if asked.force else wanted, as_json=asked.as_json)
    stopped = _run(project, pipeline, state, tally, wanted, asked, crew(wanted)) if wanted else False
    _report(pipeline, chosen, tally, as_json=asked.as_json, option=_running.option_of(project.settings))
    return 130 if stopped and tally.left else int(bool(tally.failed))


def _plan(
    project: Project, pipeline: str, partition: Timed | ByKey, state: State, asked: Asked
) -> tuple[Range, list[str], Tally]:
    """Return what it is about, what of it is to run, and the tally to begin with."""
    from firnflow.engine.backfill import plan
    from firnflow.engine.backfill.drive import Tally
    from firnflow.stores.state.partitions import Partitions

    state.reap()
    ledger = Partitions(state, project.settings.environment)
    entries = ledger.of(pipeline)
    chosen = plan.chosen(partition, asked.first, asked.last, asked.keys, time.time(), entries)
    if not asked.force or asked.dry_run:
        wanted = plan.wanted(chosen.keys, entries, only_failed=asked.only_failed)
    else:
        failed = plan.wanted(chosen.keys, entries, only_failed=True)
        ledger.outdate(pipeline, failed if asked.only_failed else chosen.keys)
        wanted = failed if asked.only_failed else plan.wanted(chosen.keys, ledger.of(pipeline), only_failed=False)
    return chosen, wanted, Tally(len(chosen.keys), len(chosen.keys) - len(wanted))


def _run(
    project: Project, pipeline: str, state: State, tally: Tally, wanted: list[str], asked: Asked, crew: Crew
) -> bool:
    """Run what is wanted; return whether somebody has asked to stop."""
    from firnflow.cli._deliverers import Sender, anybody
    from firnflow.cli._tallied import shown
    from firnflow.engine.backfill.drive import Backfill

    settings = project.settings
    with shown(pipeline, tally, quiet=asked.as_json) as tell, _asked_to_stop(tell) as (stop, heard):
        backfill = Backfill(state, settings.environment, pipeline, crew.hire, tell, crew.started)
        backfill.go(tally, wanted, asked.workers, stop)
    if heard and tally.left and crew.note:
        typer.echo(crew.note, err=True)
    if anybody(settings):
        Sender(project.root, settings).send()
    return bool(heard)


@contextlib.contextmanager
def _asked_to_stop(tell: Any) -> Iterator[tuple[threading.Event, list[int]]]:
    """Give an event that Ctrl-C and SIGTERM set, and a list of the signals that came."""
    stop = threading.Event()
    asked: list[int] = []

    def heed(number: int, _frame: object) -> None:
        asked.append(number)
        stop.set()
        again = " Again, and it is stopped; the next backfill goes on with it." if len(asked) == 1 else ""
        tell("", f"{signal.Signals(number).name}: nothing more begins, what runs has time to end.{again}")

    both = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, heed) for number in both}
    try:
        yield stop, asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def names(given: list[str]) -> list[str]:
    """Return the names in `a,b` and in an option that is given again."""
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def _print_plan(pipeline: str, chosen: Range, wanted: list[str], *, as_json: bool) -> int:
    from firnflow.cli._print import print_json

    if as_json:
        print_json({"pipeline": pipeline, "partitions": len(chosen.keys), "wanted": wanted})
        return 0
    typer.echo(f"{pipeline}: {len(wanted):,} of {chosen} would run" + (":" if wanted else ""))
    for key in wanted[:_SHOWN]:
        typer.echo(f"  {key}")
    if len(wanted) > _SHOWN:
        typer.echo(f"  … {len(wanted) - _SHOWN:,} more")
    return 0


def _report(pipeline: str, chosen: Range, tally: Tally, *, as_json: bool, option: str) -> None:
    from firnflow.cli._print import print_json

    if as_json:
        print_json(_data(pipeline, chosen, tally))
        return
    if not tally.ran and not tally.failed and not tally.elsewhere and not tally.left:
        typer.echo(f"{pipeline}: nothing to do: {chosen} {'are' if len(chosen.keys) > 1 else 'is'} done")
        return
    counts = {"ran": len(tally.ran), "done before": tally.done, "done elsewhere": len(tally.elsewhere)}
    counts |= {"failed": len(tally.failed), "left": tally.left}
    typer.echo(f"{pipeline}: {chosen}: {', '.join(f'{count:,} {what}' for what, count in counts.items() if count)}")
    for key, why in sorted(tally.failed.items())[:_SHOWN]:
        typer.echo(f"  {key}  {why}", err=True)
    if len(tally.failed) > _SHOWN:
        typer.echo(f"  … {len(tally.failed) - _SHOWN:,} more: firnflow partitions {pipeline}{option}", err=True)
    if tally.failed:
        typer.echo(f"Why: firnflow runs --pipeline {pipeline} --status failed{option}", err=True)
    if tally.failed or tally.left:
        typer.echo(f"To go on: firnflow backfill {pipeline} {chosen.options}{option}", err=True)


def _data(pipeline: str, chosen: Range, tally: Tally) -> dict[str, Any]:
    return {
        "pipeline": pipeline,
        "partitions": len(chosen.keys),
        "done_before": tally.done,
        "ran": tally.ran,
        "done_elsewhere": tally.elsewhere,
        "failed": tally.failed,
        "left": tally.left,
    }
