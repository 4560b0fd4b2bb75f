"""A process dies while it registers or promotes; resumed, there is one version, one promotion, one row of the audit."""

from __future__ import annotations

import shutil

import pytest
from forked_calls import Quick

from firnflow.engine.run import resume
from firnflow.models.registry import Registry
from firnflow.project import load_project
from firnflow.project.settings import load_settings
from firnflow.stores import Stores
from firnflow.stores.state import State

FLOW = """
    from firnflow import steps
    from firnflow.engine import services
    from firnflow.models.gates.verdict import HoldoutUse, Verdict
    from firnflow.models.registry import Registry
    from firnflow.values.model import Document

    class Wishes(ff.Params):
        depth: int = 1
        decision: str = "promote"

    @ff.task(cache=False)
    def fit(depth: int) -> ff.Model:
        return ff.Model(Document({"depth": depth}), features=("x",))

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


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Calls of the command line in forks of a process that has loaded the steps."""
    made = Quick(tmp_path_factory.mktemp("loaded"), ("firnflow.steps", "firnflow.engine.worker"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the project is, and where a copy of it as it was made."""
    folder = tmp_path_factory.mktemp("models")
    return folder / "project", folder / "copy"


@pytest.fixture
def flow(lab, kept):
    """A project whose first model is champion. It is made once, and put back."""
    root, copy = kept
    if copy.exists():
        shutil.rmtree(root)
        shutil.copytree(copy, root)
        return root
    made = lab(FLOW, root=root)
    assert made.run(inline=True).status == "succeeded"
    made.state.close()
    shutil.copytree(root, copy)
    return root


def killed(loaded, root, *arguments, crash):
    """Have a run of a second model die at a point."""
    environment = {"FIRNFLOW_WORKERS": "1", "FIRNFLOW_CRASH": crash}
    code, _, err = loaded.call(root, "run", "flow", "--json", "--set", "depth=2", *arguments, environment=environment)
    if crash.startswith("commit.after"):  # a worker that dies behind its commit is not missed, but written down
        logs = "".join(path.read_text() for path in (root / ".firnflow" / "logs").rglob("*.jsonl"))
        assert (code, "usual causes" in logs) == (0, True), err
    else:
        assert code != 0, err


def resumed(root, **how):
    """Resume in this process, as `firnflow resume` does in one of its own."""
    result = resume(load_project(root), None, **how)
    assert result.status == "succeeded", result.error


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
@pytest.mark.parametrize("crash", ["model.registered:kill", "model.promoted:kill"])
@pytest.mark.parametrize("how", ["--workers=1", "--inline"])
def test_a_death_while_a_model_is_registered_or_promoted(flow, loaded, crash, how):
    killed(loaded, flow, how, crash=crash)
    resumed(flow)  # as it was begun: by a worker, or by none
    check_once(flow)


@pytest.mark.slow
@pytest.mark.parametrize("crash", COMMITS)
def test_a_death_around_a_commit_of_either(flow, loaded, crash):
    killed(loaded, flow, "--workers=1", crash=crash)
    resumed(flow, inline=True)
    check_once(flow)


@pytest.mark.slow
@pytest.mark.parametrize(("decision", "action"), [("wait", "request"), ("shadow", "shadow"), ("reject", "reject")])
def test_a_death_after_a_decision_is_written_down(flow, loaded, decision, action):
    killed(loaded, flow, "--set", f"decision={decision}", "--workers=1", crash="commit.before:kill@4")
    resumed(flow, inline=True)
    check_once(flow, action)


@pytest.mark.slow
def test_a_resumed_run_does_not_undo_what_was_decided_meanwhile(flow, loaded):
    killed(loaded, flow, "--workers=1", crash="model.promoted:kill")
    registry_of(flow).rollback("credit", reason="bad in the east", by="ann")
    resumed(flow, inline=True)
    assert registry_of(flow).champion("credit").version == 1
    assert [row.action for row in registry_of(flow).history("credit")] == ["rollback", "promote", "promote"]
