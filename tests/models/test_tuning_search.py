"""Proposals and pruning: the same for the same seed and trials; spaces that make no sense are refused."""

from __future__ import annotations

import itertools

import numpy as np
import optuna
import pytest
from pydantic import ValidationError

from firnflow.errors import ParameterError
from firnflow.models.tuning import search as module
from firnflow.models.tuning.search import Outcome, Search, importance
from firnflow.models.tuning.space import Dimension, combinations

SPACE = {
    "depth": Dimension(int=(1, 8)),
    "rate": Dimension(float=(0.01, 1.0), log=True),
    "kind": Dimension(choice=("a", "b")),
}


def make(**changes) -> Search:
    given = {
        "space": SPACE,
        "sampler": "tpe",
        "pruner": "none",
        "direction": "minimize",
        "seed": 1,
        "trials": 40,
        "startup": 8,
        **changes,
    }
    return Search(**given)


def value(point) -> float:
    """Best at depth 5, rate 0.1, kind b."""
    return (point["depth"] - 5) ** 2 + np.log10(point["rate"] / 0.1) ** 2 + (point["kind"] == "a")


def outcome(number, point, *, steps=None, state="complete") -> Outcome:
    steps = steps or (value(point),)
    return Outcome(number=number, params=point, state=state, value=sum(steps) / len(steps), steps=steps)


def searched(search: Search, sizes: list[int]) -> list[Outcome]:
    done: list[Outcome] = []
    for size in sizes:
        points = search.propose(done, len(done), size)
        done += [outcome(len(done) + place, point) for place, point in enumerate(points)]
    return done


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
class TestSamplers:
    def test_the_same_seed_proposes_the_same_and_nothing_twice(self, sampler):
        first, again = (searched(make(sampler=sampler), [8, 8, 8]) for _ in range(2))
        assert first == again
        assert len({tuple(each.params.items()) for each in first}) == len(first) == 24
        other = searched(make(sampler=sampler, seed=2), [8, 8, 8])
        assert [each.params for each in other] != [each.params for each in first]

    def test_proposals_are_in_the_space(self, sampler):
        for each in searched(make(sampler=sampler), [8, 8]):
            assert all(each.params[name] in dimension for name, dimension in SPACE.items())
            assert list(each.params) == list(SPACE)
            assert type(each.params["depth"]) is int

    def test_the_present_settings_are_tried_first(self, sampler):
        now = {"depth": 2, "rate": 0.3, "kind": "a"}
        found = searched(make(sampler=sampler, first=now), [4, 4])
        assert found[0].params == now
        assert now not in [each.params for each in found[1:]]

    def test_a_small_space_ends(self, sampler):
        small = {"depth": Dimension(int=(1, 2)), "kind": Dimension(choice=("a", "b"))}
        assert len(make(sampler=sampler, space=small).propose([], 0, 10)) == 4

    def test_no_space_is_one_trial(self, sampler):
        search = make(sampler=sampler, space={})
        assert search.propose([], 0, 5) == [{}]
        assert search.propose([outcome(0, {}, steps=(1.0,))], 1, 5) == []


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_samplers_that_do_not_learn_say_the_same_in_one_round_or_many(sampler):
    once, often = (searched(make(sampler=sampler), sizes) for sizes in ([12], [1, 5, 6]))
    assert once == often


def test_tpe_learns():
    """Of the same number of trials it comes nearer to the best point than chance does."""
    best = {
        sampler: np.mean(
            [min(each.value for each in searched(make(sampler=sampler, seed=seed), [10] * 4)) for seed in range(6)]
        )
        for sampler in ("tpe", "random")
    }
    assert best["tpe"] < best["random"]


def test_pruned_trials_are_learnt_from():
    done = searched(make(), [8])
    pruned = [each.model_copy(update={"state": "pruned"}) if each.number % 2 else each for each in done]
    assert len(make().propose(pruned, 8, 4)) == 4


class TestGrid:
    def grid(self, **changes):
        space = {"depth": Dimension(int=(2, 6), step=2), "rate": Dimension(float=(0.1, 0.3), step=0.1)}
        return make(sampler="grid", space=space, **changes)

    def test_every_combination_the_last_setting_fastest(self):
        found = [each.params for each in searched_grid(self.grid(), [5, 5])]
        assert found == [{"depth": d, "rate": r} for d, r in itertools.product((2, 4, 6), (0.1, 0.2, 0.3))]

    def test_a_seeded_choice_of_many(self):
        first, again, other = (searched_grid(self.grid(trials=4, seed=seed), [2, 2]) for seed in (1, 1, 2))
        assert first == again != other
        assert len({tuple(each.params.items()) for each in first}) == 4

    def test_endlessly_many_values_are_refused(self):
        with pytest.raises(ParameterError, match=r"tuning\.space\.rate: a grid needs each value\. Mend: choice"):
            make(sampler="grid").propose([], 0, 1)

    def test_it_needs_no_optuna(self, monkeypatch):
        monkeypatch.setattr(module, "library", lambda: pytest.fail("Optuna was asked"))
        assert len(self.grid().propose([], 0, 9)) == 9


def searched_grid(search: Search, sizes: list[int]) -> list[Outcome]:
    done: list[Outcome] = []
    for size in sizes:
        points = search.propose(done, len(done), size)
        done += [outcome(len(done) + place, point, steps=(1.0,)) for place, point in enumerate(points)]
    return done


GOOD = [outcome(n, {}, steps=(0.9 - n / 1000, 0.9, 0.9, 0.9, 0.9)) for n in range(5)]


@pytest.mark.parametrize("pruner", ["median", "halving", "wilcoxon"])
class TestPruning:
    def judge(self, pruner, done, **changes):
        return make(space={}, pruner=pruner, **{"direction": "maximize", **changes}).judge(done)

    def test_a_bad_trial_is_given_up_and_a_good_one_is_not(self, pruner):
        bad, good = self.judge(pruner, GOOD), self.judge(pruner, GOOD)
        steps = [(0.5,) * count for count in range(1, 5)]
        assert any(bad(each) for each in steps)
        assert not any(good((0.95,) * count) for count in range(1, 5))

    def test_the_first_ones_are_finished(self, pruner):
        judge = self.judge(pruner, [])
        assert not any(judge((0.5,) * count) for count in range(1, 5))

    def test_of_a_loss_less_is_better(self, pruner):
        judge = self.judge(pruner, GOOD, direction="minimize")
        assert not any(judge((0.5,) * count) for count in range(1, 5))

    def test_the_same_trials_give_the_same_answer(self, pruner):
        steps = [tuple(np.random.default_rng(0).uniform(0.85, 0.91, 5)[:count]) for count in range(1, 5)]
        answers = [[judge(each) for each in steps] for judge in (self.judge(pruner, GOOD), self.judge(pruner, GOOD))]
        assert answers[0] == answers[1]


def test_none_is_never_given_up():
    judge = make(pruner="none").judge(searched(make(), [8]))
    assert not judge((1e9,))


class TestImportance:
    def test_what_matters_comes_first(self):
        done = searched(make(sampler="random", space={**SPACE, "idle": Dimension(float=(0.0, 1.0))}), [60])
        found = importance(done, {**SPACE, "idle": Dimension(float=(0.0, 1.0))}, "minimize")
        assert next(iter(found)) == "depth"
        assert found["depth"] > 0.5 > found["idle"]
        assert sum(found.values()) == pytest.approx(1, abs=0.01)
        assert found == importance(done, {**SPACE, "idle": Dimension(float=(0.0, 1.0))}, "minimize")

    def test_few_trials_say_nothing(self):
        assert importance(searched(make(), [5]), SPACE, "minimize") == {}
        same = [outcome(n, {"depth": 1, "rate": 0.1, "kind": "a"}) for n in range(9)]
        assert importance(same, SPACE, "minimize") == {}


class TestDimension:
    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({}, "give one of int"),
            ({"int": (1, 2), "choice": (1,)}, "give one of int"),
            ({"int": (3, 2)}, "lowest value 3 is above the highest 2"),
            ({"int": (0, 2), "log": True}, "log: the lowest value must be above 0"),
            ({"float": (0.1, 2), "log": True, "step": 0.1}, "log: .* no step"),
            ({"int": (1, 9), "step": 0.5}, "step 0.5 does not fit"),
            ({"float": (1, 9), "step": 0}, "step 0 does not fit"),
            ({"choice": ()}, "give each value once, and at least one"),
            ({"choice": (1, 1)}, "give each value once"),
            ({"choice": (1, 2), "log": True}, "choice has neither log nor step"),
            ({"ints": (1, 2)}, "Extra inputs"),
            ({"int": (1.5, 2)}, "integer"),
        ],
    )
    def test_what_makes_no_sense(self, given, says):
        with pytest.raises(ValidationError, match=says):
            Dimension.model_validate(given)

    def test_json_keeps_the_types(self):
        for each in (*SPACE.values(), Dimension(choice=(5, 5.5, "a", True)), Dimension(float=(1, 2), step=0.5)):
            back = Dimension.model_validate_json(each.model_dump_json())
            assert back == each
            assert repr(back) == repr(each)

    def test_membership(self):
        assert 3 in Dimension(int=(1, 9), step=2)
        assert 4 not in Dimension(int=(1, 9), step=2)
        assert 0.3 in Dimension(float=(0.1, 0.5), step=0.1)
        assert "a" not in Dimension(int=(1, 2))
        assert True not in Dimension(int=(0, 1))
        assert True not in Dimension(choice=(1, 2))

    def test_combinations(self):
        assert combinations({}) == [{}]

    def test_optuna_is_left_as_loud_as_it_was(self):
        before = optuna.logging.get_verbosity()
        searched(make(), [2])
        assert optuna.logging.get_verbosity() == before
