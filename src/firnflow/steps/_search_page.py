"""The part of the report that shows a search."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from firnflow.steps import _search_figures as drawings
from firnflow.steps._figures import svg
from firnflow.steps._html import figure

if TYPE_CHECKING:
    from firnflow.steps.tuning import Study

_SLICES = 6


def search(study: Study | None) -> str:
    """Return the figures of a search as HTML; nothing for none, or for one of a single trial."""
    if study is None or len(study.trials) < 2:
        return ""
    first = [figure(svg(drawings.history(study), "search-history", (5.4, 3.4)), "Course of the search", _course(study))]
    if study.importance:
        height = 0.9 + 0.4 * len(study.importance)
        first.append(
            figure(
                svg(drawings.importance(study), "search-importance", (5.4, max(height, 2.2))),
                "Which settings mattered",
                "How much of the difference between trials each setting explains (functional ANOVA).",
            )
        )
    names = [*study.importance, *(name for name in study.space if name not in study.importance)][:_SLICES]
    slices = "".join(
        figure(svg(drawings.slice_of(study, name), f"search-{name}", (3.6, 2.6)), "", "") for name in names
    )
    return (
        f'<h2>How the settings were found</h2><div class="pair">{"".join(first)}</div>'
        f'<p class="lead slices">Each dot is a finished trial, the later the darker; the large one is the best.</p>'
        f'<div class="slices">{slices}</div>'
    )


def _course(study: Study) -> str:
    pruned = sum(each.state == "pruned" for each in study.trials)
    given_up = f" {pruned} were given up early." if pruned else ""
    better = "higher" if study.direction == "maximize" else "lower"
    return escape(
        f"{len(study.trials)} trials, proposed by {_SAMPLERS[study.sampler]}; {better} is better.{given_up} All of it"
        " inside the training part, by cross-validation."
    )


_SAMPLERS = {
    "tpe": "a sampler that learns from finished trials (TPE)",
    "random": "chance",
    "grid": "a grid",
    "qmc": "an even spread (Sobol)",
}
