"""Proposals and pruning as pure functions of a seed and of finished trials.

Optuna decides; its study is made anew for each decision, in memory, from the trials that are given. So a decision does
not depend on the number of workers, on the order in which they finish, or on what was killed meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from firnflow.errors import MissingExtraError
from firnflow.models.section import Section
from firnflow.models.tuning.space import Point, Scalar, Space, combinations, key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import optuna

Sampler = Literal["tpe", "random", "grid", "qmc"]
Pruner = Literal["none", "median", "halving", "wilcoxon"]
Direction = Literal["maximize", "minimize"]
_TRIES = 25  # how often a sampler may propose what was there before, for each trial


class Outcome(Section):
    """A finished trial.

    Attributes:
        number: of the trial, from 0, in the order of the proposals.
        params: what was tried.
        state: `pruned`: given up, because earlier trials were better at this point.
        value: the score; of a pruned trial the last one that it reached.
        steps: the score on each fold.
    """

    number: int
    params: dict[str, Scalar]
    state: Literal["complete", "pruned"]
    value: float
    steps: tuple[float, ...]


@dataclass(frozen=True)
class Search:
    """How a space is searched.

    Attributes:
        space: setting → its values.
        sampler: who proposes.
        pruner: who gives up.
        direction: of the score.
        seed: another seed, other proposals.
        trials: how many there will be at most.
        startup: after how many finished trials `tpe` learns from them; until then it draws at random.
        first: what trial 0 tries, where the space has it; a grid knows no such favour.
    """

    space: Space
    sampler: Sampler
    pruner: Pruner
    direction: Direction
    seed: int
    trials: int
    startup: int
    first: Point | None = None

    def propose(self, finished: Sequence[Outcome], start: int, count: int) -> list[Point]:
        """Return what to try next: at most `count` points, none of which was there before.

        Args:
            finished: the trials of earlier rounds.
            start: the number of the first of these trials.
            count: how many are wanted; fewer come where the space has no more.

        Raises:
            ParameterError: a grid with a range of endlessly many values.
            MissingExtraError: Optuna is not installed.
        """
        if not self.space:
            only: Point = {}
            return [only][start : start + count]
        if self.sampler == "grid":
            return self._grid()[start : start + count]
        first = [self.first] if self.first is not None else []
        if self.sampler != "tpe":  # a sequence that does not look at results: begun anew, it is the same
            return self._drawn([], first, start + count)[start:]
        return self._drawn(finished, [] if start else first, count)

    def _grid(self) -> list[Point]:
        points = combinations(self.space)
        if len(points) > self.trials:
            points = random.Random(self.seed).sample(points, self.trials)  # noqa: S311 - no secret
        return points

    def _drawn(self, finished: Sequence[Outcome], found: list[Point], count: int) -> list[Point]:
        """Return `count` points, `found` and what the sampler says after the finished trials."""
        space = {name: dimension.distribution() for name, dimension in self.space.items()}
        points = found[:count]
        seen = {key(each.params) for each in finished} | {key(point) for point in points}
        with quiet():
            study = library().create_study(sampler=self._sampler(len(finished)), direction=self.direction)
            study.add_trials([frozen(each, self.space, self.pruner) for each in finished])
            for _ in range(_TRIES * (count - len(points))):
                if len(points) == count:
                    break
                trial = study.ask(space)
                if self.sampler == "qmc":
                    study.tell(trial, 0.0)  # it counts finished trials
                point = {name: self.space[name].rounded(value) for name, value in trial.params.items()}
                if key(point) not in seen:
                    seen.add(key(point))
                    points.append(point)
        return points

    def _sampler(self, finished: int) -> Any:
        samplers = library().samplers
        if self.sampler == "random":
            return samplers.RandomSampler(self.seed)
        if self.sampler == "qmc":
            return samplers.QMCSampler(scramble=True, seed=self.seed, warn_independent_sampling=False)
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}/{finished}".encode()).digest()[:4])
        return samplers.TPESampler(seed=seed, n_startup_trials=self.startup, constant_liar=True)

    def judge(self, finished: Sequence[Outcome]) -> Callable[[tuple[float, ...]], bool]:
        """Return a function that takes the scores of the folds so far, and says whether to give the trial up.

        Args:
            finished: the trials of earlier rounds: nothing else decides.
        """
        if self.pruner == "none":
            return lambda _steps: False
        with quiet():
            study = library().create_study(direction=self.direction, pruner=self._pruner())
            for each in finished:  # as it was, since halving remembers how far each trial came
                trial = study.ask()
                for number in range(len(each.steps)):
                    trial.report(_reported(each.steps[: number + 1], self.pruner), number)
                    trial.should_prune()
                study.tell(trial, *_told(each))
            trial = study.ask()

        def decide(steps: tuple[float, ...]) -> bool:
            with quiet():
                trial.report(_reported(steps, self.pruner), len(steps) - 1)
                return bool(trial.should_prune())

        return decide

    def _pruner(self) -> Any:
        pruners = library().pruners
        if self.pruner == "median":
            return pruners.MedianPruner(n_startup_trials=4)
        if self.pruner == "halving":
            return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
        return pruners.WilcoxonPruner()


def _told(outcome: Outcome) -> tuple[Any, Any]:
    from optuna.trial import TrialState

    if outcome.state == "pruned":
        return None, TrialState.PRUNED
    return outcome.value, TrialState.COMPLETE


def frozen(outcome: Outcome, space: Space, pruner: Pruner, **more: Any) -> optuna.trial.FrozenTrial:
    """Return a trial as Optuna keeps it; `more` are further fields of `optuna.trial.create_trial`."""
    from optuna.trial import TrialState, create_trial

    known = {name: value for name, value in outcome.params.items() if name in space and value in space[name]}
    return create_trial(
        state=TrialState.COMPLETE if outcome.state == "complete" else TrialState.PRUNED,
        value=outcome.value,
        params=known,
        distributions={name: space[name].distribution() for name in known},
        intermediate_values={
            number: _reported(outcome.steps[: number + 1], pruner) for number in range(len(outcome.steps))
        },
        **more,
    )


def library() -> Any:
    """Return Optuna. Raises MissingExtraError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "tune") from error
    return optuna


def importance(outcomes: Sequence[Outcome], space: Space, direction: Direction) -> dict[str, float]:
    """Return how much of the score's variance each setting explains, the largest first; empty for few trials.

    By functional ANOVA on a forest: F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing
    hyperparameter importance" (2014).
    """
    complete = [each for each in outcomes if each.state == "complete"]
    varied = [name for name in space if len({each.params.get(name) for each in complete}) > 1]
    if len(complete) < 6 or not varied or len({each.value for each in complete}) < 2:
        return {}
    optuna = library()
    with quiet():
        study = optuna.create_study(direction=direction)
        study.add_trials([frozen(each, space, "none") for each in complete])
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=varied)
    return {name: float(f"{share:.4g}") for name, share in found.items()}


def _reported(steps: tuple[float, ...], pruner: Pruner) -> float:
    """Return what a pruner is told after some folds: the Wilcoxon test compares fold by fold, the others the mean."""
    return steps[-1] if pruner == "wilcoxon" else sum(steps) / len(steps)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's news of every study and trial out of the logs, and its warnings of what is new in it."""
    logging = library().logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=library().exceptions.ExperimentalWarning)
            yield
    finally:
        logging.set_verbosity(before)
