"""What a task is called with: for each argument a plain value, a ref, or a list of these. JSON in every message."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from firnflow.values.ref import Ref


@dataclass(frozen=True, slots=True)
class Value:
    """A plain value: a constant of the pipeline, a parameter, an element of a list that a task returned."""

    json: Any


Bound: TypeAlias = "Value | Ref | list[Bound]"


def to_json(bound: Bound) -> dict[str, Any]:
    """Return what `from_json` reads."""
    if isinstance(bound, Value):
        return {"value": bound.json}
    if isinstance(bound, Ref):
        return {"ref": bound.to_json()}
    return {"list": [to_json(item) for item in bound]}


def from_json(data: dict[str, Any]) -> Bound:
    """Return what `to_json` wrote."""
    if "ref" in data:
        return Ref.from_json(data["ref"])
    if "list" in data:
        return [from_json(item) for item in data["list"]]
    return Value(data["value"])


def digest(bound: Bound) -> str:
    """Return the digest of a bound argument: equal for equal content, however it got there."""
    if isinstance(bound, Ref):
        return bound.digest
    if isinstance(bound, Value):  # unsorted: the order of a dict is part of the value
        return _sha256(json.dumps(["value", bound.json], separators=(",", ":")))
    return hash_json(["list", [digest(item) for item in bound]])


def stored(bound: Bound) -> list[Ref]:
    """Return the refs of the files in a bound argument."""
    if isinstance(bound, Value):
        return []
    if isinstance(bound, list):
        return [ref for item in bound for ref in stored(item)]
    return [part for _, part in bound.walk() if part.where is not None]


def hash_json(data: object) -> str:
    """Return the hex SHA-256 of canonical JSON (sorted keys, no spaces)."""
    return _sha256(json.dumps(data, sort_keys=True, separators=(",", ":")))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
