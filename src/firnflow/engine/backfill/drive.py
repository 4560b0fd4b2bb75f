"""Hands partitions to processes that run them, one at a time each, until all are done: the heart of a backfill.

What is done stands in the ledger of partitions alone. So a backfill may die anywhere, and be called again; several, and
`firnflow up`, may work on one pipeline at once: who begins a partition takes it, and the others see that.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from firnflow.engine.origin import new_id
from firnflow.errors import NotFoundError
from firnflow.status import RunStatus
from firnflow.stores.state.partitions import Partitions, PartitionStatus

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from firnflow.stores.state import State
    from firnflow.stores.state.partitions import Entry

MOST_TRIES = 3
"""How often the process of a partition may die under our eyes before it is given up."""
_CHANCE = 4  # bytes of a run's id that are chance
_PACE = 0.02  # seconds between two looks at the processes
_ELSEWHERE = 0.5  # seconds between two looks at what others run


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do: run a partition under this id, or go on with that run."""

    partition: str
    run: str
    resume: bool


class Hand(Protocol):
    """A process that runs partitions one after the other."""

    def give(self, order: Order) -> None:
        """Let it run a partition; it has none under way."""

    def answer(self) -> dict[str, Any] | None:
        """Return what came of the partition, or None: it is under way. `died` says why the process is gone.

        Raises:
            ConfigError: the project cannot be loaded any more.
        """

    def stop(self) -> None:
        """Ask it to cancel what it runs."""

    def dismiss(self) -> None:
        """Let it end; it has nothing under way, or was asked to stop."""


@dataclass(slots=True)
class Tally:
    """How a backfill stands.

    Attributes:
        total: how many partitions it is about.
        done: how many were done before it began.
        ran: those that it has run, in the order in which they ended.
        elsewhere: those that others have done meanwhile.
        failed: partition → why, in one line.
        running: partition → since when, in monotonic seconds.
    """

    total: int
    done: int = 0
    ran: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many are neither done nor failed."""
        return self.total - self.done - len(self.ran) - len(self.elsewhere) - len(self.failed)


class Backfill:
    """Runs partitions of one pipeline.

    Args:
        state: the state database.
        environment: its name.
        pipeline: the pipeline's name.
        hire: starts a process.
        told: called with a partition and what came of it, whenever one has ended.
        started: partition → the run that has been started for it already, and which a process only waits for.
    """

    def __init__(
        self,
        state: State,
        environment: str,
        pipeline: str,
        hire: Callable[[], Hand],
        told: Callable[[str, str], None] = lambda *_: None,
        started: Mapping[str, str] | None = None,
    ) -> None:
        self._started = started or {}
        self._state, self._ledger, self._pipeline = state, Partitions(state, environment), pipeline
        self._hire, self._told = hire, told
        self._hands: dict[Hand, Order | None] = {}
        self._tries: dict[str, int] = {}
        self._others: set[str] = set()
        self._looked_at, self._asked = 0.0, 0
        self.tally = Tally(0)

    def go(self, tally: Tally, wanted: Iterable[str], workers: int, stop: threading.Event) -> Tally:
        """Run what is wanted, and return how it went.

        Args:
            tally: what it is about.
            wanted: the partitions to run.
            workers: how many at once.
            stop: set when nothing more is to begin; set again (it is cleared in between) when what runs is to end.

        Raises:
            ConfigError: the project cannot be loaded any more.
        """
        self.tally, queue = tally, deque(wanted)
        try:
            while self.tally.running or (not self._asked and (queue or self._others)):
                self._heed(stop)
                queue.extend(self._look_elsewhere())
                queue.extendleft(self._answers())
                while queue and not self._asked and len(self.tally.running) < workers:
                    self._begin(queue.popleft())
                time.sleep(_PACE)
        finally:
            for hand in self._hands:
                hand.dismiss()
        return self.tally

    def _heed(self, stop: threading.Event) -> None:
        """Count how often somebody has asked to stop; from the second time on what runs is cancelled."""
        if not stop.is_set():
            return
        stop.clear()
        self._asked += 1
        for hand, order in self._hands.items():
            if order is not None and self._asked > 1:
                hand.stop()

    # -- one partition ------------------------------------------------------------------------------------------------

    def _begin(self, partition: str) -> None:
        """Give a partition to a process, unless somebody else is at it, or has done it."""
        entry = self._ledger.find(self._pipeline, partition)
        if partition in self._started:
            self._give(Order(partition, self._started[partition], resume=False))
        elif entry is not None and entry.status == PartitionStatus.SUCCEEDED:
            self._settle(partition, self.tally.elsewhere, "done elsewhere")
        elif entry is not None and entry.status == PartitionStatus.RUNNING:
            self._others.add(partition)
        else:
            self._give(self._order(partition, entry))

    def _give(self, order: Order) -> None:
        hand = next((hand for hand, order in self._hands.items() if order is None), None) or self._hire()
        self._hands[hand] = order
        self.tally.running[order.partition] = time.monotonic()
        hand.give(order)

    def _order(self, partition: str, entry: Entry | None) -> Order:
        """Return the run for a partition: that which was killed goes on, else it is a new one."""
        if entry is not None and entry.status in {PartitionStatus.CRASHED, PartitionStatus.CANCELLED}:
            try:
                run = self._state.run(entry.run)
            except NotFoundError:  # cleaned away
                run = None
            if run is not None and run.status in {RunStatus.CRASHED, RunStatus.CANCELLED}:
                return Order(partition, run.id, resume=True)
        return Order(partition, new_id(self._pipeline, time.time(), _CHANCE), resume=False)

    def _answers(self) -> Iterator[str]:
        """Take what processes say of their partitions; yield those that are to be looked at again."""
        for hand, order in list(self._hands.items()):
            answer = hand.answer() if order is not None else None
            if order is None or answer is None:
                continue
            partition = order.partition
            del self.tally.running[partition]
            self._hands[hand] = None
            if "died" in answer:
                del self._hands[hand]
                hand.dismiss()
                self._state.reap()
                self._tries[partition] = self._tries.get(partition, 0) + 1
                if self._tries[partition] < MOST_TRIES:
                    yield partition
                    continue
                self._fail(partition, f"its process died {MOST_TRIES} times: {answer['died']}")
            elif answer.get("conflict"):  # somebody was faster
                yield partition
            elif answer.get("status") == RunStatus.CANCELLED and self._asked:
                self._told(partition, "stopped; the next backfill goes on with it")
            elif answer.get("status") == RunStatus.SUCCEEDED:
                self._settle(partition, self.tally.ran, "succeeded")
            else:
                self._fail(partition, answer.get("error") or str(answer.get("status")))

    def _look_elsewhere(self) -> list[str]:
        """Return which of the partitions that others were at are free again."""
        if not self._others or time.monotonic() < self._looked_at + _ELSEWHERE:
            return []
        self._looked_at = time.monotonic()
        self._state.reap()
        entries = self._ledger.of(self._pipeline)
        free = [each for each in self._others if entries[each].status != PartitionStatus.RUNNING]
        self._others.difference_update(free)
        for partition in free:
            if entries[partition].status == PartitionStatus.FAILED:
                self._fail(partition, entries[partition].error or "failed elsewhere")
        return sorted(each for each in free if each not in self.tally.failed)

    def _settle(self, partition: str, where: list[str], said: str) -> None:
        where.append(partition)
        self._told(partition, said)

    def _fail(self, partition: str, why: str) -> None:
        self.tally.failed[partition] = why.partition("\n")[0]
        self._told(partition, f"failed: {self.tally.failed[partition]}")
