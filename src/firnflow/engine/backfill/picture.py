"""The calendar of partitions as a picture: PNG or SVG, equal calendars with equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._text import counted
from firnflow.engine.backfill.grid import MISSING
from firnflow.errors import MissingExtraError, UsageError
from firnflow.stores.state.partitions import PartitionStatus

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.engine.backfill.grid import Grid

SUFFIXES = (".png", ".svg")
MOST = 1000
"""How many lines a picture may have."""
INK, MUTED = "#0f172a", "#64748b"
COLOURS = {
    PartitionStatus.SUCCEEDED: "#16a34a",
    PartitionStatus.RUNNING: "#2563eb",
    PartitionStatus.FAILED: "#dc2626",
    PartitionStatus.CRASHED: "#7f1d1d",
    PartitionStatus.CANCELLED: "#d97706",
    PartitionStatus.OUTDATED: "#a3c9a8",
    MISSING: "#e2e8f0",
}
_CELL = 0.2  # inches
_LETTER = 0.085
_HEAD, _FOOT, _EDGE = 0.75, 0.4, 0.25
_EVERY = 5


def write(grid: Grid, path: Path) -> None:
    """Write the picture.

    Raises:
        UsageError: the file's name ends otherwise, or there are too many lines.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path.name}: a picture is a file that ends in {' or '.join(SUFFIXES)}")
    if len(grid.lines) > MOST:
        raise UsageError(f"{counted(len(grid.lines), 'line')} are too many for a picture. Mend: --from and --to")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure as Page
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    form = path.suffix.lower()[1:]
    left = _EDGE + _LETTER * max(len(line.label) for line in grid.lines) + 0.1
    legend = _EDGE + sum(_width(state, count) for state, count in grid.counts.items())
    width = max(left + _CELL * len(grid.head) + _EDGE, legend, 3.5)
    height = _HEAD + _CELL * len(grid.lines) + _FOOT
    with mpl.rc_context({"svg.hashsalt": grid.pipeline, "text.parse_math": False}):
        page = Page(figsize=(width, height), facecolor="white")
        axes = page.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        _draw(axes, grid, left)
        _legend(axes, grid, height - _FOOT / 2)
        metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
        page.savefig(path, format=form, dpi=144, metadata=metadata)


def _draw(axes: Any, grid: Grid, left: float) -> None:
    title = f"{grid.pipeline}: {counted(sum(grid.counts.values()), 'partition')}"
    axes.text(_EDGE, 0.25, title, fontsize=11, fontweight="bold", color=INK, va="center")
    for column, name in enumerate(grid.head):
        if column == 0 or not name.isdecimal() or int(name) % _EVERY == 0:
            middle = left + _CELL * (column + 0.45)
            axes.text(middle, _HEAD - 0.12, name, fontsize=6.5, color=MUTED, ha="center", va="center")
    for row, line in enumerate(grid.lines):
        top = _HEAD + _CELL * row
        axes.text(left - 0.1, top + _CELL * 0.47, line.label, fontsize=7, color=INK, ha="right", va="center")
        for column, state in line.cells.items():
            _cell(axes, left + _CELL * column, top, state)


def _legend(axes: Any, grid: Grid, middle: float) -> None:
    x = _EDGE
    for state, count in grid.counts.items():
        _cell(axes, x, middle - _CELL * 0.45, state)
        axes.text(x + _CELL * 1.1, middle, f"{count:,} {state}", fontsize=7.5, color=MUTED, va="center")
        x += _width(state, count)


def _cell(axes: Any, x: float, y: float, state: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), _CELL * 0.9, _CELL * 0.9, facecolor=COLOURS[state], linewidth=0))
    if state in {PartitionStatus.FAILED, PartitionStatus.CRASHED}:  # told apart without colours too
        side = _CELL * 0.9
        for slope in ((y + side * 0.25, y + side * 0.75), (y + side * 0.75, y + side * 0.25)):
            axes.plot((x + side * 0.25, x + side * 0.75), slope, color="white", linewidth=1.1)


def _width(state: str, count: int) -> float:
    return _CELL * 1.6 + _LETTER * len(f"{count:,} {state}")
