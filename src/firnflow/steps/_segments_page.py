"""The part of the report that looks at one segment after the other."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from firnflow._text import printable
from firnflow.steps._figures import FIRST, INK, MUTED, SECOND, svg
from firnflow.steps._html import amount, figure, percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.steps.evaluation import BinaryEvaluation, RegressionEvaluation, Segment, Segmentation

_NAMED = 5
_NAME = 28


def segments(found: BinaryEvaluation | RegressionEvaluation, row: str) -> str:
    """Return a picture and a table for each column; nothing where there are no columns.

    Args:
        found: the evaluation.
        row: what rows are called, in the plural.
    """
    if not found.segments:
        return ""
    shares = found.kind == "binary"
    parts = "".join(_column(each, shares=shares, confidence=found.confidence, row=row) for each in found.segments)
    return f"<h2>Segments</h2>{parts}"


def _column(of: Segmentation, *, shares: bool, confidence: float, row: str) -> str:
    name = escape(words(of.column))
    if not of.segments:
        return f"<p>{name.capitalize()}: {_left_out(of, row)}</p>"
    height = 1.0 + 0.3 * len(of.segments)
    drawing = svg(_drawing(of), f"segments-{of.column}", (5.0, max(height, 2.0)))
    caption = (
        f"{words(of.metric)} with its {percent(confidence)} interval, by {name}. The dashed line is all {escape(row)};"
        " what is worse by more than chance is orange."
    )
    return (
        f"<p>{_sentence(of)} {_left_out(of, row)}</p>"
        f'<div class="pair top">{figure(drawing, name.capitalize(), caption)}{_table(of, shares=shares)}</div>'
    )


def _sentence(of: Segmentation) -> str:
    worse = [each for each in of.segments if _is_worse(each, of)]
    if not worse:
        return f"In no {escape(words(of.column))} is {words(of.metric)} worse than among all by more than chance."
    named = ", ".join(escape(_cut(each.name)) for each in worse[:_NAMED])
    more = f" and {len(worse) - _NAMED} more" if len(worse) > _NAMED else ""
    return (
        f"In {len(worse)} of {len(of.segments)} the {words(of.metric)} is worse than among all by more than chance:"
        f" {named}{more}."
    )


def _left_out(of: Segmentation, row: str) -> str:
    parts = []
    if of.small:
        parts.append(f"{of.small:,} with fewer than {of.min_rows:,} {escape(row)} ({of.small_rows:,} in all)")
    if of.beyond:
        parts.append(f"{of.beyond:,} more that are not among the largest ({of.beyond_rows:,} {escape(row)})")
    return f"Left out: {'; '.join(parts)}." if parts else ""


def _is_worse(each: Segment, of: Segmentation) -> bool:
    """Whether the whole interval is on the worse side of all rows."""
    if each.bounds is None or of.whole is None:
        return False
    if of.better == "higher":
        return each.bounds.high < of.whole
    if of.better == "lower":
        return each.bounds.low > of.whole
    return min(abs(each.bounds.low), abs(each.bounds.high)) > abs(of.whole) and each.bounds.low * each.bounds.high > 0


def _drawing(of: Segmentation) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        if of.whole is not None:
            axes.axvline(of.whole, color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        for place, each in enumerate(of.segments):
            color = SECOND if _is_worse(each, of) else FIRST
            if each.bounds is not None:
                axes.hlines(place, each.bounds.low, each.bounds.high, color=color, linewidth=2, alpha=0.6)
            if each.value is not None:
                axes.plot([each.value], [place], "o", color=color, markersize=6)
        axes.set_yticks(range(len(of.segments)), [_cut(each.name) for each in of.segments], color=INK)
        axes.set(xlabel=words(of.metric), ylim=(len(of.segments) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")

    return draw


def _cut(name: str) -> str:
    text = printable(name)
    return text if len(text) <= _NAME else text[: _NAME - 1] + "…"


def _table(of: Segmentation, *, shares: bool) -> str:
    def figure_of(value: float) -> str:
        return percent(value, 1) if shares else amount(value)

    head = ("share of positives", "mean probability") if shares else ("mean actual", "mean predicted")
    rows = "".join(
        f'<tr class="{"worse" if _is_worse(each, of) else ""}"><td>{escape(_cut(each.name))}</td>'
        f'<td class="n">{each.rows:,}</td><td class="n">{_value(each)}</td>'
        f'<td class="n">{figure_of(each.observed)}</td><td class="n">{figure_of(each.predicted)}</td></tr>'
        for each in of.segments
    )
    return (
        f'<div class="card scroll"><table><tr><th>{escape(words(of.column))}</th><th class="n">rows</th>'
        f'<th class="n">{words(of.metric)}</th><th class="n">{head[0]}</th><th class="n">{head[1]}</th></tr>'
        f"{rows}</table></div>"
    )


def _value(each: Segment) -> str:
    if each.value is None:
        return "-"
    return amount(each.value) if abs(each.value) >= 10 else f"{each.value:.3f}"


def words(name: str) -> str:
    """Return a name as people read it."""
    known = {"roc_auc": "AUC", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "mape": "MAPE", "f1": "F1"}
    return known.get(name, name.replace("_", " "))
