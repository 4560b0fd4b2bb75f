"""How many rows can be explained in some seconds: an estimate from the model's size, never a measurement.

A clock would give another number of rows on a busy day, and with it another digest of the same work. Here the cost of a
row is counted in elementary steps, and a fixed number of them is said to fit in a second: the same model, rows and
budget give the same rows, on every machine. On a slow one the budget is overrun; `Watch` says so.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Self

from firnflow._text import counted
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

TREE_STEPS = 200_000_000
"""Of TreeSHAP in a second of one thread. Measured on one core, in millions: XGBoost 196 with trees of depth 3, 370 to
562 of depth 6 to 10; LightGBM 412 to 1346; shap on forests 332 to 629. The slowest counts."""
PREDICTIONS = 50_000
"""Rows that an unknown model predicts in a second. Measured on 2,500 rows of 20 features, shap's own work not counted:
127 thousand by neighbours, 640 by a small network."""
_LATE = 2.0
log = logging.getLogger("firnflow.models")


def tree_cost(trees: Iterable[tuple[int, int]]) -> float:
    """Return the seconds that exact SHAP values of a row take: O(leaves · depth²) a tree (Lundberg et al. 2020).

    Args:
        trees: leaves and depth of each.
    """
    return sum(leaves * max(depth, 1) ** 2 for leaves, depth in trees) / TREE_STEPS


def affordable(seconds: float | None, cost: float, rows: int) -> int:
    """Return how many of the rows fit into a budget: at least one, if there is one.

    Args:
        seconds: the budget; None: there is none.
        cost: seconds a row.
        rows: how many there are.

    Raises:
        UsageError: the budget is no positive number.
    """
    if seconds is None:
        return rows
    if not seconds > 0:
        raise UsageError(f"A budget of {seconds:g} seconds explains nothing. Mend: more than 0, or None for all rows")
    return min(rows, max(1, int(seconds / cost))) if cost * rows > seconds else rows


class Watch:
    """Says in the log when some work took much longer than its budget; it changes nothing. For `with`."""

    def __init__(self, seconds: float | None, rows: int) -> None:
        self._seconds, self._rows = seconds, rows
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        taken = time.perf_counter() - self._began
        if self._seconds is not None and taken > _LATE * self._seconds:
            log.warning(
                "explaining %s took %.1f s, where %g s were planned: this machine is slower than the estimate takes it "
                "to be. Mend: a smaller budget",
                counted(self._rows, "row"),
                taken,
                self._seconds,
            )
