"""What somebody asked a run to do, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.errors import StateError
from firnflow.status import RunStatus, TaskStatus

if TYPE_CHECKING:
    from firnflow.values.ref import Ref


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run, and how.

    Attributes:
        pipeline: its name.
        assignments: `name=value` as typed after `--set`.
        start: run these tasks and what follows from them (`--from`).
        stop: run nothing beyond these tasks (`--to`).
        only: run just these tasks.
        inputs: source or task → path of a file to take instead.
        cache: take results of earlier runs where code and inputs are the same.
        workers: how many processes; None: as the environment says.
        inline: run everything in this process, for a debugger.
        register: whether models may be registered and promoted; False: the run leaves the registry alone.
        tables: task → table, version and digest of the named tables that it reads: settled when the run starts.
        sources: task → what it reads of a source in Snowflake: its version and the moment, settled when the run starts.
        given_by: the run whose outputs stand for tasks that are not chosen; `run` writes it down for `resume`.
        partition: the key of what the run is for; None: the newest complete one, where the pipeline has partitions.
        settles: whether the partition is done when the run has succeeded: all of it runs, on all of its data.
    """

    pipeline: str
    assignments: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    inputs: dict[str, str] = field(default_factory=dict)
    cache: bool = True
    workers: int | None = None
    inline: bool = False
    register: bool = True
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    given_by: str | None = None
    partition: str | None = None
    settles: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunRequest:
        """Return what `to_json` wrote. Raises StateError where it is none, or was written by another Firnflow."""
        lists = ("assignments", "start", "stop", "only")
        try:
            return cls(**{**data, **{name: tuple(data[name]) for name in lists}})
        except (KeyError, TypeError) as error:
            raise StateError(
                f"This Firnflow does not understand what the run was asked for: {error}. Mend: resume it with the "
                "Firnflow that has started it; if that is this one, the state database is damaged: put back a copy"
            ) from error


@dataclass(slots=True)
class TaskResult:
    """How a task went; of a mapped task, all its elements together.

    Attributes:
        state: how it stands.
        attempts: how many were started in the run, of all elements.
        seconds: time spent in attempts, summed.
        peak_memory: the largest resident memory of an attempt, in bytes.
        error: the first failure as plain data.
    """

    state: TaskStatus = TaskStatus.WAITING
    attempts: int = 0
    seconds: float = 0.0
    peak_memory: int | None = None
    elements: int | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    run: str
    pipeline: str
    status: RunStatus
    seconds: float
    tasks: dict[str, TaskResult]
    outputs: dict[str, Ref]
    metrics: dict[str, float]
    error: str | None = None
    partition: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `run --json` prints."""
        return {
            "run": self.run,
            "pipeline": self.pipeline,
            "status": self.status,
            "partition": self.partition,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "tasks": {
                name: {
                    "state": task.state,
                    "cached": task.state == TaskStatus.CACHED,
                    "attempts": task.attempts,
                    "seconds": round(task.seconds, 4),
                    "peak_memory": task.peak_memory,
                    **({"elements": task.elements} if task.elements is not None else {}),
                    **({"error": task.error} if task.error else {}),
                }
                for name, task in self.tasks.items()
            },
            "outputs": {
                name: {"kind": ref.kind, "digest": ref.digest, "place": ref.where} for name, ref in self.outputs.items()
            },
            "metrics": self.metrics,
        }
