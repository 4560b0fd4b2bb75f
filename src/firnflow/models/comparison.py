"""Two versions of a model side by side: figures, which one is better in each, and what else differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from firnflow.models.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.models.registry import ModelVersion, Promotion

Side: TypeAlias = Literal["model", "other"]


class Figure(Section):
    """A metric of both.

    Attributes:
        name: of the metric.
        model: the value of the one.
        other: the value of the other.
        better: whose is better; None: they are equal, or nobody knows which way is better.
    """

    name: str
    model: float | None
    other: float | None
    better: Side | None


class Difference(Section):
    """What was different when they were made, as text; None: it was not there."""

    model: str | None
    other: str | None


class Comparison(Section):
    """Two versions.

    Attributes:
        model: `NAME/3`.
        other: what it is compared with.
        rows: of the holdout on which the gates compared just these two; None: each has the figures of its own
            evaluation, which may be of different rows.
        metrics: by name.
        differences: of data, code and parameters, by name.
    """

    model: str
    other: str
    rows: int | None
    metrics: tuple[Figure, ...]
    differences: dict[str, Difference]


def compare(model: ModelVersion, other: ModelVersion, audit: Iterable[Promotion]) -> Comparison:
    """Compare two versions: on the same rows, if the gates have done so, else by what was registered with each.

    Args:
        model: the one.
        other: the other one.
        audit: of both models; verdicts are taken from it, the newest first.
    """
    rows, mine, theirs = _judged(model, other, audit) or (None, figures(model), figures(other))
    names = sorted(mine.keys() | theirs.keys())
    return Comparison(
        model=model.place,
        other=other.place,
        rows=rows,
        metrics=tuple(_figure(name, mine.get(name), theirs.get(name)) for name in names),
        differences=_differences(model, other),
    )


def figures(version: ModelVersion) -> dict[str, float]:
    """Return the metrics that were registered with a version."""
    return _numbers(version.metadata.get("metrics"))


def _judged(
    model: ModelVersion, other: ModelVersion, audit: Iterable[Promotion]
) -> tuple[int | None, dict[str, float], dict[str, float]] | None:
    """Return rows and figures of the verdict in which the gates compared these two, whichever was the champion."""
    if model.name != other.name:
        return None
    for row in audit:
        verdict = row.verdict or {}
        pair = (verdict.get("version"), verdict.get("champion"))
        if row.name == model.name and pair in {(model.version, other.version), (other.version, model.version)}:
            new, old = _numbers(verdict.get("metrics")), _numbers(verdict.get("champion_metrics"))
            rows = (verdict.get("holdout") or {}).get("rows")
            return (rows, new, old) if pair[0] == model.version else (rows, old, new)
    return None


def _numbers(found: Any) -> dict[str, float]:
    items = found.items() if isinstance(found, dict) else ()
    return {str(name): float(value) for name, value in items if isinstance(value, int | float)}


def _figure(name: str, mine: float | None, theirs: float | None) -> Figure:
    better: Side | None = None
    direction = _directions().get(name)
    if mine is not None and theirs is not None and direction is not None:
        loss = {"higher": lambda x: -x, "lower": lambda x: x, "nearer to 0": abs}[direction]
        ours, others = loss(mine), loss(theirs)
        better = "model" if ours < others else "other" if others < ours else None
    return Figure(name=name, model=mine, other=theirs, better=better)


def _directions() -> dict[str, str]:
    from firnflow.models.evaluation.catalog import ALIASES, METRICS

    found = {name: metric.better for metrics in METRICS.values() for name, metric in metrics.items()}
    return {**found, **{alias: found[name] for alias, name in ALIASES.items()}}


def _differences(model: ModelVersion, other: ModelVersion) -> dict[str, Difference]:
    mine, theirs = (_flat(version.metadata.get("lineage") or {}) for version in (model, other))
    names = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    return {name: Difference(model=mine.get(name), other=theirs.get(name)) for name in names if name != "graph"}


def _flat(data: dict[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = str(value)[:12] if name == "digest" else str(value)
    return found
