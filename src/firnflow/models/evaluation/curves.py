"""Curves with no more points than a screen shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array
    from firnflow.models.evaluation.binary import Ladder

POINTS = 200


class Points(NamedTuple):
    """A curve: equally many x and y."""

    x: Array
    y: Array


def roc(steps: Ladder, points: int = POINTS) -> Points:
    """Return recall over the false positive rate, from (0, 0) to (1, 1)."""
    true, false = _thinned(steps, points)
    return Points(np.append(0.0, false / steps.false_positives[-1]), np.append(0.0, true / steps.true_positives[-1]))


def precision_recall(steps: Ladder, points: int = POINTS) -> Points:
    """Return precision over recall, by rising recall."""
    true, false = _thinned(steps, points)
    return Points(true / steps.true_positives[-1], true / (true + false))


def _thinned(steps: Ladder, points: int) -> tuple[Array, Array]:
    # Even steps in the number of flagged rows.
    flagged = steps.true_positives + steps.false_positives
    kept = np.unique(np.searchsorted(flagged, np.linspace(1, flagged[-1], points)))
    return steps.true_positives[kept], steps.false_positives[kept]
