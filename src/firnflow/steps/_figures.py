"""The report's figures, as SVG whose colours are CSS variables: one drawing for light and dark pages."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

from firnflow._plots import style
from firnflow.errors import MissingExtraError
from firnflow.steps._html import amount, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.steps.evaluation import FeatureWeight

# Drawn in stand-in colours, which are then replaced by variables of the page's style sheet.
INK, MUTED, LINE, FIRST, SECOND = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", FIRST: "--first", SECOND: "--second"}
_LOW, _MIDDLE, _HIGH = "#3b82f6", "#8b5cf6", "#ef4444"
# Of points that are drawn as pixels, which know no variables: to be seen on light and on dark pages.
POINT, MISSING = _LOW, "#94a3b8"
_FONT = re.compile(r"(font: [^;\"]*?px )[^;\"]*")
_STYLE = style(INK, MUTED, LINE, svg_fonttype="none", font_size=11)


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
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The reader's fonts draw the text: those of matplotlib need not have every letter.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, dpi=200, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = _FONT.sub(r"\1system-ui, sans-serif", text[text.index("<svg") :])
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    return re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"|(<svg [^>]*?)height="[^"]*" width="[^"]*"', r"\1\2", text)


def beside(axes: Any, x: float, y: float, text: str) -> None:
    """Write a few words to the right of a point."""
    axes.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", color=MUTED, fontsize=9)


def contributions(weights: tuple[FeatureWeight, ...], to: str) -> Callable[[Any], None]:
    """Draw each feature's mean absolute contribution as a bar, the strongest at the top; `to` says what."""

    def draw(axes: Any) -> None:
        names = [wrapped(w.feature) for w in weights]
        places = range(len(weights))
        values = [w.contribution for w in weights]
        axes.barh(places, values, color=FIRST, height=0.62)
        for place, value in zip(places, values, strict=True):
            beside(axes, value, place, amount(value))
        axes.set_yticks(places, names, color=INK)
        axes.set(xlim=(0, 1.15 * max([*values, 1e-9])), xlabel=f"mean |contribution| to the {to}")
        axes.set_ylim(len(weights) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")

    return draw


def summary(weights: tuple[FeatureWeight, ...], to: str) -> Callable[[Any], None]:
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
        axes.set(xlabel=f"contribution to the {to}", ylim=(len(weights) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")

    return draw


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
