"""A process dies while it registers or promotes; resumed, there is one version, one promotion, one row of the audit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from firnflow.models.registry import Registry
from firnflow.project.settings import load_settings
from firnflow.stores import Stores
from firnflow.stores.state import State

FLOW = """
    from sklearn.tree import DecisionTreeClassifier

    from firnflow import steps
    from firnflow.engine import services
    from firnflow.models.gates.verdict import HoldoutUse, Verdict
    from firnflow.models.registry import Registry

    class Wishes(ff.Params):
        depth: int = 1
        decision: str = "promote"

    @ff.task(cache=False)
    def fit(depth: int) -> ff.Model:
        estimator = DecisionTreeClassifier(max_depth=depth, random_state=0)
        return ff.Model(estimator.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]), features=("x",))

    @ff.task(cache=False)
    def judge(registered: steps.Registered, decision: str) -> Verdict:
        here, _ = services.here("judge")
        return Verdict(
            decision=decision,
            mode="auto",
            model=registered.name,
            version=registered.version,
            champion=Registry(here.state).aliases(registered.name).get("champion"),
            primary="roc_auc",
            metrics={},
            champion_metrics={},
            results=(),
            holdout=HoldoutUse(
                rows=1, given=1, seen_by_challenger=0, seen_by_champion=0, unlabelled=0, digest="0" * 64
            ),
            confidence=0.95,
            resamples=100,
            seed=1,
        )

    @ff.pipeline(params=Wishes)
    def flow(p):
        registered = steps.register(fit(p.depth), "credit")
        steps.promote(registered, judge(registered, p.decision))
"""
COMMITS = ["commit.inside:kill@2", "commit.after:kill@2", "commit.before:kill@4", "commit.inside:kill@4"]
"""The second commit is that of `register`, the fourth that of `promote`."""


def call(root, *arguments, crash=None):
    environment = {**os.environ, "FIRNFLOW_WORKERS": "1"}
    environment.pop("FIRNFLOW_CRASH", None)
    if crash:
        environment["FIRNFLOW_CRASH"] = crash
    command = [sys.executable, "-m", "firnflow", *arguments, "--json"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the project is, and where a copy of it as it was made."""
    folder = tmp_path_factory.mktemp("models")
    return folder / "project", folder / "copy"


@pytest.fixture
def flow(lab, kept):
    """A project whose first model is champion. It is made once, and put back."""
    pytest.importorskip("sklearn")
    root, copy = kept
    if copy.exists():
        shutil.rmtree(root)
        shutil.copytree(copy, root)
        return root
    code, _, err = call(lab(FLOW, root=root).root, "run", "flow")
    assert code == 0, err
    shutil.copytree(root, copy)
    return root


def registry_of(root):
    settings = load_settings(root)
    return Registry(State(settings.state.reveal()), Stores.open(settings, root))


def check_once(root, action="promote"):
    registry = registry_of(root)
    assert [version.version for version in registry.versions("credit")] == [2, 1]
    rows = [row for row in registry.history("credit") if row.alias == "champion"]
    assert [(row.action, row.from_version, row.to_version) for row in rows] == [(action, 1, 2), ("promote", None, 1)]
    assert registry.champion("credit").version == (2 if action == "promote" else 1)
    assert registry.versions("credit")[0].run == rows[0].run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crash", "how"),
    [
        *(
            (crash, how)
            for crash in ("model.registered:kill", "model.promoted:kill")
            for how in ("--workers=1", "--inline")
        ),
        *((crash, "--workers=1") for crash in COMMITS),
    ],
)
def test_a_death_while_a_model_is_registered_or_promoted(flow, crash, how):
    code, _, err = call(flow, "run", "flow", "--set", "depth=2", how, crash=crash)
    # after its commit a worker is not missed
    assert code != 0 or (crash.startswith("commit.after") and how != "--inline"), err
    code, out, err = call(flow, "resume")
    assert code == 0, err
    assert json.loads(out)["status"] == "succeeded"
    check_once(flow)


@pytest.mark.slow
@pytest.mark.parametrize(("decision", "action"), [("wait", "request"), ("shadow", "shadow"), ("reject", "reject")])
def test_a_death_after_a_decision_is_written_down(flow, decision, action):
    arguments = ("run", "flow", "--set", "depth=2", "--set", f"decision={decision}", "--workers=1")
    code, _, err = call(flow, *arguments, crash="commit.before:kill@4")
    assert code != 0, err
    code, _, err = call(flow, "resume")
    assert code == 0, err
    check_once(flow, action)


@pytest.mark.slow
def test_a_resumed_run_does_not_undo_what_was_decided_meanwhile(flow):
    call(flow, "run", "flow", "--set", "depth=2", "--workers=1", crash="model.promoted:kill")
    registry_of(flow).rollback("credit", reason="bad in the east", by="ann")
    code, _, err = call(flow, "resume")
    assert code == 0, err
    assert registry_of(flow).champion("credit").version == 1
    assert [row.action for row in registry_of(flow).history("credit")] == ["rollback", "promote", "promote"]
