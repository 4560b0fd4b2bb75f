"""What came of a run, in the same words for every target."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from firnflow.status import COMMITTED, TaskStatus
from firnflow.stores.state import State
from firnflow.values.ref import Ref


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        status: of the run.
        states: task → how it ended; not those that could not start, of which a target need write nothing down.
        digests: task, or element of a map as `task[label]` → the digests of its outputs; "" of a table that Snowflake
            holds, which has one of another kind.
        attempts: task → how many were started, where some were.
    """

    status: str
    states: dict[str, str]
    digests: dict[str, dict[str, str]]
    attempts: dict[str, int]


def outcome(url: str, run: str) -> Outcome:
    """Return what the state says of a run."""
    state = State(url)
    try:
        status, attempts = str(state.run(run).status), state.attempts(run)
    finally:
        state.close()
    newest = {(each.task, each.element): each for each in attempts}
    done = [each for each in newest.values() if each.status in COMMITTED and each.outputs]
    states: dict[str, str] = {}
    for each in newest.values():
        if each.status == TaskStatus.UPSTREAM_FAILED:
            continue
        states[each.task] = "succeeded" if each.status in COMMITTED else str(each.status)
    return Outcome(
        status,
        states,
        {
            each.task + (f"[{each.label}]" if each.label else ""): {
                name: _digest(ref) for name, ref in each.outputs.items()
            }
            for each in done
        },
        dict(Counter(each.task for each in attempts if each.number > 0)),
    )


def differences(case: Any, found: Outcome, right: Outcome) -> list[str]:
    """Return what a target does otherwise than it should, or than the local engine does."""
    told = []
    if found.status != case.status:
        told.append(f"ended {found.status}, not {case.status}")
    if case.states is not None:
        wrong = {task: state for task, state in found.states.items() if state != case.states.get(task, "succeeded")}
        wrong |= dict.fromkeys({*case.states, *right.states} - {*found.states}, "nothing")
        told += [f"states {wrong}"] if wrong else []
    if found.digests.keys() != right.digests.keys():
        told.append(f"outputs of {sorted(found.digests.keys() ^ right.digests.keys())}")
    elif differ := [key for key in right.digests if not _alike(found.digests[key], right.digests[key])]:
        told.append(f"digests of {differ}")
    return [f"{case.name}: {each}" for each in told]


def _digest(ref: Any) -> str:
    told = Ref.from_json(ref) if isinstance(ref, dict) else ref
    return "" if told.is_kept else told.digest


def _alike(found: dict[str, str], right: dict[str, str]) -> bool:
    return found.keys() == right.keys() and all(digest in {"", right[name]} for name, digest in found.items())
