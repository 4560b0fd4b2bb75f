"""`[monitors.MODEL]`: in which named table the predictions of a model stand, and what is watched there."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from firnflow.graph.names import Name
from firnflow.graph.units import parse_duration
from firnflow.project.toml import STRICT

Column = Annotated[str, Field(min_length=1, max_length=255)]
Span = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
_DAY = 86_400.0


class Monitor(BaseModel):
    """What is watched of the champion of a model.

    Attributes:
        table: the named table with a row for each prediction, and the features that it was made from.
        time: the column with the moment of a prediction.
        key: the columns that tell rows apart.
        score: the column with the probability, or the number, that was predicted.
        predicted: the column with the class, 0 or 1.
        actual: the column with what has happened; empty as long as nobody knows.
        version: the column with the number of the model's version, as `3`; without one all rows count.
        baseline: the named table that drift is measured against, with the same columns.
        segments: columns with texts, by whose values it is watched too.
        every: seconds after which the figures are computed anew.
        window: seconds that a figure is of.
    """

    model_config = STRICT
    table: Name
    time: Column
    key: tuple[Column, ...] = ()
    score: Column | None = None
    predicted: Column | None = None
    actual: Column | None = None
    version: Column | None = None
    baseline: Name | None = None
    segments: tuple[Column, ...] = ()
    every: Span = _DAY
    window: Span = _DAY


def _sensible(monitor: Monitor) -> Monitor:
    if monitor.score is None and monitor.predicted is None:
        raise ValueError("needs score = 'COLUMN', or predicted = 'COLUMN': what the model has said")
    found = [monitor.time, *monitor.key, *monitor.segments]
    found += [each for each in (monitor.score, monitor.predicted, monitor.actual, monitor.version) if each is not None]
    twice = next((each for each in found if found.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f"names the column {twice!r} for two things")
    return monitor


Monitors = dict[Name, Annotated[Monitor, AfterValidator(_sensible)]]
"""Model → what is watched of it."""
