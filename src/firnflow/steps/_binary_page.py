"""The parts of the report that only a binary classification has."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from firnflow.steps import _binary_figures as drawings
from firnflow.steps._costs_page import costs
from firnflow.steps._figures import svg
from firnflow.steps._html import all_figures, figure, percent, reasons, span, tiles

if TYPE_CHECKING:
    from firnflow.steps.config import Reporting
    from firnflow.steps.evaluation import BinaryEvaluation, Example

TO = "log-odds"
DIRECTION = "Right of the line the feature raises the probability."
_SIZE = (5.0, 3.8)


def lead(found: BinaryEvaluation, reporting: Reporting) -> str:
    """Return what the figures were measured on."""
    return (
        f"Measured on {found.rows:,} {escape(reporting.row)} that the model has never seen;"
        f" {found.positives:,} of them ({percent(found.positives / found.rows, 1)}) are"
        f" “{escape(reporting.positive)}”. The model reads {found.features} features."
    )


def top(found: BinaryEvaluation) -> str:
    """Return the figures that people ask for first."""
    ends = found.intervals.get

    def share(name: str) -> str:
        bounds = ends(name)
        return "" if bounds is None else f"{100 * bounds.low:.1f} to {percent(bounds.high, 1)}"

    return tiles(
        (
            ("AUC", f"{found.roc_auc:.3f}", span(ends("roc_auc")), "chance that a positive is ranked above another"),
            ("Recall", percent(found.recall, 1), share("recall"), "of the positives are flagged"),
            ("Precision", percent(found.precision, 1), share("precision"), "of the flagged are positive"),
            ("F1", f"{found.f1:.3f}", span(ends("f1")), "one figure for precision and recall"),
            ("Accuracy", percent(found.accuracy, 1), share("accuracy"), "of all decisions are right"),
            ("Threshold", f"{found.threshold:.3f}", "", "chosen on training folds, not on these rows"),
        )
    )


def body(found: BinaryEvaluation, reporting: Reporting) -> list[str]:
    """Return the chapters between the first figures and the segments."""
    return [
        _decisions(found, reporting),
        costs(found, reporting),
        _ranking(found, reporting),
        _probabilities(found, reporting),
    ]


def _decisions(found: BinaryEvaluation, reporting: Reporting) -> str:
    counts, name = found.confusion, escape(reporting.positive)
    flagged = counts.true_positives + counts.false_positives
    negatives = found.rows - found.positives
    sentence = (
        f"At the threshold, {flagged:,} {escape(reporting.row)} are flagged. {percent(found.precision)} of them are"
        f" “{name}”, where picking at random would hit {percent(found.positives / found.rows)}."
        f" {counts.false_negatives:,} positives are missed, and {percent(found.false_positive_rate)} of the others are"
        " flagged for nothing."
    )

    def cell(kind: str, count: int, of: int, text: str) -> str:
        share = count / of if of else 0.0
        style = f"--share: {8 + 60 * share:.0f}%"
        return f'<td class="{kind}" style="{style}">{count:,}<small>{percent(share)} {text}</small></td>'

    rows = (
        "<tr><th></th><th>not flagged</th><th>flagged</th></tr>"
        f"<tr><th>{name}</th>{cell('wrong', counts.false_negatives, found.positives, 'missed')}"
        f"{cell('right', counts.true_positives, found.positives, 'found (recall)')}</tr>"
        f"<tr><th>others</th>{cell('right', counts.true_negatives, negatives, 'left alone (specificity)')}"
        f"{cell('wrong', counts.false_positives, negatives, 'false alarm')}</tr>"
    )
    return f'<h2>Decisions</h2><p>{sentence}</p><div class="card"><table class="matrix">{rows}</table></div>'


def _ranking(found: BinaryEvaluation, reporting: Reporting) -> str:
    name = escape(reporting.positive)
    roc = svg(drawings.roc(found), "roc", _SIZE)
    curve = svg(drawings.precision_recall(found), "precision-recall", _SIZE)
    return '<h2>Ranking</h2><div class="pair">{}{}</div>'.format(
        figure(
            roc,
            "ROC curve",
            "How many of the positives are found (up) for how many false alarms (right), for every possible threshold."
            " The dashed line is chance; the dot is the chosen threshold.",
        ),
        figure(
            curve,
            "Precision and recall",
            f"What share of the flagged is “{name}” (up) when more of them are to be found (right)."
            f" The dashed line is what picking at random gives: {percent(found.positives / found.rows)}.",
        ),
    )


def _probabilities(found: BinaryEvaluation, reporting: Reporting) -> str:
    calibration = svg(drawings.calibration(found), "calibration", _SIZE)
    spread = svg(drawings.distribution(found, reporting.positive), "distribution", _SIZE)
    return '<h2>Probabilities</h2><div class="pair">{}{}</div>'.format(
        figure(
            calibration,
            "Calibration",
            "Each dot is a tenth of the rows, the line through it what chance leaves open. On the dashed line a"
            " predicted 30 % happens in 30 of 100 cases; below it the model is too sure. Probabilities are off by"
            f" {100 * found.ece:.1f} points on average (ECE).",
        ),
        figure(
            spread,
            "Spread of the predictions",
            "The less both shapes overlap, the better the model tells them apart. Everything to the right of the"
            " threshold is flagged.",
        ),
    )


def shown(found: BinaryEvaluation, reporting: Reporting) -> str:
    """Return the surest predictions with their reasons."""
    if not found.examples:
        return ""
    rows = "".join(_example(example) for example in found.examples)
    return (
        f"<h2>The surest predictions, and why</h2><p>The {len(found.examples)} {escape(reporting.row)} with the highest"
        " probabilities, each with its three strongest reasons: the feature's value, and how much it moves the log-odds"
        f" up or down. The predictions table has reasons for {found.explained:,} of them.</p>"
        '<div class="card scroll"><table class="rows"><tr><th>key</th><th class="n">probability</th><th>was it so?</th>'
        f"<th>reasons</th></tr>{rows}</table></div>"
    )


def _example(example: Example) -> str:
    return (
        f'<tr><td>{escape(example.key)}</td><td class="n">{percent(example.probability, 1)}</td>'
        f"<td>{'yes' if example.positive else 'no'}</td><td>{reasons(example.reasons)}</td></tr>"
    )


def figures(found: BinaryEvaluation) -> str:
    """Return all figures."""
    return all_figures(
        found,
        {
            "roc_auc": "area under the ROC curve",
            "average_precision": "area under precision and recall",
            "accuracy": "share of right decisions",
            "balanced_accuracy": "mean of recall and specificity",
            "precision": "share of positives among the flagged",
            "recall": "share of flagged among the positives",
            "f1": "harmonic mean of precision and recall",
            "specificity": "share of not flagged among the others",
            "false_positive_rate": "share of flagged among the others",
            "false_negative_rate": "share of not flagged among the positives",
            "log_loss": "mean negative log-likelihood; lower is better",
            "d2_log_loss": "share of the log-loss that the model takes away from knowing the share of positives only",
            "brier": "mean squared error of the probability; lower is better",
            "ece": "how far probabilities are from what comes true, on average",
            "cost": "mean cost of a row at the threshold",
        },
    )
