"""The report as one HTML page that needs nothing from elsewhere: style and figures are inside, no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from firnflow.steps import _binary_page, _regression_page
from firnflow.steps import _figures as drawings
from firnflow.steps._checks_page import section
from firnflow.steps._figures import svg
from firnflow.steps._html import document, figure
from firnflow.steps._search_page import search
from firnflow.steps._segments_page import segments, words
from firnflow.steps.validating import best_of

if TYPE_CHECKING:
    from types import ModuleType

    from firnflow.steps.config import Reporting
    from firnflow.steps.evaluation import BinaryEvaluation, Evaluation, RegressionEvaluation
    from firnflow.steps.tuning import Study
    from firnflow.steps.validating import CrossValidation
    from firnflow.stores.checks.result import CheckResult

_TRIALS = 15


def page(
    found: Evaluation,
    reporting: Reporting,
    trials: list[CrossValidation],
    study: Study | None = None,
    checks: CheckResult | None = None,
) -> str:
    """Return the page; every text that comes from data is escaped."""
    of: ModuleType = _binary_page if found.kind == "binary" else _regression_page
    parts = [
        f"<h1>{escape(reporting.title)}</h1>",
        f'<p class="lead">{of.lead(found, reporting)}</p>',
        of.top(found),
        _notes(found),
        *of.body(found, reporting),
        segments(found, reporting.row),
        _why(found, of.TO, of.DIRECTION),
        of.shown(found, reporting),
        search(study),
        _trials(trials),
        of.figures(found),
        section(checks) if checks is not None else "",
    ]
    footer = "Made by Firnflow. All figures are from rows that the model did not learn from."
    return document(reporting.title, parts, footer)


def _notes(found: BinaryEvaluation | RegressionEvaluation) -> str:
    lines = "".join(f"<p>{escape(note)}</p>" for note in found.notes)
    return f'<div class="note">{lines}</div>' if lines else ""


def _why(found: BinaryEvaluation | RegressionEvaluation, to: str, direction: str) -> str:
    weights = tuple(weight for weight in found.importance if weight.effects)
    height = 0.9 + 0.36 * len(weights)
    bars = svg(drawings.contributions(weights, to), "importance", (5.0, height))
    swarm = svg(drawings.summary(weights, to), "summary", (5.0, height))
    return '<h2>What the model looks at</h2><div class="pair">{}{}</div>'.format(
        figure(
            bars,
            "Importance",
            f"How far a feature moves a prediction on average (SHAP). The {len(weights)} strongest of"
            f" {found.features} features.",
        ),
        figure(
            swarm,
            "In which direction",
            f'Each point is a row. {direction} Colour is its value: low<span class="bar"></span>high; grey is missing.',
        ),
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
    head += "".join(f'<th class="n">{words(name)}</th>' for name in names)
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
        f" {words(judge)} became the model.{cut}"
        f'</p><div class="card scroll"><table><tr>{head}</tr>{rows}</table></div>'
    )


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else escape(str(value))
