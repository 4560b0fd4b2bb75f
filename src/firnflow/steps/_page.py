"""The report as one HTML page that needs nothing from elsewhere: style and figures are inside, no script."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from firnflow.steps import _figures as figures
from firnflow.steps._search_page import search
from firnflow.steps.validating import best_of

if TYPE_CHECKING:
    from firnflow.steps.config import Reporting
    from firnflow.steps.evaluation import Evaluation, Example
    from firnflow.steps.tuning import Study
    from firnflow.steps.validating import CrossValidation

_TRIALS = 15
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(found: Evaluation, reporting: Reporting, trials: list[CrossValidation], study: Study | None = None) -> str:
    """Return the page; every text that comes from data is escaped."""
    style = files("firnflow.steps").joinpath("report.css").read_text(encoding="utf-8")
    title = escape(reporting.title)
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="lead">{_lead(found, reporting)}</p>',
        _tiles(found),
        _notes(found),
        _decisions(found, reporting),
        _ranking(found, reporting),
        _probabilities(found, reporting),
        _why(found),
        _examples(found, reporting),
        search(study),
        _trials(trials),
        _all_figures(found),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>\n{style}</style></head>\n<body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n<footer>Made by Firnflow. All figures are from rows that the model did not learn from.</footer>"
        "</main></body></html>\n"
    )


def _percent(value: float, digits: int = 0) -> str:
    return f"{100 * value:.{digits}f} %"


def _lead(found: Evaluation, reporting: Reporting) -> str:
    return (
        f"Measured on {found.rows:,} {escape(reporting.row)} that the model has never seen;"
        f" {found.positives:,} of them ({_percent(found.positives / found.rows, 1)}) are"
        f" “{escape(reporting.positive)}”. The model reads {found.features} features."
    )


def _tiles(found: Evaluation) -> str:
    tiles = (
        ("AUC", f"{found.roc_auc:.3f}", "chance that a positive row is ranked above another one"),
        ("Recall", _percent(found.recall, 1), "of the positives are flagged"),
        ("Precision", _percent(found.precision, 1), "of the flagged are positive"),
        ("F1", f"{found.f1:.3f}", "one figure for precision and recall"),
        ("Accuracy", _percent(found.accuracy, 1), "of all decisions are right"),
        ("Threshold", f"{found.threshold:.3f}", "chosen on training folds, not on these rows"),
    )
    cards = "".join(
        f'<div class="tile"><span>{name}</span><b>{value}</b><small>{text}</small></div>' for name, value, text in tiles
    )
    return f'<div class="tiles">{cards}</div>'


def _notes(found: Evaluation) -> str:
    lines = "".join(f"<p>{escape(note)}</p>" for note in found.notes)
    return f'<div class="note">{lines}</div>' if lines else ""


def _decisions(found: Evaluation, reporting: Reporting) -> str:
    counts, name = found.confusion, escape(reporting.positive)
    flagged = counts.true_positives + counts.false_positives
    negatives = found.rows - found.positives
    sentence = (
        f"At the threshold, {flagged:,} {escape(reporting.row)} are flagged. {_percent(found.precision)} of them are"
        f" “{name}”, where picking at random would hit {_percent(found.positives / found.rows)}."
        f" {counts.false_negatives:,} positives are missed, and {_percent(found.false_positive_rate)} of the others are"
        " flagged for nothing."
    )

    def cell(kind: str, count: int, of: int, text: str) -> str:
        share = count / of if of else 0.0
        style = f"--share: {8 + 60 * share:.0f}%"
        return f'<td class="{kind}" style="{style}">{count:,}<small>{_percent(share)} {text}</small></td>'

    rows = (
        "<tr><th></th><th>not flagged</th><th>flagged</th></tr>"
        f"<tr><th>{name}</th>{cell('wrong', counts.false_negatives, found.positives, 'missed')}"
        f"{cell('right', counts.true_positives, found.positives, 'found (recall)')}</tr>"
        f"<tr><th>not {name}</th>{cell('right', counts.true_negatives, negatives, 'left alone (specificity)')}"
        f"{cell('wrong', counts.false_positives, negatives, 'false alarm')}</tr>"
    )
    return f'<h2>Decisions</h2><p>{sentence}</p><div class="card"><table class="matrix">{rows}</table></div>'


def _figure(drawing: str, title: str, caption: str) -> str:
    return f"<figure><h3>{title}</h3>{drawing}<figcaption>{caption}</figcaption></figure>"


def _ranking(found: Evaluation, reporting: Reporting) -> str:
    name = escape(reporting.positive)
    roc = figures.svg(figures.roc(found), "roc", (5.4, 4.1))
    curve = figures.svg(figures.precision_recall(found), "precision-recall", (5.4, 4.1))
    return '<h2>Ranking</h2><div class="pair">{}{}</div>'.format(
        _figure(
            roc,
            "ROC curve",
            "How many of the positives are found (up) for how many false alarms (right), for every possible threshold."
            " The dashed line is chance; the dot is the chosen threshold.",
        ),
        _figure(
            curve,
            "Precision and recall",
            f"What share of the flagged is “{name}” (up) when more of them are to be found (right)."
            f" The dashed line is what picking at random gives: {_percent(found.positives / found.rows)}.",
        ),
    )


def _probabilities(found: Evaluation, reporting: Reporting) -> str:
    calibration = figures.svg(figures.calibration(found), "calibration", (5.4, 3.7))
    spread = figures.svg(figures.distribution(found, reporting.positive), "distribution", (5.4, 3.7))
    return '<h2>Probabilities</h2><div class="pair">{}{}</div>'.format(
        _figure(
            calibration,
            "Calibration",
            "Each dot is a tenth of the rows. On the dashed line a predicted 30 % happens in 30 of 100 cases;"
            f" below it the model is too sure. Mean squared error (Brier): {found.brier:.4f}.",
        ),
        _figure(
            spread,
            "Spread of the predictions",
            "The less both shapes overlap, the better the model tells them apart. Everything to the right of the"
            " threshold is flagged.",
        ),
    )


def _why(found: Evaluation) -> str:
    weights = tuple(weight for weight in found.importance if weight.effects)
    height = 0.9 + 0.36 * len(weights)
    bars = figures.svg(figures.contributions(weights), "importance", (5.4, height))
    swarm = figures.svg(figures.summary(weights), "summary", (5.4, height))
    return '<h2>What the model looks at</h2><div class="pair">{}{}</div>'.format(
        _figure(
            bars,
            "Importance",
            f"How far a feature moves a prediction on average (SHAP). The {len(weights)} strongest of"
            f" {found.features} features.",
        ),
        _figure(
            swarm,
            "In which direction",
            "Each point is a row. Right of the line the feature raises the probability. Colour is its value: low<span"
            ' class="bar"></span>high; grey is missing.',
        ),
    )


def _examples(found: Evaluation, reporting: Reporting) -> str:
    if not found.examples:
        return ""
    rows = "".join(_example(example) for example in found.examples)
    return (
        f"<h2>The surest predictions, and why</h2><p>The {len(found.examples)} {escape(reporting.row)} with the highest"
        " probabilities, each with its three strongest reasons: the feature's value, and how much it moves the log-odds"
        f" up or down. The predictions table has reasons for {found.explained:,} of them.</p>"
        '<div class="card scroll"><table><tr><th>key</th><th class="n">probability</th><th>was it so?</th>'
        f"<th>reasons</th></tr>{rows}</table></div>"
    )


def _example(example: Example) -> str:
    reasons = "".join(
        f'<span class="reason">{escape(figures.wrapped(r.feature, 200))}'
        f" {'is missing' if r.value is None else f'= {r.value:,.4g}'}"
        f' <b class="{"up" if r.effect > 0 else "down"}">{"▲" if r.effect > 0 else "▼"} {abs(r.effect):.2f}</b></span>'
        for r in example.reasons
    )
    outcome = "yes" if example.positive else "no"
    return (
        f'<tr><td>{escape(example.key)}</td><td class="n">{_percent(example.probability, 1)}</td><td>{outcome}</td>'
        f"<td>{reasons}</td></tr>"
    )


def _trials(trials: list[CrossValidation]) -> str:
    if not trials:
        return ""
    best = trials[best_of(trials)]
    judge, sign = best.training.judge, 1 if best.training.direction == "maximize" else -1
    shown = [trial.training.model_dump() for trial in trials]
    varied = [name for name in shown[0] if len({str(one[name]) for one in shown}) > 1]
    names = list(best.mean.model_dump())
    head = "".join(f'<th class="n">{escape(name)}</th>' for name in [*(v.replace("_", " ") for v in varied), "trees"])
    head += "".join(f'<th class="n">{_words(name)}</th>' for name in names)
    ranked = sorted(trials, key=lambda trial: -sign * trial.value)
    rows = ""
    for trial in ranked[:_TRIALS]:
        mean, deviation = trial.mean.model_dump(), trial.deviation.model_dump()
        settings = trial.training.model_dump()
        cells = "".join(f'<td class="n">{_value(settings[name])}</td>' for name in varied)
        cells += f'<td class="n">{trial.trees}</td>'
        cells += "".join(f'<td class="n">{mean[n]:.4f} <small>±{deviation[n]:.3f}</small></td>' for n in names)
        rows += f'<tr class="{"best" if trial is best else ""}">{cells}</tr>'
    learnt = "all" if best.rows == best.total_rows else f"a sample of {best.rows:,} of {best.total_rows:,}"
    how = "in time" if best.training.validation == "time" else "cross-validation"
    cut = f" The best {_TRIALS} of {len(trials)} are shown." if len(trials) > _TRIALS else ""
    return (
        f"<h2>Search</h2><p>Each line is a candidate, judged by {best.training.folds} folds of {how} on {learnt}"
        " training rows: the mean over the folds and its standard deviation. The best by"
        f" {_words(judge)} became the model.{cut}"
        f'</p><div class="card scroll"><table><tr>{head}</tr>{rows}</table></div>'
    )


def _words(metric: str) -> str:
    return metric.replace("roc_auc", "AUC").replace("_", " ")


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else escape(str(value))


def _all_figures(found: Evaluation) -> str:
    names = {
        "roc_auc": "area under the ROC curve",
        "average_precision": "average precision: area under precision and recall",
        "accuracy": "share of right decisions",
        "precision": "share of positives among the flagged",
        "recall": "share of flagged among the positives",
        "f1": "harmonic mean of precision and recall",
        "specificity": "share of not flagged among the others",
        "false_positive_rate": "share of flagged among the others",
        "false_negative_rate": "share of not flagged among the positives",
        "log_loss": "mean negative log-likelihood; lower is better",
        "brier": "mean squared error of the probability; lower is better",
    }
    rows = "".join(
        f'<tr><td>{name.replace("_", " ")}</td><td class="n">{getattr(found, name):.4f}</td><td>{text}</td></tr>'
        for name, text in names.items()
    )
    return f'<h2>All figures</h2><div class="card scroll"><table>{rows}</table></div>'
