"""A comparison as a picture: each metric a strip with two dots, the better one marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.models.comparison import Comparison, Figure

INK, MUTED, LINE, MODEL, OTHER, GOOD = "#0f172a", "#64748b", "#cbd5e1", "#2563eb", "#475569", "#15803d"
WIDTH, STRIP, HEAD, FOOT = 4.6, 0.46, 0.86, 0.3
"""Inches: 662 pixels wide at 144 an inch, to be read on a phone."""
SUFFIXES = (".png", ".svg")


def write(comparison: Comparison, path: Path) -> None:
    """Write the picture as PNG or SVG; equal comparisons give equal bytes.

    Raises:
        UsageError: the file's name ends otherwise, or they have no metric in common.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path.name}: a picture is a file that ends in {' or '.join(SUFFIXES)}")
    common = [each for each in comparison.metrics if each.model is not None and each.other is not None]
    if not common:
        raise UsageError(
            f"{comparison.model} and {comparison.other} have no metric in common: there is nothing to draw"
        )
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure as Page
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    height = HEAD + STRIP * len(common) + FOOT
    form = path.suffix.lower()[1:]
    with mpl.rc_context({"svg.hashsalt": comparison.model}):
        page = Page(figsize=(WIDTH, height), facecolor="white")
        _head(page, comparison, height)
        for at, each in enumerate(common):
            _strip(page, each, 1 - (HEAD + STRIP * (at + 1)) / height, height)
        metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
        page.savefig(path, format=form, dpi=144, metadata=metadata)


def _head(page: Any, comparison: Comparison, height: float) -> None:
    def line(text: str, down: float, **style: Any) -> None:
        page.text(style.pop("x", 0.05), 1 - down / height, _plain(text), va="center", **style)

    line(f"{comparison.model} beside {comparison.other}", 0.22, fontsize=12, fontweight="bold", color=INK)
    line(f"● {comparison.model}", 0.5, fontsize=8.5, color=MODEL)
    line(f"● {comparison.other}", 0.5, fontsize=8.5, color=OTHER, x=0.5)
    line("✓ the better one", 0.7, fontsize=8.5, color=GOOD)
    rows = (
        f"{comparison.rows:,} holdout rows, the same for both" if comparison.rows else "each on the rows of its own run"
    )
    line(rows, height - 0.14, fontsize=7.5, color=MUTED)


def _strip(page: Any, figure: Figure, bottom: float, height: float) -> None:
    mine, theirs = figure.model or 0.0, figure.other or 0.0
    y = bottom + 0.6 * STRIP / height
    page.text(0.05, y, _plain(figure.name), fontsize=8.5, color=INK, va="center")
    for x, value, side in ((0.36, mine, "model"), (0.83, theirs, "other")):
        better = figure.better == side
        text, color = f"{value:.4g}{' ✓' if better else ''}", GOOD if better else INK
        page.text(x, y, text, fontsize=8.5, color=color, fontweight="bold" if better else "normal", va="center")
    axes = page.add_axes((0.53, bottom + 0.25 * STRIP / height, 0.27, 0.7 * STRIP / height))
    axes.plot([mine, theirs], [0, 0], color=LINE, linewidth=2, zorder=1)
    axes.scatter([theirs, mine], [0, 0], c=[OTHER, MODEL], s=34, zorder=2, linewidths=0.6, edgecolors="white")
    room = 0.3 * abs(mine - theirs) or 0.05 * abs(mine) or 0.05
    axes.set(xlim=(min(mine, theirs) - room, max(mine, theirs) + room), ylim=(-1, 1))
    axes.axis("off")


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # it would begin a formula
