"""Who is told of what happens in an environment, and the process that tells them beside a run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from firnflow.errors import FirnflowError
from firnflow.project import redact

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.engine.events import Event
    from firnflow.project import Settings
    from firnflow.stores.delivery import Deliverer
    from firnflow.stores.state import State

_MOST_LOG = 1_000_000  # bytes
_PATIENCE = 20.0  # seconds that a task of another scheduler waits until all are told


def deliverers(root: Path, settings: Settings, state: State) -> list[Deliverer]:
    """Return who sends something in an environment, not connected yet.

    Raises:
        ConfigError: what is configured leads nowhere.
    """
    from firnflow.models import tracking
    from firnflow.models.tracking.send import TrackingDeliverer
    from firnflow.stores import Stores

    found: list[Deliverer] = []
    tracker = tracking.tracker_of(settings, root)
    if tracker is not None:
        backend, artifacts = tracking.backend_of(settings), Stores.open(settings, root).artifacts
        found.append(TrackingDeliverer(tracker, backend, settings, state, artifacts))
    if settings.alerts.channels:
        from firnflow.monitoring.channels import AlertDeliverer

        found.append(AlertDeliverer(settings, state, Stores.open(settings, root).artifacts))
    return found


def anybody(settings: Settings) -> bool:
    """Return whether an environment has somebody to tell; cheap. In a procedure nobody is: it reaches no service."""
    from firnflow.models import tracking
    from firnflow.stores.snowflake import procedure

    if procedure.current() is not None:
        return False
    return bool(settings.alerts.channels) or tracking.backend_of(settings) != tracking.NONE


class Sender:
    """Starts `firnflow send` in a process of its own beside a run, which waits for no service.

    It starts with the first task that runs: a run that takes all from the cache is over before a tracker's library is
    loaded, and starts it at its end. The process is of low priority, outlives the run, and ends when all is sent, or
    cannot be.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root, self._settings = root, settings
        self._process: subprocess.Popen[bytes] | None = None
        self._run: str | None = None

    def __call__(self, event: Event) -> None:
        """Take in an event of the run."""
        from firnflow.engine.driver import FINALIZER

        if event.kind == "run_started" and anybody(self._settings):
            self._run = event.data["run"]
        elif event.kind == "task_started" and event.task != FINALIZER and self._run and self._process is None:
            self._start(self._run)

    def send(self) -> None:
        """Start it now, for what stands in the state and is of no run."""
        self._start(None)
        if self._process is not None:
            self._process.returncode = 0  # as in `finish`

    def tell(self, run: str) -> tuple[str | None, list[str]]:
        """Start it now, wait a little, and return where the tracker shows a run, and why somebody does not know all.

        The machine may be there for one task only. A service that is away holds nobody up for long.
        """
        if not anybody(self._settings):
            return None, []
        self._start(None)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
            self._process.returncode = self._process.returncode or 0  # one that is still at it is left to itself
        return self._told(run)

    def _told(self, run: str) -> tuple[str | None, list[str]]:
        from firnflow.models.tracking.send import TrackingDeliverer
        from firnflow.monitoring.alerts import TOPIC
        from firnflow.stores.state import State
        from firnflow.stores.state.outbox import Outbox

        state = State(self._settings.state.reveal())
        try:
            trackers = [
                each for each in deliverers(self._root, self._settings, state) if isinstance(each, TrackingDeliverer)
            ]
            said = [_line(each, running=False) for each in trackers if each.waiting()]
            errors = dict.fromkeys(message.error for message in Outbox(state, TOPIC).waiting() if message.error)
            said += [
                f"alert not sent, it is tried again by the next run or by: firnflow send. {each}" for each in errors
            ]
            return next((each.page(run) for each in trackers), None), said
        except FirnflowError as error:
            return None, [f"nobody can be told: {redact(str(error))}"]
        finally:
            state.close()

    def _start(self, run: str | None) -> None:
        with contextlib.suppress(OSError):  # no room for a process: the next run sends
            self._process = self._sender(run)

    def _sender(self, run: str | None) -> subprocess.Popen[bytes]:
        follow = ["--follow", run] if run is not None else []
        command = [sys.executable, "-m", "firnflow", "send", "--env", self._settings.environment, *follow]
        path = self._root / ".firnflow" / "sender.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "ab" if path.exists() and path.stat().st_size < _MOST_LOG else "wb"
        environment = {name: text for name, text in os.environ.items() if name != "FIRNFLOW_CRASH"}
        with path.open(mode) as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                command,
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the run's business
            )

    def finish(self) -> list[str]:
        """Return for each service in one line whether it knows all; nobody waits until it does."""
        from firnflow.stores.state import State

        if self._run is None:
            return []
        if self._process is None:
            self._start(self._run)
        running = self._process is not None and self._process.poll() is None
        if self._process is not None:
            self._process.returncode = self._process.returncode or 0  # it is left to itself: no warning of that
        state = State(self._settings.state.reveal())
        try:
            return [_line(each, running=running) for each in deliverers(self._root, self._settings, state)]
        except FirnflowError as error:
            return [f"nobody can be told: {redact(str(error))}"]
        finally:
            state.close()


def _line(deliverer: Deliverer, *, running: bool) -> str:
    waiting = len(deliverer.waiting())
    if not waiting:
        return deliverer.name
    if running:
        return f"{deliverer.name}: is being told; what stays is sent by the next run, or by: firnflow send"
    return f"{deliverer.name}: {waiting} still to be told, by the next run or by: firnflow send"
