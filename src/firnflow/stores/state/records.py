"""What the state database says of runs and attempts, as plain dataclasses."""

from __future__ import annotations

import functools
import hashlib
import json
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from firnflow.errors import StateError
from firnflow.status import RunStatus, TaskStatus  # noqa: TC001 - the types of records are read at run time

T = TypeVar("T")
DAMAGED = (
    "the state database is damaged: {}. Mend: put a copy of it back, or move it away: the next run makes a new one"
)

_CHECKSUM = "checksum"
_DAMAGE = ("malformed", "not a database", "no such column", "no such table", "already exists", "Could not decode")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a graph. Times are seconds since 1970.

    Attributes:
        partition: the key of what it is for.
        due: the moment of the schedule that it was started for.
    """

    id: str
    pipeline: str
    environment: str
    status: RunStatus
    graph: str
    params: dict[str, Any]
    request: dict[str, Any]
    origin: dict[str, Any]
    owner: str
    epoch: int
    lease_until: float
    cancel_requested: int
    started_at: float
    ended_at: float | None
    error: str | None
    partition: str | None = None
    due: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one task, or what settled it without running (`cached`, `skipped`, …).

    Attributes:
        element: its index in a map of `elements`, or -1; `label` is how people call it.
        number: 1, 2, … for those that ran, negative for what was settled without running.
        key: of code and inputs.
        inputs: argument → digest.
        outputs: output → ref as JSON.
        cached_from: the attempt whose outputs were taken.
        id: of the row; this, run, epoch and times are the state's to fill in.
        peak_memory: bytes.
    """

    task: str
    element: int = -1
    elements: int | None = None
    label: str | None = None
    number: int
    status: TaskStatus
    key: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] | None = None
    metrics: dict[str, float] | None = None
    error: dict[str, Any] | None = None
    cached_from: int | None = None
    id: int = 0
    run: str = ""
    epoch: int = 0
    started_at: float = 0.0
    ended_at: float | None = None
    peak_memory: int | None = None


def from_row(cls: type[T], row: Any) -> T:
    """Return a row of the database as a record.

    Raises:
        StateError: a value is of another type than it was written with: SQLite keeps whatever a damaged file holds.
    """
    values = dict(row)
    kinds, words = _kinds(cls)  # type: ignore[arg-type] # a class is hashable
    for name, allowed in kinds.items():
        if not isinstance(values[name], allowed):
            raise _damaged(cls, values, name)
    for name, word in words.items():
        try:
            values[name] = word(values[name])
        except ValueError:
            raise _damaged(cls, values, name) from None
    return cls(**values)


def _damaged(cls: type, row: dict[str, Any], name: str) -> StateError:
    which = row.get("id", row.get("name"))
    return StateError(DAMAGED.format(f"{name} of {cls.__name__.lower()} {which!r} is {row[name]!r:.80}"))


def is_damage(said: str) -> bool:
    """Return whether SQLite says of a database with tables of ours that it is not what was written."""
    return any(word in said for word in _DAMAGE)


def request_of(run: Run) -> dict[str, Any]:
    """Return a run's request as it is written: with a checksum of all that says what the run computes.

    SQLite checks no bytes: a parameter with a flipped bit would be a parameter like any other.
    """
    return {**run.request, _CHECKSUM: _checksum(run)}


def run_from_row(row: Any) -> Run:
    """Return a row of the database as a run. Raises StateError as `from_row`, and where its checksum is another."""
    run = from_row(Run, row)
    written = run.request.pop(_CHECKSUM, None)
    if written is not None and written != _checksum(run):
        raise StateError(DAMAGED.format(f"what run {run.id!r} was asked for is not what was written"))
    return run


def _checksum(run: Run) -> str:
    asked = [run.pipeline, run.environment, run.params, run.request]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@functools.cache
def _kinds(cls: type) -> tuple[dict[str, tuple[type, ...]], dict[str, type[StrEnum]]]:
    """Return the types that the values of a record may have, and of the texts that are words of a list their list."""
    found: dict[str, tuple[type, ...]] = {}
    words: dict[str, type[StrEnum]] = {}
    for name, hint in typing.get_type_hints(cls).items():
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds = tuple(typing.get_origin(option) or option for option in options)
        if issubclass(kinds[0], StrEnum):
            words[name], kinds = kinds[0], (str,)
        found[name] = (*kinds, int) if float in kinds else kinds
    return found, words
