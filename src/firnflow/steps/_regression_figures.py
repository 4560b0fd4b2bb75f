"""The pictures of a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.steps._figures import FIRST, INK, MUTED, POINT, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.steps.evaluation import RegressionEvaluation

_DASHED = {"color": MUTED, "linewidth": 1, "linestyle": (0, (4, 4))}


def predicted(found: RegressionEvaluation, unit: str) -> Callable[[Any], None]:
    """Draw labels over predictions: some rows, the diagonal, and the mean of each tenth."""

    def draw(axes: Any) -> None:
        _points(axes, found.sample.x, found.sample.y)
        low, high = _ends(found.sample.x)
        axes.plot([low, high], [low, high], **_DASHED)
        bins = found.residuals.bins
        axes.plot([b.predicted for b in bins], [b.observed for b in bins], color=SECOND, marker="o", markersize=5)
        axes.set(xlim=(low, high), ylim=_ends(found.sample.y))
        _named(axes, "predicted", "actual", unit)

    return draw


def residuals(found: RegressionEvaluation, unit: str) -> Callable[[Any], None]:
    """Draw residuals over predictions: some rows, and median and quartiles of each tenth."""

    def draw(axes: Any) -> None:
        x = found.sample.x
        y = [label - said for said, label in zip(x, found.sample.y, strict=True)]
        _points(axes, x, y)
        axes.axhline(0, **_DASHED)
        bins = found.residuals.bins
        places = [b.predicted for b in bins]
        axes.fill_between(places, [b.low for b in bins], [b.high for b in bins], color=SECOND, alpha=0.25, linewidth=0)
        axes.plot(places, [b.middle for b in bins], color=SECOND, marker="o", markersize=5)
        axes.set(xlim=_ends(x), ylim=_ends(y))
        _named(axes, "predicted", "actual less predicted", unit)

    return draw


def spread(found: RegressionEvaluation, unit: str) -> Callable[[Any], None]:
    """Draw the histogram of the residuals, as shares of the rows, and where nine in ten of them lie."""

    def draw(axes: Any) -> None:
        shape = found.residuals
        axes.stairs([c / found.rows for c in shape.counts], shape.edges, fill=True, color=FIRST, alpha=0.55)
        axes.axvline(0, color=INK, linewidth=1.2)
        for place in (shape.low, shape.high):
            axes.axvline(place, **_DASHED)
        axes.set(xlim=(shape.edges[0], shape.edges[-1]))
        _named(axes, "actual less predicted", "", unit)
        axes.set(ylabel="share of the rows")

    return draw


def _points(axes: Any, x: Any, y: Any) -> None:
    # As pixels: thousands of points as SVG elements would slow the page down.
    axes.scatter(x, y, s=9, color=POINT, alpha=0.45, linewidths=0, rasterized=True)


def _ends(values: Any) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.04 or 1.0
    return low - room, high + room


def _named(axes: Any, x: str, y: str, unit: str) -> None:
    of = f" ({unit})" if unit else ""
    axes.set(xlabel=x + of, ylabel=y + of if y else "")
