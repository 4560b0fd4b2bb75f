"""The settings of a detector. None of them is fitted to one series: each is a span of time, a share or a rate."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, model_validator

from firnflow.models.section import Section, Share


class Holiday(Section):
    """A day that is known beforehand to be unlike others; equal names tell that it comes again."""

    day: dt.date
    name: str


class DetectorSettings(Section):
    """How a series is read and when a day counts as anomalous.

    Attributes:
        combine: what a day's value is: the sum of its rows (money, counts), or their mean (temperatures, shares).
        missing: what a day or hour without a row means: nothing is known of it, or nothing was used: 0.
        scale: whether changes count in shares of the level or in units of the series; auto: shares, where the first
            history has no negative value.
        false_alarms: days a year that may be flagged though nothing has happened, by chance; the thresholds follow.
        least_deviation: a day nearer to its expectation than this is never flagged: robust standard deviations of past
            one-step errors.
        least_change: likewise, as a share of the level (with `scale` "absolute": of the series' usual spread).
        warmup: days with a known error before the first verdict.
        memory: days of past errors that the thresholds are made from.
        refit: days after which a replay fits its thresholds again, as production would.
        complete: the share of a day's hours that must be there for a verdict.
        holidays: days that are judged against Sundays and their own last occurrence too; may be empty.
    """

    combine: Literal["sum", "mean"] = "sum"
    missing: Literal["unknown", "zero"] = "unknown"
    scale: Literal["auto", "relative", "absolute"] = "auto"
    false_alarms: Annotated[float, Field(gt=0, le=100)] = 1.0
    least_deviation: Annotated[float, Field(ge=0)] = 3.0
    least_change: Annotated[float, Field(ge=0)] = 0.05
    warmup: Annotated[int, Field(ge=14, le=365)] = 21
    memory: Annotated[int, Field(ge=28, le=1500)] = 365
    refit: Annotated[int, Field(ge=1, le=366)] = 7
    complete: Share = 0.75
    holidays: tuple[Holiday, ...] = ()

    @model_validator(mode="after")
    def _spans_fit(self) -> DetectorSettings:
        if self.memory < self.warmup:
            raise ValueError(f"memory ({self.memory} days) must not be shorter than warmup ({self.warmup} days)")
        return self
