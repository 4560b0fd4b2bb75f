"""The report's figures, as SVG whose colours are CSS variables: one drawing for light and dark pages."""

from __future__ import annotations

import io
import re
import textwrap
from typing import TYPE_CHECKING, Any

from firnflow.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.steps.evaluation import Evaluation, FeatureWeight

# Drawn in stand-in colours, which are then replaced by variables of the page's style sheet.
INK, MUTED, LINE, FIRST, SECOND = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", FIRST: "--first", SECOND: "--second"}
_LOW, _MIDDLE, _HIGH = "#3b82f6", "#8b5cf6", "#ef4444"
_FONT = re.compile(r"(font: [^;\"]*?px )[^;\"]*")
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}


def svg(draw: Callable[[Any], None], name: str, size: tuple[float, float]) -> str:
    """Return what `draw` puts on axes as an SVG element; the same bytes in every process.

    Args:
        draw: takes a matplotlib axes.
        name: tells the figures of a page apart.
        size: width and height in inches of 72 points.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, dpi=200, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = _FONT.sub(r"\1system-ui, sans-serif", text[text.index("<svg") :])
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    return re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"|(<svg [^>]*?)height="[^"]*" width="[^"]*"', r"\1\2", text)


def roc(found: Evaluation) -> Callable[[Any], None]:
    """Draw the ROC curve, the diagonal, and the chosen threshold."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        axes.fill_between(found.roc.x, found.roc.y, color=FIRST, alpha=0.1, linewidth=0)
        axes.plot(found.roc.x, found.roc.y, color=FIRST, linewidth=2)
        _mark(axes, found.false_positive_rate, found.recall)
        axes.text(0.97, 0.06, f"AUC {found.roc_auc:.3f}", ha="right", fontsize=13, fontweight="bold")
        _unit_square(axes, "false positive rate", "recall (true positive rate)")

    return draw


def precision_recall(found: Evaluation) -> Callable[[Any], None]:
    """Draw precision over recall, the share of positives, and the chosen threshold."""

    def draw(axes: Any) -> None:
        base = found.positives / found.rows
        axes.axhline(base, color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        axes.plot(found.precision_recall.x, found.precision_recall.y, color=FIRST, linewidth=2)
        axes.fill_between(found.precision_recall.x, found.precision_recall.y, color=FIRST, alpha=0.1, linewidth=0)
        _mark(axes, found.recall, found.precision)
        axes.text(0.97, 0.93, f"AP {found.average_precision:.3f}", ha="right", fontsize=13, fontweight="bold")
        _unit_square(axes, "recall", "precision")

    return draw


def beside(axes: Any, x: float, y: float, text: str) -> None:
    """Write a few words to the right of a point."""
    axes.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", color=MUTED, fontsize=9)


def _mark(axes: Any, x: float, y: float) -> None:
    axes.plot([x], [y], marker="o", markersize=8, color=SECOND, markeredgecolor=INK, markeredgewidth=0.8)


def _unit_square(axes: Any, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=x, ylabel=y)


def calibration(found: Evaluation) -> Callable[[Any], None]:
    """Draw the share of positives over the mean probability, by tenths of the rows."""

    def draw(axes: Any) -> None:
        predicted = [b.predicted for b in found.calibration]
        observed = [b.observed for b in found.calibration]
        top = min(1.0, 1.12 * max(*predicted, *observed, 0.01))
        axes.plot([0, top], [0, top], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        axes.plot(predicted, observed, color=FIRST, linewidth=2, marker="o", markersize=5)
        axes.set(xlim=(0, top), ylim=(0, top), xlabel="mean predicted probability", ylabel="observed share")

    return draw


def distribution(found: Evaluation, positive: str) -> Callable[[Any], None]:
    """Draw how probabilities are spread, by label, each as a share of its label."""

    def draw(axes: Any) -> None:
        edges = found.histogram.edges
        for counts, color, name in (
            (found.histogram.negatives, FIRST, "others"),
            (found.histogram.positives, SECOND, positive),
        ):
            total = sum(counts) or 1
            axes.stairs([c / total for c in counts], edges, fill=True, color=color, alpha=0.55, label=name)
        axes.axvline(found.threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        beside(axes, found.threshold, axes.get_ylim()[1] * 0.96, f"threshold {found.threshold:.2f}")
        axes.set(xlim=(0, 1), xlabel="predicted probability", ylabel="share of its label")
        axes.legend(loc="upper right", bbox_to_anchor=(1, 0.9))

    return draw


def contributions(weights: tuple[FeatureWeight, ...]) -> Callable[[Any], None]:
    """Draw each feature's mean absolute contribution as a bar, the strongest at the top."""

    def draw(axes: Any) -> None:
        names = [wrapped(w.feature) for w in weights]
        places = range(len(weights))
        values = [w.contribution for w in weights]
        axes.barh(places, values, color=FIRST, height=0.62)
        for place, value in zip(places, values, strict=True):
            beside(axes, value, place, f"{value:.3f}")
        axes.set_yticks(places, names, color=INK)
        axes.set(xlim=(0, 1.15 * max([*values, 1e-9])), xlabel="mean |contribution| to the log-odds")
        axes.set_ylim(len(weights) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")

    return draw


def summary(weights: tuple[FeatureWeight, ...]) -> Callable[[Any], None]:
    """Draw a point per row and feature: left or right by its effect, coloured by the feature's value."""

    def draw(axes: Any) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        colors = LinearSegmentedColormap.from_list("levels", [_LOW, _MIDDLE, _HIGH])
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, weight in enumerate(weights):
            shades = [MISSING if level is None else colors(level) for level in weight.levels]
            heights = [place + offset for offset in _swarm(weight.effects)]
            # As pixels: thousands of points as SVG elements would slow the page down.
            axes.scatter(weight.effects, heights, c=shades, s=7, linewidths=0, alpha=0.85, rasterized=True)
        axes.set_yticks(range(len(weights)), [wrapped(w.feature) for w in weights], color=INK)
        axes.set(xlabel="contribution to the log-odds", ylim=(len(weights) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")

    return draw


MISSING = "#94a3b8"


def _swarm(effects: tuple[float, ...]) -> list[float]:
    """Return vertical offsets that spread the points of a crowded place, in the order of the rows."""
    if not effects:
        return []
    low, high = min(effects), max(effects)
    width = (high - low) / 60 or 1.0
    crowd: dict[int, int] = {}
    offsets = []
    for effect in effects:
        cell = int((effect - low) / width)
        number = crowd.get(cell, 0)
        crowd[cell] = number + 1
        offsets.append((number + 1) // 2 * (1 if number % 2 else -1))
    most = max(map(abs, offsets)) or 1
    scale = min(0.4 / most, 0.05)
    return [offset * scale for offset in offsets]


def wrapped(name: str, width: int = 26) -> str:
    """Return a feature's name as words on one or two lines."""
    words = name.replace("_over_", " ÷ ").replace("_times_", " × ").replace("_vs_", " against ").replace("_", " ")
    lines = textwrap.wrap(words, width)
    return "\n".join([lines[0], textwrap.shorten(" ".join(lines[1:]), width, placeholder="…")]) if lines[1:] else words
