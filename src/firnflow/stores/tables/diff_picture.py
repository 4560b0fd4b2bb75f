"""A difference as a picture: of each column that has moved the shares of its bins, both versions beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._text import counted
from firnflow.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.stores.tables.diff import Difference, Moved

INK, MUTED, BEFORE, AFTER, WARN = "#0f172a", "#64748b", "#94a3b8", "#2563eb", "#b45309"
WIDTH, PANEL, HEAD = 6.0, 1.7, 0.95
SUFFIXES = (".png", ".svg")
MOST = 12
_LABEL = 14


def write(found: Difference, path: Path) -> None:
    """Write the picture as PNG or SVG; equal differences give equal bytes.

    Raises:
        UsageError: the file's name ends otherwise, or the versions have no column that could be drawn.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path.name}: a picture is a file that ends in {' or '.join(SUFFIXES)}")
    if not found.moved:
        raise UsageError(f"{found.table}: the versions have no column in common that could be drawn")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure as Page
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    drawn = found.moved[:MOST]
    lines = -(-len(drawn) // 2)
    height = HEAD + PANEL * lines
    form = path.suffix.lower()[1:]
    with mpl.rc_context({"svg.hashsalt": found.table}):
        page = Page(figsize=(WIDTH, height), facecolor="white")
        _head(page, found, height)
        for at, each in enumerate(drawn):
            line, side = divmod(at, 2)
            bottom = 1 - (HEAD + PANEL * (line + 1) - 0.62) / height
            _panel(page.add_axes((0.07 + 0.49 * side, bottom, 0.41, (PANEL - 1.0) / height)), each)
        metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
        page.savefig(path, format=form, dpi=144, metadata=metadata)


def _head(page: Any, found: Difference, height: float) -> None:
    def line(text: str, down: float, x: float = 0.04, **style: Any) -> None:
        page.text(x, 1 - down / height, text.replace("$", r"\$"), va="center", **style)

    line(f"{found.table}: version {found.before} → {found.after}", 0.22, fontsize=12, fontweight="bold", color=INK)
    line(f"■ version {found.before}: {counted(found.rows[0], 'row')}", 0.48, fontsize=8.5, color=BEFORE)
    line(f"■ version {found.after}: {counted(found.rows[1], 'row')}", 0.48, x=0.52, fontsize=8.5, color=AFTER)
    left = len(found.moved) - MOST
    said = f"{counted(found.added, 'row')} added, {found.removed:,} removed"
    line(f"{said}{f'; {left} more columns' if left > 0 else ''}", 0.7, fontsize=8.5, color=MUTED)


def _panel(axes: Any, each: Moved) -> None:
    at = range(len(each.bins))
    axes.bar([x - 0.2 for x in at], each.before, width=0.38, color=BEFORE)
    axes.bar([x + 0.2 for x in at], each.after, width=0.38, color=AFTER)
    color = WARN if each.how_much == "much" else INK
    title = f"{each.column}  ·  PSI {each.psi:.2g} ({each.how_much})".replace("$", r"\$")
    axes.set_title(title, fontsize=8, color=color, loc="left", pad=3)
    labels = [text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…" for text in each.bins]
    axes.set_xticks(list(at), [label.replace("$", r"\$") for label in labels], rotation=40, ha="right", fontsize=5.5)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.tick_params(axis="y", labelsize=5.5, colors=MUTED)
    axes.tick_params(axis="x", length=0, colors=MUTED)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
