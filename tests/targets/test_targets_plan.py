"""Plan and apply, on the smallest target: what is planned is done, once, whatever dies or changes meanwhile."""

from __future__ import annotations

import os
import signal

import pytest

from firnflow.errors import DeployConflictError, UsageError
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.explain import as_json, as_lines, summary
from firnflow.targets.plan import plan_apply, plan_destroy

POINTS = ("apply.locked", "apply.begun", "apply.done", "apply.recorded")


def apply(target, deployments):
    plan = plan_apply(target, deployments)
    apply_plan(plan, target, deployments, "me@here")
    return [(type(each).__name__, each.address.name) for each in plan.actions]


def shown(plan):
    return "\n".join(line.text for line in as_lines(plan))


def files(shelf):
    return {path.name: path.read_text().partition("\n")[2] for path in shelf.folder.iterdir()}


def test_a_plan_shows_just_what_differs_and_apply_does_just_that(shelf, deployments):
    assert apply(shelf, deployments) == [("Create", "salt"), ("Create", "tea"), ("Create", "rice")]
    assert summary(plan_apply(shelf, deployments)) == "No changes: 3 resources unchanged."
    assert apply(shelf, deployments) == []
    shelf.texts = {"salt": "a", "tea": "bb", "corn": "d"}
    plan = plan_apply(shelf, deployments)
    assert "~ jar tea\n      ~ size: 1 → 2\n      ~ text: b → bb" in shown(plan)
    assert "salt" not in shown(plan)
    assert summary(plan) == "1 to add, 1 to change, 1 to remove; 1 resource unchanged."
    assert [each["action"] for each in as_json(plan)["actions"]] == ["change", "create", "remove"]
    assert as_json(plan)["actions"][0]["changes"] == {"size": ["1", "2"], "text": ["b", "bb"]}
    shelf.made.clear()
    apply_plan(plan, shelf, deployments, "me@here")
    assert shelf.made == ["+tea", "+corn", "-rice"]
    assert files(shelf) == {"salt": "a", "tea": "bb", "corn": "d"}


def test_destroy_takes_away_just_ours_in_the_reverse_order(shelf, deployments):
    apply(shelf, deployments)
    (shelf.folder / "mine").write_text("by hand")
    (shelf.folder / "tea").write_text("somebody has put his own here")
    shelf.made.clear()
    plan = plan_destroy(shelf, deployments)
    assert "is somebody else's now, and stays" in shown(plan)
    apply_plan(plan, shelf, deployments, "me@here")
    assert shelf.made == ["-rice", "-salt"]
    assert sorted(path.name for path in shelf.folder.iterdir()) == ["mine", "tea"]
    assert plan_destroy(shelf, deployments).actions == ()
    assert deployments.read().records == {}


def test_what_was_changed_or_deleted_by_hand_is_shown_and_put_back(shelf, deployments):
    apply(shelf, deployments)
    (shelf.folder / "salt").write_text("ours\nfaster")
    (shelf.folder / "rice").unlink()
    plan = plan_apply(shelf, deployments)
    text = shown(plan)
    assert "~ jar salt  was changed by hand, is put back\n      - faster\n      + a" in text
    assert "+ jar rice  was deleted by hand, is made again" in text
    assert [each["by_hand"] for each in as_json(plan)["actions"] if "by_hand" in each] == [True]
    assert apply(shelf, deployments) == [("Change", "salt"), ("Create", "rice")]
    assert files(shelf) == shelf.texts
    (shelf.folder / "tea").write_text("ours\nfaster")
    assert "was changed by hand" in shown(plan_destroy(shelf, deployments))


def test_what_firnflow_has_not_made_is_never_touched(shelf, deployments):
    (shelf.folder / "tea").write_text("mine")
    with pytest.raises(UsageError, match=r"never touched:\n  jar tea: .*/tea\nMend: move it away"):
        plan_apply(shelf, deployments)
    assert files(shelf) == {"tea": ""}
    assert plan_destroy(shelf, deployments).actions == ()


def test_a_plan_is_not_applied_to_what_has_changed_since(shelf, deployments):
    first = plan_apply(shelf, deployments)
    second = plan_apply(shelf, deployments)
    apply_plan(first, shelf, deployments, "ann@here")
    with pytest.raises(DeployConflictError, match=r"ann@here has applied .* Mend: plan again"):
        apply_plan(second, shelf, deployments, "bob@there")
    shelf.texts["salt"] = "aa"
    plan = plan_apply(shelf, deployments)
    (shelf.folder / "salt").write_text("ours\nby hand, a moment ago")
    with pytest.raises(DeployConflictError, match="salt was changed meanwhile"):
        apply_plan(plan, shelf, deployments, "me@here")
    assert files(shelf)["salt"] == "by hand, a moment ago"
    assert apply(shelf, deployments) == [("Change", "salt")]


@pytest.mark.slow
def test_an_apply_that_is_killed_at_any_action_is_gone_on_with(shelf, deployments, url):
    """Each pass through each crash point, once: applying, changing and taking away."""
    deaths = 0
    for target in ({"salt": "a", "tea": "b"}, {"salt": "aa", "rice": "c"}, {}):
        for point in POINTS:
            for nth in range(1, 9):
                shelf.texts = target
                died = killed(shelf, url, f"{point}:kill@{nth}")
                apply(shelf, deployments)
                assert plan_apply(shelf, deployments).actions == ()
                assert files(shelf) == target
                shelf.texts = {"salt": "before", "tea": "b"}
                apply(shelf, deployments)
                if not died:
                    break
                deaths += died
            assert not died
    assert deaths == 4 + 9 + 5
    names = [(each["action"], each["name"]) for each in deployments.history()]
    assert {"create", "change", "adopt", "remove", "forget"} == {action for action, _ in names}


def killed(shelf, url, crash):
    """Apply in a process that dies at a crash point; return whether it came to that."""
    pid = os.fork()
    if pid == 0:
        try:
            os.environ["FIRNFLOW_CRASH"] = crash
            apply(shelf, Deployments(State(url), "shop", "prod", "shelf"))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
