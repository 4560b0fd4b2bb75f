"""Holds a run: renews its lease in a thread of its own, and hears that somebody wants it to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import DBAPIError

from firnflow.errors import RunConflictError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from firnflow.stores.state import State


class Lease:
    """The hold of this process on a run, as a context manager.

    Attributes:
        cancelled: why the run should stop (`SIGINT`, `SIGTERM`, `firnflow cancel`), or None.
        lost: another process has taken the run over.

    Args:
        state: where the run is kept.
        run: its id.
        epoch: the fencing token of this process.
        seconds: how long a lease holds without being renewed.
        on_lost: what to do, in the thread that renews it, when the run was taken over.
        renews: whether it is renewed; where a state can be asked by one thread only, it holds as long as it was taken.
    """

    def __init__(
        self,
        state: State,
        run: str,
        epoch: int,
        seconds: float,
        on_lost: Callable[[], None] | None = None,
        *,
        renews: bool = True,
    ) -> None:
        self.cancelled: str | None = None
        self.lost = False
        self._on_lost = on_lost
        self._state, self._run, self._epoch, self._seconds = state, run, epoch, seconds
        self._asked = 0
        self._heard = False
        self._renews = renews
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="firnflow-lease", daemon=True)

    def __enter__(self) -> Self:
        if self._renews:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._renews:
            self._thread.join()

    def _beat(self) -> None:
        told = False
        while not self._stop.wait(min(self._seconds / 4, 2.0)):
            try:
                if self._state.heartbeat(self._run, self._epoch, time.time() + self._seconds) and not self._heard:
                    self._heard = True  # the wish stays in the database, and must not end the finalizer too
                    self.cancelled = self.cancelled or "firnflow cancel"
            except RunConflictError:
                self.lost = True
                if self._on_lost is not None:
                    self._on_lost()
                return
            except (DBAPIError, StateError):
                continue  # the database is away: the lease holds until it ends, and commits wait for it too
            except Exception:  # noqa: BLE001 - without this thread the run would be taken for crashed
                if not told:
                    traceback.print_exc()
                told = True

    @contextlib.contextmanager
    def signals(self, *, at_once: bool = False) -> Iterator[None]:
        """Take Ctrl-C and SIGTERM as a wish to stop, the second one as a KeyboardInterrupt.

        Outside the main thread there are no signals to take.

        Args:
            at_once: the first one too: what runs in this thread does not see the wish before it has ended.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, _frame: FrameType | None) -> None:
            self.cancelled = signal.Signals(number).name
            self._asked += 1
            if at_once or self._asked > 1:
                raise KeyboardInterrupt

        before: dict[int, Any] = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
