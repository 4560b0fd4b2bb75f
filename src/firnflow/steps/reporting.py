"""`report`: what is known about a model, as one page for people."""

from __future__ import annotations

from pathlib import Path

from firnflow.context import scratch_dir
from firnflow.graph.task import task
from firnflow.steps._page import page
from firnflow.steps.config import Reporting
from firnflow.steps.evaluation import Evaluation
from firnflow.steps.training import CrossValidation


@task
def report(
    evaluation: Evaluation, reporting: Reporting, trials: list[CrossValidation] | None = None, top: int = 15
) -> Path:
    """Return an HTML page that needs nothing from elsewhere: figures, explanations, the search.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    path = scratch_dir() / "report.html"
    path.write_text(page(evaluation, reporting, trials or [], top), encoding="utf-8")
    return path
