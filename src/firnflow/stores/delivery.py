"""Sends what waits in the state to outside services: the loop that trackers and alerts share.

A run never sends: it writes down what there is to say. What waits is sent by a process of its own, while the run goes
on and for a short time after it; what stays is sent by the next one, or by `firnflow send`. Of all that use a state
database one sends at a time. A sender may die between sending and writing that down: a `Deliverer` sends what changes
nothing when it comes twice, or what the receiver can tell apart.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from firnflow.errors import FirnflowError, StateError
from firnflow.project import redact
from firnflow.stores.lock import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Engine

ROUND = 2.0
"""Seconds between two rounds while a run goes on."""
PATIENCE = 60.0
"""Seconds that a sender waits for another one."""
_LONGEST = 30.0  # seconds between two tries at a service that is away
_LAST_TRIES = 3  # after the run has ended


class Deliverer(Protocol):
    """Sends one kind of things to one service.

    Attributes:
        name: what goes where, for people: `runs to mlflow at https://…`.
    """

    name: str

    def check(self) -> None:
        """Raise FirnflowError where the service is out of reach; quickly, without loading much."""

    def waiting(self) -> list[str]:
        """Return what is to be sent and is due, a line each; what a run under way has still to say does not wait."""

    def deliver(self) -> list[str]:
        """Send some of what there is, at least for a few seconds' work, and return what people should know.

        Raises:
            FirnflowError: not all was taken; what was is written down.
        """

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of sending: how much still waits, why, and what people should know."""

    name: str
    waiting: int
    error: str | None = None
    said: tuple[str, ...] = ()


def deliver(
    deliverers: Sequence[Deliverer], engine: Engine, under_way: Callable[[], bool] = lambda: False
) -> list[Delivery]:
    """Send what waits, and what comes while a run is under way; then try a few times more, and give up.

    Args:
        deliverers: who sends.
        engine: the state database, which all senders share.
        under_way: returns whether somebody may still write down something to send.

    Raises:
        StateError: another sender has not made room.
    """
    said: dict[str, tuple[str, ...]] = {}
    failures, before = 0, -1
    while True:
        going = under_way()  # asked before: what was written before a run ended is sent after it
        with sending(engine):
            found = [_deliver(each) for each in deliverers]
        said |= {each.name: tuple(dict.fromkeys((*said.get(each.name, ()), *each.said))) for each in found}
        found = [Delivery(each.name, each.waiting, each.error, said[each.name]) for each in found]
        left = sum(each.waiting for each in found)
        failed = any(each.error for each in found) or left == before != 0  # what does not get less does not go
        failures, before = failures + 1 if failed else 0, left
        if not going and (failures >= _LAST_TRIES or not (failed or left)):
            return found
        if going or failed:
            _pause(min(ROUND * 2**failures, _LONGEST) if going else failures, under_way if going else None)


def _deliver(deliverer: Deliverer) -> Delivery:
    said: list[str] = []
    error = None
    try:
        said = deliverer.deliver()
    except FirnflowError as broken:
        error = redact(str(broken))
    except Exception as broken:  # noqa: BLE001 - the libraries of services raise anything
        error = redact(f"{type(broken).__name__}: {broken}")
    return Delivery(deliverer.name, len(deliverer.waiting()), error, tuple(map(redact, said)))


def _pause(seconds: float, under_way: Callable[[], bool] | None) -> None:
    """Wait, no longer than until the run has ended."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, ROUND / 2))
        if under_way is not None and not under_way():
            return


@contextlib.contextmanager
def sending(engine: Engine, patience: float = PATIENCE) -> Iterator[None]:
    """Be the only one who sends for this state database.

    Raises:
        StateError: another one has been at it for so many seconds.
    """
    with lock(engine, "sender") as take:
        until = time.monotonic() + patience
        while not take():
            if time.monotonic() > until:
                raise StateError(f"another process has been sending for {patience:g} s. Mend: try again later")
            time.sleep(0.1)
        yield
