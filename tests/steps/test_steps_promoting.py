"""`register`, `promote`, `cleanup` in runs: what becomes of a model, and that people's decisions stand."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from firnflow import steps
from firnflow.cli import main
from firnflow.errors import UsageError
from firnflow.models.registry import Registry
from firnflow.project import load_settings
from firnflow.stores import Stores
from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FLOW = """
import firnflow as ff
from sklearn.tree import DecisionTreeClassifier

from firnflow import steps
from firnflow.engine import services
from firnflow.models.gates.verdict import HoldoutUse, Verdict
from firnflow.models.registry import Registry

USE = HoldoutUse(rows=1, given=1, seen_by_challenger=0, seen_by_champion=0, unlabelled=0, digest="0" * 64)


class Wishes(ff.Params):
    depth: int = 1
    decision: str = "promote"
    data: bool = False


@ff.task
def fit(depth: int) -> ff.Model:
    estimator = DecisionTreeClassifier(max_depth=depth, random_state=0)
    return ff.Model(estimator.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]), features=("x",))


@ff.task(cache=False)
def judge(registered: steps.Registered, decision: str) -> Verdict:
    here, _ = services.here("judge")
    champion = Registry(here.state).aliases(registered.name).get("champion")
    about = {"model": registered.name, "version": registered.version, "champion": champion, "primary": "roc_auc"}
    figures = {"metrics": {}, "champion_metrics": {}, "results": (), "holdout": USE}
    return Verdict(decision=decision, mode="auto", **about, **figures, confidence=0.95, resamples=100, seed=1)


@ff.task(cache=False)
def tidy(promoted: steps.Promoted, data: bool) -> steps.Cleaned:
    return steps.cleanup("credit", steps.Cleanup(older_than_days=0, keep=1, data=data, dry_run=False))


@ff.pipeline(params=Wishes)
def flow(p):
    registered = steps.register(fit(p.depth), "credit", figures={"r2": 0.5})
    promoted = steps.promote(registered, judge(registered, p.decision))
    tidy(promoted, p.data)
"""


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Return a function that runs the pipeline and returns what `promote` and `tidy` returned."""
    pytest.importorskip("sklearn")
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "pipelines.py").write_text(FLOW)
    (tmp_path / "firnflow.toml").write_text('[project]\nname = "shop"\n')

    def call(*arguments: str, depth: int = 1, decision: str = "promote") -> tuple[dict[str, Any], dict[str, Any]]:
        capsys.readouterr()
        wishes = ("--set", f"depth={depth}", "--set", f"decision={decision}")
        assert main(["run", "flow", "--inline", "--quiet", *wishes, *arguments]) == 0, capsys.readouterr().err
        found = []
        for task in ("promote", "tidy"):
            capsys.readouterr()
            assert main(["output", task, "--json"]) == 0
            found.append(json.loads(capsys.readouterr().out)["outputs"][task]["value"])
        return found[0], found[1]

    yield call
    sys.modules.pop("pipelines", None)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Callable[[], Registry]]:
    opened: list[Any] = []

    def open_it() -> Registry:
        settings = load_settings(tmp_path)
        opened.extend((State(settings.state.reveal()), Stores.open(settings, tmp_path)))
        return Registry(*opened[-2:])

    yield open_it
    for each in opened:
        each.close()


@pytest.mark.parametrize(
    ("decision", "action", "alias"),
    [("promote", "promote", "champion"), ("wait", "request", "challenger"), ("shadow", "shadow", "shadow")],
)
def test_what_the_verdict_says_is_done(
    run: Callable[..., Any], registry: Callable[[], Registry], decision: str, action: str, alias: str
) -> None:
    promoted, _ = run(decision=decision)
    assert (promoted["action"], promoted["version"]) == (action, 1)
    assert registry().aliases("credit") == {alias: 1}


def test_figures_that_others_have_found_are_written_down(
    run: Callable[..., Any], registry: Callable[[], Registry]
) -> None:
    run()
    assert registry().get("credit/1").metadata["metrics"] == {"r2": 0.5}
    with pytest.raises(UsageError, match="an evaluation or figures, not both"):
        steps.register(None, "credit", evaluation=object(), figures={"r2": 0.5})  # type: ignore[arg-type]


def test_a_rejected_model_gets_no_alias(run: Callable[..., Any], registry: Callable[[], Registry]) -> None:
    promoted, _ = run(decision="reject")
    assert (promoted["action"], promoted["champion"]) == ("reject", None)
    assert registry().aliases("credit") == {}


def test_nothing_is_registered_where_nothing_is_to_be(run: Callable[..., Any]) -> None:
    promoted, cleaned = run("--no-register")
    assert (promoted["action"], promoted["version"]) == ("nothing", None)
    assert cleaned == {"dry_run": False, "deleted": [], "kept": {}, "runs": [], "bytes": 0}


@pytest.mark.slow
def test_a_model_that_was_rolled_back_waits_for_people(
    run: Callable[..., Any], registry: Callable[[], Registry]
) -> None:
    run()
    run(depth=2)
    registry().rollback("credit", reason="bad in the east", by="ann")
    promoted, _ = run("--no-cache", depth=2)  # the same model again, under another number
    assert (promoted["action"], promoted["version"], promoted["champion"]) == ("request", 3, 1)
    assert promoted["reason"].endswith("but ann has rolled it back: bad in the east")
    registry().approve("credit", 3, reason="the east was mended", by="bob")
    run(depth=1)
    promoted, _ = run("--no-cache", depth=2)  # people have taken it back: the gates decide again
    assert promoted["action"] == "promote"


def test_what_nobody_needs_is_given_up(run: Callable[..., Any], registry: Callable[[], Registry]) -> None:
    run()
    run(depth=2, decision="reject")
    _, cleaned = run(depth=3, decision="reject")
    assert cleaned["deleted"] == ["credit/2"]
    assert "champion" in cleaned["kept"]["credit/1"]
    assert [each.status for each in registry().versions("credit")] == ["registered", "deleted", "registered"]


def test_old_runs_and_their_data_go_too(run: Callable[..., Any], registry: Callable[[], Registry]) -> None:
    for depth in (1, 2, 3):
        run(depth=depth)
    before = [each.run for each in registry().versions("credit")]
    _, cleaned = run("--set", "data=true", depth=3, decision="reject")
    # the one that is under way is the newest; the one before it is the newest that is complete
    assert sorted(cleaned["runs"]) == sorted(before[1:])
    assert cleaned["bytes"] > 0  # their logs; values go once no run is under way that may have looked them up
    assert registry().load("credit@champion").features == ("x",)
