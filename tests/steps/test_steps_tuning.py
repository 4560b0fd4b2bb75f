"""`tune`: by hand, in a run with any number of workers, and in a run that is killed again and again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter

import numpy as np
import optuna
import psutil
import pytest

import firnflow as ff
from firnflow import steps
from firnflow.errors import GraphError, ParameterError, UsageError
from firnflow.models.tuning.search import Outcome
from firnflow.models.tuning.storage import NUMBER, storage_url
from firnflow.steps import tuning as module
from firnflow.steps._search_page import search
from firnflow.stores.state import COMMITTED, State

QUICK = steps.Training(rounds=40, early_stopping=5, learning_rate=0.3, max_depth=2, folds=3)
SPACE = {
    "max_depth": steps.Dimension(int=(1, 6)),
    "learning_rate": steps.Dimension(float=(0.05, 0.5), log=True),
    "grow_policy": steps.Dimension(choice=("depthwise", "lossguide")),
}
TUNING = steps.Tuning(space=SPACE, trials=9)


@pytest.fixture(scope="module")
def features(customers, columns, helpers):
    return helpers.fitted(customers, columns).apply(customers)


def by_hand(features, columns, training, tuning, generations=3):
    done: list[list[steps.Trial]] = []
    for number in range(generations):
        proposals = module.propose(training, tuning, number, generations, done)
        done.append([module.trial(features, columns, each, tuning, done) for each in proposals])
    return done, module.conclude(training, tuning, done)


class TestByHand:
    def test_a_search(self, features, columns):
        done, (trials, study) = by_hand(features, columns, QUICK, TUNING)
        assert [len(each) for each in done] == [3, 3, 3]
        assert [each.number for each in study.trials] == list(range(9))
        first = study.trials[0]
        assert first.params == {"max_depth": 2, "learning_rate": 0.3, "grow_policy": "depthwise"}  # as they are
        complete = [each for each in study.trials if each.state == "complete"]
        assert len(trials) == len(complete)
        assert study.best == max(complete, key=lambda each: each.value).number
        assert study.trials[study.best].value >= first.value
        assert (study.metric, study.direction) == ("roc_auc", "maximize")
        by_number = {each.number: each for generation in done for each in generation}
        assert by_number[study.best].validation.training.max_depth == study.trials[study.best].params["max_depth"]
        assert steps.train.function.__name__ == "train"

    def test_it_is_validated_as_one_candidate_would_be(self, features, columns):
        done, _ = by_hand(features, columns, QUICK, TUNING.model_copy(update={"pruner": "none"}))
        one = done[1][0]
        assert steps.cross_validate(features, columns, one.validation.training) == one.validation
        assert one.value == one.validation.mean.roc_auc

    def test_what_is_given_up_has_no_validation(self, features, columns):
        hopeless = {"max_depth": steps.Dimension(choice=(2, 3, 4)), "reg_alpha": steps.Dimension(choice=(0.0, 1e6))}
        tuning = TUNING.model_copy(update={"space": hopeless, "sampler": "grid", "trials": 6})
        done, (trials, study) = by_hand(features, columns, QUICK, tuning, generations=1)
        assert len(trials) == 6  # nothing is known before the first generation is done
        again = [module.trial(features, columns, proposal_of(each), tuning, done) for each in done[0]]
        pruned = [each for each in again if each.state == "pruned"]
        assert {each.params["reg_alpha"] for each in pruned} == {1e6}
        assert all(each.validation is None and len(each.steps) < 3 for each in pruned)
        assert study.importance == {} or next(iter(study.importance)) == "reg_alpha"

    def test_a_loss_is_minimized(self, features, columns):
        training = QUICK.model_copy(update={"metric": "log_loss"})
        _, (trials, study) = by_hand(features, columns, training, TUNING)
        assert study.direction == "minimize"
        assert study.trials[study.best].value == min(each.value for each in trials)

    def test_no_space_is_one_trial(self, features, columns):
        _, (trials, study) = by_hand(features, columns, QUICK, steps.Tuning())
        assert [each.training for each in trials] == [QUICK]
        assert study.best == 0

    @pytest.mark.slow
    def test_the_same_whatever_was_pruned_or_not_is_known_from_the_trials(self, features, columns):
        first, again = (by_hand(features, columns, QUICK, TUNING)[1].study for _ in range(2))
        assert first == again
        assert first != by_hand(features, columns, QUICK, TUNING.model_copy(update={"seed": 7}))[1].study

    @pytest.mark.parametrize(
        ("space", "says"),
        [
            ({"max_dept": {"int": [1, 2]}}, r"'max_dept' cannot be searched\. Did you mean 'max_depth'"),
            ({"folds": {"int": [2, 3]}}, "'folds' cannot be searched"),
            ({"seed": {"int": [2, 3]}}, "'seed' cannot be searched"),
            ({"subsample": {"choice": [2.0]}}, r"tuning\.space: subsample: .*less than or equal to 1, got 2"),
        ],
    )
    def test_what_cannot_be_searched(self, space, says):
        with pytest.raises(ParameterError, match=says):
            module.propose(QUICK, steps.Tuning.model_validate({"space": space}), 0, 1, [])

    def test_it_is_recorded_in_a_run_only(self, features, columns):
        done, _ = by_hand(features, columns, QUICK, steps.Tuning())
        with pytest.raises(UsageError, match=r"steps\.tune works in a run only"):
            module.record(QUICK, steps.Tuning(), done, 0)
        assert module.record(QUICK, steps.Tuning(), done, 1) == 1  # all of them were written


def proposal_of(trial):
    training = trial.validation.training
    return module.Proposal(number=trial.number, params=trial.params, training=training)


class TestReport:
    """The search in the report."""

    @pytest.fixture
    def study(self):
        rng = np.random.default_rng(0)
        space = {**SPACE, "subsample": steps.Dimension(float=(0.5, 1.0))}
        trials = [
            Outcome(
                number=number,
                params={
                    "max_depth": int(rng.integers(1, 7)),
                    "learning_rate": float(rng.uniform(0.05, 0.5)),
                    "grow_policy": "lossguide" if number % 3 else "depthwise",
                    "subsample": float(rng.uniform(0.5, 1)),
                },
                state="pruned" if number % 4 == 3 else "complete",
                value=float(rng.uniform(0.7, 0.8)),
                steps=(0.7, 0.8),
            )
            for number in range(20)
        ]
        return steps.Study(
            metric="roc_auc",
            direction="maximize",
            sampler="tpe",
            pruner="median",
            seed=1,
            space=space,
            trials=tuple(trials),
            best=2,
            importance={"max_depth": 0.7, "learning_rate": 0.3},
        )

    def test_history_importance_and_a_picture_for_each_setting(self, study):
        page = search(study)
        assert page.count("<svg") == 2 + 4
        assert "20 trials, proposed by a sampler that learns from finished trials (TPE); higher is better." in page
        assert "5 were given up early" in page
        assert page == search(study)  # byte by byte

    def test_nothing_to_show(self, study):
        assert search(None) == search(study.model_copy(update={"trials": study.trials[:1]})) == ""

    def test_a_metric_that_falls(self, study):
        assert "lower is better" in search(study.model_copy(update={"direction": "minimize", "importance": {}}))


class Settings(ff.Params):
    columns: steps.Columns = steps.Columns(key="id", label="left")
    training: steps.Training = QUICK
    tuning: steps.Tuning = TUNING


@pytest.mark.parametrize("generations", [0, 51, "3", 2.5, None])
def test_generations_that_make_no_sense(generations):
    @ff.pipeline(params=Settings)
    def flow(p):
        steps.tune(ff.source("features"), p.columns, p.training, p.tuning, generations)

    with pytest.raises(GraphError, match="a whole number from 1 to 50"):
        flow.build()


FLOW = """
import ibis

import firnflow as ff
from firnflow import steps


class FlowParams(ff.Params):
    columns: steps.Columns = steps.Columns(key="id", label="left", positive="yes")
    splitting: steps.Splitting = steps.Splitting(test_share=0.25)
    encoding: steps.Encoding = steps.Encoding()
    training: steps.Training = steps.Training(max_depth=3, rounds=400, early_stopping=100, learning_rate=0.05)
    tuning: steps.Tuning = steps.Tuning(
        trials=12,
        space={"max_depth": steps.Dimension(int=(1, 8)), "learning_rate": steps.Dimension(float=(0.03, 0.5), log=True)},
    )


@ff.task
def people() -> ibis.Table:
    t = ibis.range(3000).unnest().name("id").as_table()
    t = t.mutate(age=18 + t.id * 37 % 60, visits=t.id * 13 % 30, spend=(t.id * 7919 % 997) / 10.0)
    return t.mutate(left=(t.visits + t.age / 10 + t.id * 101 % 17 < 18).ifelse("yes", "no"))


@ff.pipeline(params=FlowParams)
def flow(p):
    train_set, test_set, _ = steps.split(people(), p.columns, p.splitting)
    fitted = steps.encode(train_set, p.columns, p.encoding)
    features = steps.transform(train_set, fitted)
    trials, study = steps.tune(features, p.columns, p.training, p.tuning, generations=3)
    steps.train(features, fitted, trials)
"""


@pytest.fixture
def project(tmp_path):
    def make(name):
        root = tmp_path / name
        root.mkdir()
        (root / "searched.py").write_text(textwrap.dedent(FLOW))
        (root / "firnflow.toml").write_text(
            '[project]\nname = "p"\npipelines = ["searched"]\n'
            '[environments.local]\nlease = 3\ntracking.backend = "none"\n'
        )
        return root

    return make


def start(root, *arguments, workers=2):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIRNFLOW_")}
    command = [sys.executable, "-m", "firnflow", *arguments, "--workers", str(workers)]
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err[-4000:]
    return json.loads(out)


def digests(found):
    return {name: output["digest"] for name, output in found["outputs"].items() if "record" not in name}


def study_of(root, run):
    """Return the numbers of the study's trials, as Optuna itself reads them."""
    storage = optuna.storages.RDBStorage(storage_url(f"sqlite:///{root}/.firnflow/state.db"))
    trials = optuna.load_study(study_name=f"{run}.tune", storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    assert all(trial.datetime_complete >= trial.datetime_start for trial in trials)
    return [trial.user_attrs[NUMBER] for trial in trials]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_kills_and_the_cache_change_nothing(project):
    """Acceptance 4: a study that was killed with `kill -9` has as many trials, and none of them was done twice."""
    whole, other, killed = (project(name) for name in ("whole", "other", "killed"))
    first = finished(start(whole, "run", "flow", "--json", workers=1))
    assert study_of(whole, first["run"]) == list(range(12))
    assert digests(finished(start(other, "run", "flow", "--json", workers=3))) == digests(first)

    process = start(killed, "run", "flow", "--json")
    for wanted in (1, 5, 10):  # kill it once so many trials are done, whatever else is under way
        while trials_done(killed) < wanted:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.1)
        kill(process)
        assert trials_done(killed) < 12
        process = start(killed, "resume", "--json")
    found = finished(process)
    state = State(f"sqlite:///{killed}/.firnflow/state.db")
    with contextlib.closing(state):
        attempts = committed(state)
    done = Counter((each.task, each.element) for each in attempts)
    assert set(done.values()) == {1}  # nothing that was committed was done again
    assert sum(".trial_" in task for task, _ in done) == 12
    assert study_of(killed, found["run"]) == list(range(12))
    assert digests(found) == digests(first)

    again = finished(start(killed, "run", "flow", "--json"))
    assert digests(again) == digests(first)
    assert all(task["cached"] for task in again["tasks"].values())


def committed(state):
    (run,) = state.runs() or (None,)
    return [each for each in state.attempts(run.id) if each.status in COMMITTED] if run else []


def trials_done(root):
    if not (root / ".firnflow" / "state.db").exists():
        return 0
    with contextlib.closing(State(f"sqlite:///{root}/.firnflow/state.db")) as state:
        return sum(".trial_" in each.task for each in committed(state))


def kill(process):
    """Kill the driver and all that it started, at once."""
    for victim in [*psutil.Process(process.pid).children(recursive=True), process]:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            victim.kill()
    process.communicate()
