"""The parts of the report that only a regression has."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from firnflow.steps import _regression_figures as drawings
from firnflow.steps._figures import svg
from firnflow.steps._html import all_figures, amount, figure, percent, reasons, signed, span, tiles

if TYPE_CHECKING:
    from firnflow.steps.config import Reporting
    from firnflow.steps.evaluation import Bounds, Miss, RegressionEvaluation

TO = "prediction"
DIRECTION = "Right of the line the feature raises the prediction."
_SIZE = (5.0, 3.8)


def lead(found: RegressionEvaluation, reporting: Reporting) -> str:
    """Return what the figures were measured on."""
    unit = f" {escape(reporting.unit)}" if reporting.unit else ""
    return (
        f"Measured on {found.rows:,} {escape(reporting.row)} that the model has never seen. {escape(found.label)} is"
        f" {amount(found.mean)}{unit} on average, with a standard deviation of {amount(found.deviation)}{unit}."
        f" The model reads {found.features} features."
    )


def top(found: RegressionEvaluation) -> str:
    """Return the figures that people ask for first."""
    ends = found.intervals.get

    def numbers(bounds: Bounds | None) -> str:
        return "" if bounds is None else f"{amount(bounds.low)} to {amount(bounds.high)}"

    cards = [
        ("RMSE", amount(found.rmse), numbers(ends("rmse")), "size of the errors; large ones count more"),
        ("MAE", amount(found.mae), numbers(ends("mae")), "mean size of the errors"),
        ("Bias", signed(found.bias), numbers(ends("bias")), "mean of predicted less actual"),
    ]
    if found.r2 is not None:
        cards.insert(0, ("R²", f"{found.r2:.3f}", span(ends("r2")), "share of the variance that is explained"))
    if found.mape is not None:
        mape = ends("mape")
        between = "" if mape is None else f"{100 * mape.low:.1f} to {percent(mape.high, 1)}"
        cards.append(("MAPE", percent(found.mape, 1), between, "mean error relative to the actual value"))
    return tiles(cards)


def body(found: RegressionEvaluation, reporting: Reporting) -> list[str]:
    """Return the chapters between the first figures and the segments."""
    unit = reporting.unit
    row = escape(reporting.row)
    few = len(found.sample.x)
    each = f"Each point is one of the {row}" + (f" ({few:,} of them)." if few < found.rows else ".")
    return [
        '<h2>Predictions</h2><div class="pair">{}{}</div>'.format(
            figure(
                svg(drawings.predicted(found, unit), "predicted", _SIZE),
                "Predicted and actual",
                f"{each} On the dashed line the model is right. The orange line is the mean of each tenth: where it"
                " leaves the dashed line, the model is wrong in one direction.",
            ),
            figure(
                svg(drawings.residuals(found, unit), "residuals", _SIZE),
                "Residuals by prediction",
                "How far the actual value lies above or below the prediction. The orange band holds the middle half of"
                " each tenth: where it widens, predictions are less sure.",
            ),
        ),
        '<h2>Errors</h2><div class="pair top">{}{}</div>'.format(
            figure(
                svg(drawings.spread(found, unit), "spread", _SIZE),
                "Spread of the residuals",
                f"Nine in ten lie between the dashed lines, {signed(found.residuals.low)} and"
                f" {signed(found.residuals.high)} {escape(unit)}".rstrip()
                + ". The 1 % at either end is not drawn.",
            ),
            _tenths(found),
        ),
    ]


def _tenths(found: RegressionEvaluation) -> str:
    rows = "".join(
        f'<tr><td class="n">{amount(each.predicted)}</td><td class="n">{amount(each.observed)}</td>'
        f'<td class="n">{signed(each.observed - each.predicted)}</td>'
        f'<td class="n">{signed(each.low)} … {signed(each.high)}</td></tr>'
        for each in found.residuals.bins
    )
    return (
        '<div class="card scroll"><table><tr><th class="n">mean predicted</th><th class="n">mean actual</th>'
        f'<th class="n">difference</th><th class="n">middle half</th></tr>{rows}</table></div>'
    )


def shown(found: RegressionEvaluation, reporting: Reporting) -> str:
    """Return the largest misses with their reasons."""
    if not found.examples:
        return ""
    rows = "".join(_miss(each) for each in found.examples)
    return (
        f"<h2>The largest misses, and why</h2><p>The {len(found.examples)} {escape(reporting.row)} that the model is"
        " farthest off, each with the three features that moved its prediction most: the feature's value, and by how"
        f" much it moves the prediction up or down. The predictions table has reasons for {found.explained:,}"
        f" {escape(reporting.row)}.</p>"
        '<div class="card scroll"><table class="rows"><tr><th>key</th><th class="n">actual</th>'
        f'<th class="n">predicted</th><th class="n">difference</th><th>reasons</th></tr>{rows}</table></div>'
    )


def _miss(each: Miss) -> str:
    return (
        f'<tr><td>{escape(each.key)}</td><td class="n">{amount(each.label)}</td>'
        f'<td class="n">{amount(each.prediction)}</td><td class="n">{signed(each.residual)}</td>'
        f"<td>{reasons(each.reasons)}</td></tr>"
    )


def figures(found: RegressionEvaluation) -> str:
    """Return all figures."""
    return all_figures(
        found,
        {
            "r2": "share of the label's variance that the model explains",
            "rmse": "root of the mean squared error, in the unit of the label; lower is better",
            "mae": "mean absolute error, in the unit of the label; lower is better",
            "mape": "mean of |error| / |actual|; lower is better",
            "smape": "mean of 2 |error| / (|actual| + |predicted|); lower is better",
            "bias": "mean of predicted less actual; 0 is best",
        },
    )
