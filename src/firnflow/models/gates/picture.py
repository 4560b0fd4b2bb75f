"""The verdict as a picture for a phone: each rule as a strip, the model and what it is held against, the bound.

The reddish side of a strip is the wrong one. A thin line is the range of a figure; a thick one the range of the paired
difference, drawn from the baseline: where it touches the reddish side, the difference may be noise.
"""

from __future__ import annotations

import textwrap
import warnings
from typing import TYPE_CHECKING, Any

from firnflow.errors import MissingExtraError
from firnflow.models.gates.wording import cut, figure

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.models.gates.verdict import RuleResult, Verdict

INK, MUTED, LINE, MODEL, OTHER = "#0f172a", "#64748b", "#cbd5e1", "#2563eb", "#475569"
GOOD, BAD, WRONG = "#15803d", "#b91c1c", "#fee2e2"
COLORS = {"promote": GOOD, "wait": "#b45309", "shadow": "#475569", "reject": BAD}
TITLES = {"promote": "Promote", "wait": "Wait for approval", "shadow": "Passed (shadow)", "reject": "Reject"}
WIDTH, MARGIN = 4.6, 0.22
"""Inches; 662 pixels wide at 144 a inch."""
TITLE, STRIP, TEXT, GAP = 0.26, 0.52, 0.165, 0.16
_CHARACTERS, _TITLE = 66, 46


def draw(verdict: Verdict) -> Any:
    """Return the verdict as a `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    ordered = sorted(verdict.results, key=lambda result: result.passed)
    foot = [*_foot(verdict)]
    height = 1.03 + sum(_height(result) for result in ordered) + TEXT * len(foot) + MARGIN
    page = _Page(Figure(figsize=(WIDTH, height), facecolor="white"), height)
    page.text(TITLES[verdict.decision], 17, COLORS[verdict.decision], bold=True, height=0.36)
    against = f"against version {verdict.champion}" if verdict.champion is not None else "no champion yet"
    version = f"/{verdict.version}" if verdict.version is not None else ""
    page.text(f"{verdict.model}{version}, {against}", 9.5, INK, height=0.24)
    page.legend()
    for result in ordered:
        _block(page, result)
    for line in foot:
        page.text(line, 7, MUTED, height=TEXT)
    return page.figure


def write_png(verdict: Verdict, path: Path) -> None:
    """Write the picture as a PNG; equal verdicts give equal bytes. Raises MissingExtraError as `draw`."""
    found = draw(verdict)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a group's name in letters that the font does not have
        found.savefig(path, format="png", dpi=144, metadata={"Software": None})


class _Page:
    """A figure that is filled from top to bottom, in inches."""

    def __init__(self, found: Any, height: float) -> None:
        self.figure, self.height, self.down = found, height, 0.13

    def text(self, text: str, size: float, color: str, *, height: float, bold: bool = False, right: str = "") -> None:
        """Write a line, and at its right end another text."""
        self._write(text, MARGIN, height, size=size, color=color, weight="bold" if bold else "normal")
        self._write(right, WIDTH - MARGIN, height, size=size, color=color, ha="right")
        self.down += height

    def legend(self) -> None:
        """Say what the dots are."""
        for x, text, color in (
            (MARGIN, "● the model", MODEL),
            (MARGIN + 0.95, "● what it is compared with", OTHER),
            (MARGIN + 2.75, "■ the wrong side", "#fca5a5"),
        ):
            self._write(text, x, 0.22, size=7.5, color=color)
        self.down += 0.3

    def _write(self, text: str, x: float, height: float, **style: Any) -> None:
        # Names of columns and groups come from data, and `$` would begin a formula.
        y = 1 - (self.down + height / 2) / self.height
        self.figure.text(x / WIDTH, y, text.replace("$", r"\$"), va="center", **style)

    def strip(self) -> Any:
        """Return axes of the page's width."""
        bottom = 1 - (self.down + STRIP - 0.16) / self.height
        found = self.figure.add_axes((MARGIN / WIDTH, bottom, 1 - 2 * MARGIN / WIDTH, (STRIP - 0.2) / self.height))
        self.down += STRIP
        return found


def _foot(verdict: Verdict) -> list[str]:
    use = verdict.holdout
    bounds = f"; bounds at {verdict.confidence:.0%}" if verdict.resamples else ""
    said = f"{use.rows:,} of {use.given:,} {verdict.rows_are}{bounds}."
    return textwrap.wrap(" ".join([said, *verdict.notes]), 80)


def _height(result: RuleResult) -> float:
    return TITLE + (STRIP if _has_strip(result) else 0) + TEXT * len(_reason(result)) + GAP


def _has_strip(result: RuleResult) -> bool:
    return result.value is not None and result.bound is not None


def _reason(result: RuleResult) -> list[str]:
    """Return the lines of the reason: of a rule that passed the strip says enough."""
    return [] if result.passed and _has_strip(result) else textwrap.wrap(result.reason, _CHARACTERS)


def _block(page: _Page, result: RuleResult) -> None:
    mark, color = ("✓", GOOD) if result.passed else ("✗", BAD)
    value = figure(result.value, result.unit) if result.value is not None else ""
    if result.segment is not None:
        value += f" {cut(result.segment, 14)}"
    title = cut(result.name.replace(">=", "≥").replace("<=", "≤"), _TITLE - len(value))
    page.text(f"{mark} {title}", 9.5, color, height=TITLE, bold=True, right=value)
    if _has_strip(result):
        _strip(page.strip(), result)
    for line in _reason(result):
        page.text(line, 8, INK, height=TEXT)
    page.down += GAP


def _strip(axes: Any, result: RuleResult) -> None:
    value, bound = result.value or 0.0, result.bound or 0.0
    low, high = _extent(result, value, bound)
    wrong = (low, bound) if result.op and result.op[0] == ">" else (bound, high)
    axes.axvspan(*wrong, color=WRONG, linewidth=0)
    axes.axvline(bound, color=BAD, linewidth=1, linestyle=(0, (3, 2)))
    if result.reference_value is not None:
        if result.difference_interval is not None:
            paired = [result.reference_value + end for end in result.difference_interval]
            axes.plot(paired, [1, 1], color=MODEL, linewidth=6, alpha=0.35, solid_capstyle="butt")
        _dot(axes, result.reference_value, result.reference_interval, 0, OTHER)
    elif result.segments and result.segments[0].value == value:
        for each in result.segments[1:]:
            axes.plot([each.value], [0], marker="o", markersize=4, color=OTHER if each.passed else BAD, alpha=0.6)
    _dot(axes, value, result.interval, 1, MODEL)
    axes.set(xlim=(low, high), ylim=(-0.8, 1.8), yticks=[])
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="x", labelsize=7, colors=MUTED, length=2, color=LINE, pad=1.5)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)


def _dot(axes: Any, value: float, interval: Any, height: float, color: str) -> None:
    if interval is not None:
        axes.plot(interval, [height, height], color=color, linewidth=1.4)
    axes.plot([value], [height], marker="o", markersize=6.5, color=color, markeredgecolor="white", markeredgewidth=0.6)


def _extent(result: RuleResult, value: float, bound: float) -> tuple[float, float]:
    """Return the ends of the axis: all that is drawn, and some room."""
    shown = [value, bound, *(result.interval or ()), *(result.reference_interval or ())]
    shown += [result.reference_value] if result.reference_value is not None else []
    shown += [each.value for each in result.segments if result.segments[0].value == value]
    room = 0.08 * (max(shown) - min(shown)) or 0.05 * abs(bound) or 0.05
    return min(shown) - room, max(shown) + room
