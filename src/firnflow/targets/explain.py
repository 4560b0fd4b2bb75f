"""Says what a plan would do: the other of the two that walk a plan. Nothing is read or changed here."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow._text import counted
from firnflow.targets.plan import Adopt, Change, Create, Forget, Remove

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.targets.plan import Action, Plan

_MOST_LINES = 12


class Line(NamedTuple):
    """One line for people, and its colour."""

    text: str
    colour: str = ""


def as_lines(plan: Plan) -> list[Line]:
    """Return the plan for people."""
    lines = [Line(f"Environment {plan.environment}, on {plan.target}: {plan.place}", "bold")]
    for action in plan.actions:
        lines += [Line(""), *describe(action)]
    lines += [Line(""), *(Line(f"Note: {text}", "yellow") for text in plan.warnings)]
    return [*lines, Line(summary(plan), "bold")]


def summary(plan: Plan) -> str:
    """Return what the plan comes to, in one line."""
    kinds = {"add": Create, "change": Change, "adopt": Adopt, "remove": Remove, "forget": Forget}
    counts = {word: sum(isinstance(each, kind) for each in plan.actions) for word, kind in kinds.items()}
    parts = [f"{count} to {word}" for word, count in counts.items() if count]
    same = f"{counted(plan.unchanged, 'resource')} unchanged"
    return f"{', '.join(parts)}; {same}." if parts else f"No changes: {same}."


def describe(action: Action) -> Iterator[Line]:
    """Yield what one action does, its head first."""
    if isinstance(action, Create):
        yield Line(f"  + {action.address}" + ("  was deleted by hand, is made again" if action.again else ""), "green")
        yield from (Line(f"      {name}: {value}") for name, value in action.resource.facts.items())
    elif isinstance(action, Change):
        yield Line(f"  ~ {action.address}" + ("  was changed by hand, is put back" if action.by_hand else ""), "yellow")
        yield from _differences(action)
    elif isinstance(action, Adopt):
        yield Line(f"  = {action.address}  is there already, is written down", "cyan")
    elif isinstance(action, Remove):
        yield Line(f"  - {action.address}" + ("  was changed by hand" if action.by_hand else ""), "red")
    else:
        why = f"{action.where} is somebody else's now, and stays" if action.where else "is gone already"
        yield Line(f"  - {action.address}  {why}", "dim")


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain data."""
    return {
        "target": plan.target,
        "place": plan.place,
        "environment": plan.environment,
        "serial": plan.serial,
        "actions": [_action_as_json(action) for action in plan.actions],
        "unchanged": plan.unchanged,
        "warnings": list(plan.warnings),
    }


def _action_as_json(action: Action) -> dict[str, Any]:
    data: dict[str, Any] = {"action": type(action).__name__.lower(), **action.address._asdict()}
    if isinstance(action, Create):
        data |= {"again": action.again, "facts": dict(action.resource.facts)}
    elif isinstance(action, Change):
        changed = compare(action.facts, action.resource.facts)
        data |= {"by_hand": action.by_hand, "changes": {name: list(pair) for name, pair in changed.items()}}
    elif isinstance(action, Remove):
        data |= {"by_hand": action.by_hand}
    return data


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return name → (before, after) of the facts that differ; None: there is no such fact."""
    names = dict.fromkeys([*after, *before])
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _differences(change: Change) -> Iterator[Line]:
    changed = compare(change.facts, change.resource.facts)
    for name, (before, after) in changed.items():
        if before is None:
            yield Line(f"      + {name}: {after}", "green")
        elif after is None:
            yield Line(f"      - {name}: {before}", "red")
        else:
            yield Line(f"      ~ {name}: {before} → {after}", "yellow")
    if change.by_hand:
        yield from _by_hand(change)
    elif not changed:
        yield Line("      what it is made of, not what it does")


def _by_hand(change: Change) -> Iterator[Line]:
    """Yield the lines that are there (-) and that will be there instead (+)."""
    before, after = (text.splitlines() for text in (change.before.resource.text, change.resource.text))
    lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]  # without the names of files
    lines = [line for line in lines if not line.startswith("@@")]
    for line in lines[:_MOST_LINES]:
        yield Line(f"      {line[0]} {line[1:]}", "green" if line[0] == "+" else "red")
    if len(lines) > _MOST_LINES:
        yield Line("      …")
