"""`tune`: a search for good settings, in generations of trials that run at the same time.

What a generation tries, and when a trial of it is given up, depends on earlier generations only. So the same seed finds
the same settings with any number of workers, and after any number of interruptions; and each trial is a task like any
other: what is committed is never done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
from pydantic import ValidationError

from firnflow._text import listing, nearest
from firnflow.context import log_metric
from firnflow.engine import services
from firnflow.errors import GraphError, ParameterError
from firnflow.graph.pipeline import pipeline
from firnflow.graph.task import task
from firnflow.models.section import Columns, Section
from firnflow.models.tuning import storage
from firnflow.models.tuning.search import Direction, Outcome, Pruner, Sampler, Search, importance
from firnflow.models.tuning.space import Scalar, Space
from firnflow.status import COMMITTED
from firnflow.steps._tables import log
from firnflow.steps.config import Training, Tuning
from firnflow.steps.validating import CrossValidation, validate

if TYPE_CHECKING:
    from firnflow.stores.state.records import Attempt

MOST = 50
"""Generations."""


class Proposal(Section):
    """What a trial is to try: `params` over the settings that all trials share."""

    number: int
    params: dict[str, Scalar]
    training: Training


class Trial(Outcome):
    """A finished trial; `validation` is None where it was given up."""

    validation: CrossValidation | None


class Study(Section):
    """A search and what came of it.

    Attributes:
        metric: by which trials are compared.
        direction: which way it is better.
        trials: all of them, in their order.
        best: the number of the best one.
        importance: setting → the share of the metric's variance that it explains, the largest first.
    """

    metric: str
    direction: Direction
    sampler: Sampler
    pruner: Pruner
    seed: int
    space: Space
    trials: tuple[Outcome, ...]
    best: int
    importance: dict[str, float]


class Tuned(NamedTuple):
    """What `tune` returns: the candidates for `train`, and the study for `report`."""

    trials: list[CrossValidation]
    study: Study


@pipeline
def tune(train_features: Any, columns: Any, training: Any, tuning: Any, generations: int = 4) -> Any:
    """Search the space of `tuning` for settings that do well in cross-validation inside the training part.

    Returns `trials` (for `train`) and `study` (for `report`). The study is in Optuna's own storage, too.

    Args:
        train_features: what `transform` made of the training part; the test part is never seen.
        columns: which column is what.
        training: the settings that are not searched, and what trial 0 tries.
        tuning: what is searched, and how.
        generations: in how many rounds; the trials of a round run at the same time and learn from earlier rounds.
    """
    if generations not in range(1, MOST + 1):
        raise GraphError(f"steps.tune: generations is {generations!r}; it is a whole number from 1 to {MOST}")
    earlier: list[Any] = []
    written: Any = 0
    for number in range(generations):
        given = (training, tuning)
        proposals = propose.options(name=f"propose_{number}")(*given, number, generations, earlier)
        mapped = trial.options(name=f"trial_{number}")
        found = mapped.map(train_features, columns, proposals, tuning, earlier)
        earlier = [*earlier, found]
        written = record.options(name=f"record_{number}")(*given, earlier, written)
    return conclude(training, tuning, earlier)


@task
def propose(
    training: Training, tuning: Tuning, generation: int, generations: int, earlier: list[list[Trial]]
) -> list[Proposal]:
    """Return what the trials of a generation try.

    Raises:
        ParameterError: the space names no setting of the trees, or a value that it cannot have.
        MissingExtraError: Optuna is not installed.
    """
    _check(training, tuning)
    finished = _flat(earlier)
    count = tuning.trials * (generation + 1) // generations - tuning.trials * generation // generations
    search = _search(training, tuning, startup=max(1, tuning.trials // generations))
    points = search.propose(finished, len(finished), count)
    return [
        Proposal(number=len(finished) + place, params=point, training=_with(training, point))
        for place, point in enumerate(points)
    ]


@task
def trial(
    train_features: ibis.Table,
    columns: Columns,
    proposal: Proposal,
    tuning: Tuning,
    earlier: list[list[Trial]],
) -> Trial:
    """Cross-validate one proposal, or give it up where earlier generations say that it is not worth the time.

    Metrics: the trial's number, the settings that are searched and are numbers, the metric by fold, and `cv_…`.
    """
    log_metric("trial", proposal.number)
    for name, value in proposal.params.items():
        if not isinstance(value, str):
            log_metric(name, value)
    give_up = _search(proposal.training, tuning).judge(_flat(earlier))
    found, steps = validate(train_features, columns, proposal.training, give_up)
    complete = isinstance(found, CrossValidation)
    log_metric("pruned", 0.0 if complete else 1.0)
    return Trial(
        number=proposal.number,
        params=proposal.params,
        state="complete" if complete else "pruned",
        value=found.value if isinstance(found, CrossValidation) else sum(steps) / len(steps),
        steps=steps,
        validation=found if isinstance(found, CrossValidation) else None,
    )


@task
def record(training: Training, tuning: Tuning, found: list[list[Trial]], written: int) -> int:
    """Copy trials into Optuna's storage, where the study has the name of the run that finished them.

    A run that takes them from the cache writes no study: there is one.

    Args:
        training: what all trials share.
        tuning: what is searched.
        found: the trials by generation.
        written: how many trials an earlier call has written; they are written in order.

    Returns:
        How many trials the study has now.

    Raises:
        StoreError: the storage cannot be written.
        UsageError: no run is under way.
    """
    trials = _flat(found)
    if len(trials) == written:
        return written
    here, running = services.here("steps.tune")
    group = running.task.rpartition(".")[0]
    search = _search(training, tuning)
    return storage.write(
        here.settings.state.reveal(),
        f"{running.run}.{group}",
        trials,
        space=search.space,
        direction=search.direction,
        pruner=search.pruner,
        times=_times(here.state.attempts(running.run), group, found),
        attributes={"run": running.run, "metric": training.judge, "sampler": tuning.sampler, "seed": tuning.seed},
    )


def _times(attempts: list[Attempt], group: str, found: list[list[Trial]]) -> dict[int, tuple[float, float]]:
    """Return when each trial began and ended, by its number."""
    numbers = {
        (f"{group}.trial_{generation}", element): trial.number
        for generation, trials in enumerate(found)
        for element, trial in enumerate(trials)
    }
    return {
        numbers[attempt.task, attempt.element]: (attempt.started_at, attempt.ended_at)
        for attempt in attempts
        if (attempt.task, attempt.element) in numbers and attempt.status in COMMITTED and attempt.ended_at
    }


@task
def conclude(training: Training, tuning: Tuning, earlier: list[list[Trial]]) -> Tuned:
    """Return the trials that were not given up, and the study.

    Metrics: `trials`, `pruned`, and the best value.
    """
    trials = _flat(earlier)
    search = _search(training, tuning)
    complete = [each for each in trials if each.validation is not None]
    sign = 1 if search.direction == "maximize" else -1
    best = max(complete, key=lambda each: (sign * each.value, -each.number))
    log_metric("trials", len(trials))
    log_metric("pruned", len(trials) - len(complete))
    log_metric(f"best_{training.judge}", best.value)
    log.info(
        "the best of %s trials is %s: %s %.4f, %s", len(trials), best.number, training.judge, best.value, best.params
    )
    study = Study(
        metric=training.judge,
        direction=search.direction,
        sampler=tuning.sampler,
        pruner=tuning.pruner,
        seed=tuning.seed,
        space=tuning.space,
        trials=tuple(Outcome.model_validate(each.model_dump(exclude={"validation"})) for each in trials),
        best=best.number,
        importance=importance(trials, search.space, search.direction),
    )
    return Tuned([each.validation for each in complete if each.validation is not None], study)


def _flat(earlier: list[list[Trial]]) -> list[Trial]:
    return [each for generation in earlier for each in generation]


def _search(training: Training, tuning: Tuning, startup: int = 1) -> Search:
    now = training.settings()
    held = all(now.get(name) in dimension for name, dimension in tuning.space.items())
    return Search(
        space=tuning.space,
        sampler=tuning.sampler,
        pruner=tuning.pruner,
        direction=training.direction,
        seed=tuning.seed,
        trials=tuning.trials,
        startup=startup,
        first={name: now[name] for name in tuning.space} if held else None,
    )


def _with(training: Training, point: dict[str, Scalar]) -> Training:
    try:
        return Training.model_validate({**training.model_dump(), **point})
    except ValidationError as error:
        first = error.errors()[0]
        raise ParameterError(f"tuning.space: {first['loc'][0]}: {first['msg']}, got {first['input']}.") from None


def _check(training: Training, tuning: Tuning) -> None:
    tunable = training.settings()
    for name in tuning.space:
        if name not in tunable:
            raise ParameterError(
                f"tuning.space: {name!r} cannot be searched.{nearest(name, tunable)} It may hold: {listing(tunable)}."
            )
