"""The pictures of a search: its course, what mattered, and where each setting was tried."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from firnflow.steps._figures import FIRST, INK, MUTED, SECOND, beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.models.tuning.search import Outcome
    from firnflow.steps.tuning import Study


def history(study: Study) -> Callable[[Any], None]:
    """Draw each trial's value, and the best one so far."""

    def draw(axes: Any) -> None:
        complete = [each for each in study.trials if each.state == "complete"]
        better = max if study.direction == "maximize" else min
        best = list(itertools.accumulate((each.value for each in complete), better))
        numbers = [each.number for each in complete]
        axes.scatter(numbers, [each.value for each in complete], color=FIRST, s=26, linewidths=0, label="finished")
        pruned = [each.number for each in study.trials if each.state == "pruned"]
        if pruned:  # their value is of some folds only: it stands beside no other
            edge = axes.get_xaxis_transform()
            axes.scatter(pruned, [0.03] * len(pruned), marker="x", color=MUTED, s=24, transform=edge, label="given up")
        axes.step(numbers, best, where="post", color=SECOND, linewidth=1.6, label="best so far")
        axes.set(xlabel="trial", ylabel=_words(study.metric), xlim=(-1, len(study.trials)))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="best", fontsize=9)

    return draw


def importance(study: Study) -> Callable[[Any], None]:
    """Draw the share of the metric's variance that each setting explains, the largest at the top."""

    def draw(axes: Any) -> None:
        names = list(study.importance)
        places = range(len(names))
        axes.barh(places, study.importance.values(), color=FIRST, height=0.6)
        for place, share in zip(places, study.importance.values(), strict=True):
            beside(axes, share, place, f"{100 * share:.0f} %")
        axes.set_yticks(places, [_words(name) for name in names], color=INK)
        axes.set(xlim=(0, 1.15 * max(study.importance.values())), xlabel="share of the variance explained")
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")

    return draw


def slice_of(study: Study, name: str) -> Callable[[Any], None]:
    """Draw the values of the finished trials over one setting."""

    def draw(axes: Any) -> None:
        complete = [each for each in study.trials if each.state == "complete" and name in each.params]
        dimension = study.space[name]
        if dimension.choice is not None:
            labels = [_text(value) for value in dimension.choice]
            axes.set_xticks(range(len(labels)), labels)
            axes.set_xlim(-0.6, len(labels) - 0.4)
            places: list[Any] = [labels.index(_text(each.params[name])) for each in complete]
        else:
            places = [each.params[name] for each in complete]
            if dimension.log:
                _logarithmic(axes)
        shades = [each.number for each in complete]
        axes.scatter(places, [each.value for each in complete], c=shades, cmap=_shades(), s=26, linewidths=0)
        _mark_best(axes, study, places, complete)
        axes.set(xlabel=_words(name), ylabel=_words(study.metric))

    return draw


def _logarithmic(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _mark_best(axes: Any, study: Study, places: list[Any], complete: list[Outcome]) -> None:
    for place, each in zip(places, complete, strict=True):
        if each.number == study.best:
            axes.plot([place], [each.value], "o", markersize=8, color=SECOND, markeredgecolor=INK, markeredgewidth=0.8)


def _shades() -> Any:
    """Return the colours of early and late trials."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("trials", ["#94a3b8", "#2563eb"])


def _words(name: str) -> str:
    return name.replace("roc_auc", "AUC").replace("_", " ")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
