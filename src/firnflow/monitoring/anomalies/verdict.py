"""What a detector says of a day."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from firnflow.models.section import Section

Status = Literal["normal", "anomaly", "warming up", "unknown"]


class Hour(Section):
    """A part of a day that is unlike what it was expected to be.

    Attributes:
        start: when it begins, as HH:MM.
        value: what it was.
        expected: what it should have been, given the day's total.
        deviations: how far that is apart, in robust standard deviations of this hour's past errors.
    """

    start: str
    value: float
    expected: float
    deviations: float


class Verdict(Section):
    """One day, judged by what was known at its end.

    Attributes:
        day: the date.
        status: "warming up": too little is known of the days before; "unknown": of the day itself.
        value: the day's sum or mean; None: unknown.
        expected: the forecast from the days before.
        low, high: a total between them is normal.
        score: how far the day is on its way to the bound, or beyond: above 1 it is an anomaly.
        reasons: "high" or "low" total, or its "hours".
        hours: where the hours are the reason: those that differ most, the most unusual one first.
    """

    day: dt.date
    status: Status
    value: float | None = None
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    score: float | None = None
    reasons: tuple[Literal["high", "low", "hours"], ...] = ()
    hours: tuple[Hour, ...] = ()

    @property
    def anomaly(self) -> bool:
        """Whether the day is flagged."""
        return self.status == "anomaly"
