"""`firnflow backfill`."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.engine.backfill.drive import Tally
    from firnflow.engine.backfill.plan import Range
    from firnflow.graph.partitions import ByKey, Timed
    from firnflow.project import Project
    from firnflow.stores.state import State

_FROM = typer.Option(None, "--from", metavar="KEY", help="The first partition. Default: the first one there is.")
_TO = typer.Option(None, "--to", metavar="KEY", help="The last one. Default: the newest that is complete.")
_KEYS = typer.Option([], "--keys", metavar="KEYS", help="These partitions, e.g. a,b.")
_WORKERS = typer.Option(2, "--workers", "-w", metavar="N", min=1, help="How many partitions run at once.")
_FAILED = typer.Option(False, "--only-failed", help="Only those whose run failed or was killed.")  # noqa: FBT003 - Typer's way
_FORCE = typer.Option(False, "--force", help="Also those that are done.")  # noqa: FBT003 - likewise
_DRY = typer.Option(False, "--dry-run", help="Only say what would run.")  # noqa: FBT003 - likewise
_CACHE = typer.Option(True, "--cache/--no-cache", help="Take results of earlier runs.")  # noqa: FBT003 - likewise
_SERVE = typer.Option(False, "--serve", hidden=True)  # noqa: FBT003 - likewise
_ASSIGNMENTS = typer.Option([], "--set", "-s", metavar="NAME=VALUE", help="Set a parameter. May be given again.")
_SHOWN = 20


def command(
    pipeline: str | None = _options.PIPELINE,
    first: str | None = _FROM,
    last: str | None = _TO,
    keys: list[str] = _KEYS,
    workers: int = _WORKERS,
    only_failed: bool = _FAILED,
    force: bool = _FORCE,
    dry_run: bool = _DRY,
    assignments: list[str] = _ASSIGNMENTS,
    cache: bool = _CACHE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
    serve: bool = _SERVE,
) -> int:
    """Run the partitions of a pipeline that are missing.

    What is done stands in a ledger: called again after a kill it goes on, and where all is done it does nothing. A
    partition that fails stops no other. Ctrl-C lets what runs end; a second one stops it. Exit code: 0 if all are done,
    1 if some failed, 130 after Ctrl-C.
    """
    from firnflow.cli import _project, _schedules
    from firnflow.cli._print import stdout_is_data
    from firnflow.engine.run import params_of

    with stdout_is_data():
        project = _project.load(environment)
        name = _project.named(project, pipeline, "backfill")
        params_of(project, project.pipeline(name), assignments)  # what is wrong is said now, not by each run
        partition = _project.partitioned(project, name)
    if serve:
        from firnflow.cli._hands import serve as work

        work(project, name, tuple(assignments), cache=cache)
        return 0
    state = _schedules.open_state(project.settings)
    job = _Job(project, name, partition, state, list(assignments), again=not cache)
    chosen, wanted, tally = job.plan(first, last, _names(keys), only_failed=only_failed, force=force and not dry_run)
    if chosen.note:
        typer.echo(chosen.note, err=True)
    if dry_run:
        wanted = list(chosen.keys) if force else wanted
        return _print_plan(name, chosen, wanted, as_json=as_json)
    stopped = job.run(tally, wanted, workers, quiet=as_json) if wanted else False
    _report(name, chosen, tally, as_json=as_json)
    return 130 if stopped and tally.left else int(bool(tally.failed))


class _Job:
    """A backfill of one pipeline of a loaded project."""

    def __init__(
        self,
        project: Project,
        pipeline: str,
        partition: Timed | ByKey,
        state: State,
        assignments: list[str],
        *,
        again: bool,
    ) -> None:
        self._project, self._pipeline, self._partition, self._state = project, pipeline, partition, state
        self._assignments, self._again = assignments, again

    def plan(
        self, first: str | None, last: str | None, keys: list[str], *, only_failed: bool, force: bool
    ) -> tuple[Range, list[str], Tally]:
        """Return what it is about, what of it is to run, and the tally to begin with."""
        from firnflow.engine.backfill import plan
        from firnflow.engine.backfill.drive import Tally
        from firnflow.stores.state.partitions import Partitions

        self._state.reap()
        ledger = Partitions(self._state, self._project.settings.environment)
        entries = ledger.of(self._pipeline)
        chosen = plan.chosen(self._partition, first, last, keys, time.time(), entries)
        if force:
            failed = plan.wanted(chosen.keys, entries, only_failed=True)
            ledger.outdate(self._pipeline, failed if only_failed else chosen.keys)
            entries = ledger.of(self._pipeline)
        wanted = failed if force and only_failed else plan.wanted(chosen.keys, entries, only_failed=only_failed)
        return chosen, wanted, Tally(len(chosen.keys), len(chosen.keys) - len(wanted))

    def run(self, tally: Tally, wanted: list[str], workers: int, *, quiet: bool) -> bool:
        """Run what is wanted; return whether somebody has asked to stop."""
        from firnflow.cli._deliverers import Sender, anybody
        from firnflow.cli._hands import ProcessHand
        from firnflow.cli._tallied import shown
        from firnflow.engine.backfill.drive import Backfill

        settings, root = self._project.settings, self._project.root

        def hire() -> ProcessHand:
            return ProcessHand(root, settings.environment, self._pipeline, self._assignments, again=self._again)

        with shown(self._pipeline, tally, quiet=quiet) as tell, _asked_to_stop(tell) as (stop, asked):
            Backfill(self._state, settings.environment, self._pipeline, hire, tell).go(tally, wanted, workers, stop)
        if anybody(settings):
            Sender(root, settings).send()
        return bool(asked)


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


def _names(given: list[str]) -> list[str]:
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


def _report(pipeline: str, chosen: Range, tally: Tally, *, as_json: bool) -> None:
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
        typer.echo(f"  … {len(tally.failed) - _SHOWN:,} more: firnflow partitions {pipeline}", err=True)
    if tally.failed:
        typer.echo(f"Why: firnflow runs --pipeline {pipeline} --status failed", err=True)
    if tally.failed or tally.left:
        typer.echo(f"To go on: firnflow backfill {pipeline} {chosen.options}", err=True)


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
