"""The scale on which changes are judged: shares of the level, or units of the series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from firnflow.models.section import Section
from firnflow.monitoring.anomalies.robust import CONSISTENT, median

if TYPE_CHECKING:
    from firnflow.monitoring.anomalies.robust import Array

STARTED = 0.1
"""What is added before the logarithm, as a share of the typical value: J. W. Tukey's started log, finite at 0."""


class Scale(Section):
    """One of two transformations, made once and kept with the detector.

    Attributes:
        kind: "relative": log(value + start); "absolute": value / start.
        start: in units of the series.
    """

    kind: Literal["relative", "absolute"]
    start: float

    def apply(self, values: Array) -> Array:
        """Return values on the scale. What lies below what a logarithm takes is moved to the least that it takes."""
        if self.kind == "absolute":
            return values / self.start
        return np.log(np.maximum(values, -0.9 * self.start) + self.start)

    def back(self, value: float) -> float:
        """Return a value of the scale in units of the series."""
        if self.kind == "absolute":
            return value * self.start
        return math.exp(min(value, 700.0)) - self.start

    def change(self, share: float) -> float:
        """Return a share of the level as a distance on the scale."""
        return math.log1p(share) if self.kind == "relative" else share


def scale_of(values: Array, wanted: Literal["auto", "relative", "absolute"]) -> Scale:
    """Return the scale for known values, n; of what fits to all of the series, this is the only thing."""
    known = values[~np.isnan(values)]
    positive = known[known > 0]
    relative = wanted == "relative" or (wanted == "auto" and not (known < 0).any())
    if relative and len(positive):
        return Scale(kind="relative", start=rounded(STARTED * float(np.median(positive))))
    middle = median(known)
    spread = CONSISTENT * float(median(np.abs(known - middle)))
    return Scale(kind="absolute", start=rounded(spread or float(np.std(known)) or abs(float(middle)) or 1.0))


def rounded(value: Any) -> float:
    """Return a number with ten significant digits: the last ones depend on the machine's instructions."""
    return float(f"{float(value):.10g}")
