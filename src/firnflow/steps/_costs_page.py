"""The part of the report that says what decisions cost."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from firnflow.steps._binary_figures import mark
from firnflow.steps._figures import FIRST, INK, svg
from firnflow.steps._html import amount, figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.steps.config import Reporting
    from firnflow.steps.evaluation import BinaryEvaluation, Pricing


def costs(found: BinaryEvaluation, reporting: Reporting) -> str:
    """Return the cost of decisions over the threshold; nothing where nobody said what mistakes cost."""
    if found.pricing is None:
        return ""
    drawing = figure(
        svg(_drawing(found.pricing, reporting.unit), "costs", (5.0, 3.8)),
        "Cost by threshold",
        "What a row costs on average, for every possible threshold. The dot is the model's threshold, the ring the"
        " one that the costs alone ask for: the cheapest if the probabilities are true.",
    )
    return (
        f"<h2>Costs</h2><p>{_sentence(found, reporting)}</p>"
        f'<div class="pair top">{drawing}<div class="card scroll">{_tables(found.pricing, reporting.unit)}</div></div>'
    )


def _sentence(found: BinaryEvaluation, reporting: Reporting) -> str:
    assert found.pricing is not None  # noqa: S101 - `costs` has looked
    own, lowest, unit = found.pricing.own, found.pricing.lowest, reporting.unit
    between = found.intervals.get("cost")
    sure = f" ({amount(between.low)} to {amount(between.high)})" if between else ""
    return (
        f"With the model's threshold a decision costs {_money(own.cost, unit)} on average{sure}. On these"
        f" {escape(reporting.row)} the cheapest threshold would be {lowest.threshold:.3f}, at"
        f" {_money(lowest.cost, unit)}. It is shown, not used: rows that choose a threshold cannot judge it any more."
        " To choose it by cost on training folds, set <code>training.threshold</code> to the costs."
    )


def _tables(pricing: Pricing, unit: str) -> str:
    kinds = (
        ("flagged for nothing", pricing.costs.false_positive),
        ("missed", pricing.costs.false_negative),
        ("found", pricing.costs.true_positive),
        ("left alone", pricing.costs.true_negative),
    )
    ways = (
        (f"the model's threshold, {pricing.own.threshold:.3f}", pricing.own.cost),
        (f"what the costs alone ask for, {pricing.by_costs.threshold:.3f}", pricing.by_costs.cost),
        ("flagging nobody", pricing.nobody),
        ("flagging everybody", pricing.everybody),
    )
    return (
        f'<table><tr><th>a row that is …</th><th class="n">costs</th></tr>{_lines(kinds, unit)}</table>'
        '<table class="second"><tr><th>decided by …</th><th class="n">cost per row</th></tr>'
        f"{_lines(ways, unit)}</table>"
    )


def _lines(lines: tuple[tuple[str, float], ...], unit: str) -> str:
    return "".join(f'<tr><td>{text}</td><td class="n">{_money(cost, unit)}</td></tr>' for text, cost in lines)


def _money(value: float, unit: str) -> str:
    return f"{amount(value)} {escape(unit)}".rstrip()


def _drawing(pricing: Pricing, unit: str) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        asked = pricing.by_costs
        axes.plot(pricing.curve.x, pricing.curve.y, color=FIRST, linewidth=2)
        axes.plot([asked.threshold], [asked.cost], "o", markersize=9, markerfacecolor="none", markeredgecolor=INK)
        mark(axes, pricing.own.threshold, pricing.own.cost)
        low, high = min(pricing.curve.y), max(pricing.curve.y)
        room = (high - low) * 0.08 or 1.0
        axes.set(xlim=(0, 1), ylim=(low - room, high + room))
        axes.set(xlabel="threshold", ylabel=f"cost per row{f' ({unit})' if unit else ''}")

    return draw
