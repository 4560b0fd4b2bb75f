"""`firnflow up`."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

_RUNS = typer.Option(2, "--runs", metavar="N", min=1, help="How many runs may be under way at once.")
_GRACE = typer.Option(30.0, "--grace", metavar="SECONDS", min=0, help="How long to wait for runs when it is to end.")


def command(environment: str | None = _options.ENVIRONMENT, runs: int = _RUNS, grace: float = _GRACE) -> int:
    """Run pipelines by their schedules, until Ctrl-C or SIGTERM.

    Each moment at which a pipeline is due runs once, whatever is killed in between. Exit code 0 when it was asked to
    end; runs that take longer than --grace are stopped, and go on with the next `firnflow up`.
    """
    from firnflow.cli import _project, _schedules
    from firnflow.engine.schedules.up import Up
    from firnflow.engine.schedules.updates import NamedTables
    from firnflow.engine.schedules.watch import SourceWatch
    from firnflow.stores import Stores

    root, settings = _project.settings_of(environment)
    name = settings.environment
    if settings.orchestrator != "local":
        raise UsageError(
            f"Environment {name!r} is run by {settings.orchestrator}, which starts its pipelines by their schedules: "
            f"all would run twice. Mend: firnflow apply --env {name}"
        )
    schedules = _schedules.Schedules(root, name, _tell)
    state = _schedules.open_state(settings)
    known = schedules.partitions
    tables = NamedTables(state, Stores.open(settings, root))
    up = Up(
        state,
        name,
        schedules,
        _schedules.Runs(root, settings),
        tables,
        _tell,
        most=runs,
        partitions=known,
        sources=SourceWatch(root, _tell, settings=settings),
    )
    with _asked_to_stop() as stop, _alone(state.engine, name, stop):
        if not stop.is_set():
            names = ", ".join(schedules()) or "no pipeline has a schedule yet"
            _tell(f"up for environment {name}: {names}")
        up.go(stop, grace)
    return 0


def _tell(line: str) -> None:
    from firnflow.cli._print import say
    from firnflow.project import redact

    say(f"{time.strftime('%H:%M:%S')}  {redact(line)}", stderr=True)


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    both = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda _number, _frame: stop.set()) for number in both}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _alone(engine: Engine, environment: str, stop: threading.Event) -> Iterator[None]:
    """Wait until no other process is up for the environment, or until somebody asks to stop."""
    from firnflow.cli import _schedules
    from firnflow.stores.lock import lock

    with lock(engine, _schedules.work(environment)) as take:
        if not take():
            _tell(f"another `firnflow up` is at work for environment {environment}; this one takes over when it ends")
            while not take() and not stop.wait(1.0):
                pass
        yield
