"""`report`: what is known about a model, as one page for people."""

from __future__ import annotations

from firnflow.graph.task import task
from firnflow.steps._page import page
from firnflow.steps.config import Reporting
from firnflow.steps.evaluation import Evaluation
from firnflow.steps.tuning import Study
from firnflow.steps.validating import CrossValidation
from firnflow.stores.checks.result import CheckResult
from firnflow.values.html import Html


@task
def report(
    evaluation: Evaluation,
    reporting: Reporting,
    trials: list[CrossValidation] | None = None,
    study: Study | None = None,
    checks: CheckResult | None = None,
) -> Html:
    """Return an HTML page that needs nothing from elsewhere: figures, explanations, the search.

    Args:
        evaluation: what `evaluate` found.
        reporting: words.
        trials: the candidates.
        study: how they were found, as `tune` returns it.
        checks: what the rules say of the data that the model was made from, as `check` returns it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return Html(page(evaluation, reporting, trials or [], study, checks))
