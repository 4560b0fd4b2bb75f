"""An apply that dies at any of its actions is gone on with; of two at once one wins; what is foreign stays.

Nor is anything doubled or overwritten where another tool has changed the same objects since the plan was made.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal

import pytest

import firnflow as ff
from firnflow.errors import DeployConflictError
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.plan import plan_apply, plan_destroy

pytestmark = [pytest.mark.slow, pytest.mark.server]
POINTS = ("apply.locked", "apply.begun", "apply.done", "snowflake.suspended", "snowflake.made", "snowflake.dropped")
"""Crash points; an apply dies at each of its passes through each of them."""
FOREIGN = ("SUMS$THEIRS", "SUMSTHEIRS")
CONFLICT = 3


@ff.task
def one(x: int) -> int:
    return x


def flow(schedule, names):
    def sums():
        for name in names:
            one.options(name=name)(1)

    return ff.pipeline(schedule=ff.Cron(schedule))(sums)


FIRST, SECOND = flow("0 6 * * *", ("a", "b")), flow("0 7 * * *", ("b", "c"))
STATES = ((FIRST,), (SECOND,), ())


def in_another(here, *pipelines, crash=None, gate=None):
    """Plan and apply in another process, which dies at a crash point; return its id."""
    pid = os.fork()
    if pid != 0:
        return pid
    status = 1
    with contextlib.suppress(BaseException):
        if crash:
            os.environ["FIRNFLOW_CRASH"] = crash
        deployments = Deployments(State(f"sqlite:///{here.root}/applied.db"), "shop", "prod", "snowflake")
        target = here.target(*pipelines)
        plan = (plan_apply if pipelines else plan_destroy)(target, deployments)
        if gate is not None:
            os.read(gate, 1)
        try:
            apply_plan(plan, target, deployments, "me@here")
            status = 0
        except DeployConflictError:
            status = CONFLICT
    os._exit(status)


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def foreign(here):
    rows = here.admin.execute(f"SHOW TASKS IN SCHEMA {here.schema}").fetchall()
    return [row for row in rows if row[1] in FOREIGN]


def ours(here):
    return {name: row for name, row in here.there().items() if not name.endswith(FOREIGN)}


def test_an_apply_that_is_killed_at_any_action_is_gone_on_with_and_touches_nothing_foreign(ground):
    """Making, changing, and taking away."""
    here = ground()
    for name in FOREIGN:
        here.admin.execute(f"CREATE TASK {here.schema}.{name} SCHEDULE = '60 MINUTES' AS SELECT 1")
    theirs, calm, actions = foreign(here), {}, []
    for wanted in STATES:
        actions.append(len(here.apply(*wanted).actions))
        calm[wanted] = ours(here)
    deaths = {point: [0, 0, 0] for point in POINTS}
    for point, died in deaths.items():
        for nth in itertools.count(1):
            for at, wanted in enumerate(STATES):
                if died[at] == nth - 1:
                    died[at] += ended(in_another(here, *wanted, crash=f"{point}:kill@{nth}")) == -signal.SIGKILL
                here.apply(*wanted)
                assert ours(here) == calm[wanted]
            if max(died) < nth:
                break
    making, changing, _ = actions
    assert deaths == {
        "apply.locked": [1, 1, 1],
        "apply.begun": [making, changing, 0],  # what is taken away is not written down before
        "apply.done": actions,
        "snowflake.suspended": [0, 1, 0],
        "snowflake.made": [4, 4, 0],
        "snowflake.dropped": [1, 1, 4],
    }
    assert foreign(here) == theirs


def test_of_two_applies_at_once_one_wins_and_the_other_is_told(ground):
    here = ground()
    here.apply(FIRST)
    calm = here.there()
    here.apply()
    gate, opener = os.pipe()
    pids = [in_another(here, FIRST, gate=gate) for _ in range(2)]
    os.write(opener, b"go")
    assert sorted(map(ended, pids)) == [0, CONFLICT]
    os.close(gate)
    os.close(opener)
    assert here.there() == calm
    actions = [each["action"] for each in here.deployments.history()]
    assert actions == ["create"] * 7 + ["remove"] * 7 + ["create"] * 7


MADE_BY_OTHERS = {
    "STAGE {}.FIRNFLOW": "",
    "COMPUTE POOL SMALL": " MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_XS",
    "PROCEDURE {}.FIRNFLOW_EXEC_V1(CALL VARCHAR)": " RETURNS VARCHAR LANGUAGE SQL AS 'BEGIN RETURN 1; END'",
    "TASK {}.SUMS": " SCHEDULE = '60 MINUTES' AS SELECT 1",
    "TASK {}.SUMS$A": " SCHEDULE = '60 MINUTES' AS SELECT 1",
}
CHANGED_BY_OTHERS = (
    ("ALTER TASK {}.SUMS SUSPEND",),
    ("ALTER TASK {}.SUMS SUSPEND", "ALTER TASK {}.SUMS SET SCHEDULE = '60 MINUTES'"),
    ("ALTER TASK {}.SUMS SUSPEND", "ALTER TASK {}.SUMS$B SUSPEND"),
    ("ALTER TASK {}.SUMS SUSPEND", "ALTER TASK {}.SUMS$A MODIFY AS SELECT 2"),
    ("ALTER TASK {}.SUMS SUSPEND", "DROP TASK {}.SUMS$A"),
    ("ALTER TASK {}.SUMS SUSPEND", "DROP TASK {}.SUMS"),
)


def test_what_another_tool_does_between_plan_and_apply_and_between_two_actions_is_told_and_stays(ground):
    here = ground()
    here.apply(FIRST)
    calm = here.there()
    here.apply()

    def others(*said):
        for text in said:
            here.admin.execute(text.format(here.schema))

    def refused(plan, target, tell=lambda _: None):
        with pytest.raises(DeployConflictError, match=r"by somebody else|that this deployment has not made"):
            apply_plan(plan, target, here.deployments, "me@here", tell)

    for name, rest in MADE_BY_OTHERS.items():
        target = here.target(FIRST)
        plan = plan_apply(target, here.deployments)
        others(f"CREATE {name}{rest}")
        refused(plan, target)
        others(f"DROP {name.replace('CALL VARCHAR', 'VARCHAR')}")  # theirs was not altered, so it is dropped like that
        here.apply(FIRST)
        assert here.there() == calm
        here.apply()
    target = here.target(FIRST)
    left = ["CREATE TASK {}.SUMS$A AS SELECT 1"]
    refused(plan_apply(target, here.deployments), target, lambda _: others(*left) or left.clear())
    others("DROP TASK {}.SUMS$A")
    here.apply(FIRST)
    assert here.there() == calm
    for said in CHANGED_BY_OTHERS:
        target = here.target(SECOND)
        plan = plan_apply(target, here.deployments)
        others(*said)
        refused(plan, target)
        here.apply(FIRST)
        assert {**here.there(), "files": calm["files"]} == calm  # beside it is the code of what was refused
    target, same = here.target(SECOND), here.target(SECOND)
    plan = plan_apply(target, here.deployments)
    state = State(f"sqlite:///{here.root}/other.db")
    other = Deployments(state, "shop", "prod", "snowflake")
    apply_plan(plan_apply(same, other), same, other, "them@there")
    state.close()
    refused(plan, target)
    assert here.apply(SECOND).actions
    assert here.apply(SECOND).actions == ()
