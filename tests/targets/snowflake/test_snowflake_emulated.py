"""What is told to an account, against the emulator by Snowflake's own connector; it shows nothing of Snowflake."""

from __future__ import annotations

from dataclasses import replace

import pytest

import firnflow as ff
from firnflow.errors import UsageError
from firnflow.project.snowflake import Pool
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.explain import as_lines, summary
from firnflow.targets.plan import plan_apply, plan_destroy
from firnflow.targets.snowflake import grants
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.compile.jobs import Jobs
from firnflow.targets.snowflake.compile.payload import MANIFEST, Payload
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.compile.tasks import compile_graph
from firnflow.targets.snowflake.grammar.values import Name
from firnflow.targets.snowflake.graphs import Graphs
from firnflow.targets.snowflake.needs import needs_of
from firnflow.targets.snowflake.objects import ComputePool, Files, Stage
from firnflow.targets.snowflake.shown import wanted_text
from firnflow.targets.snowflake.target import SnowflakeTarget

pytestmark = [pytest.mark.slow, pytest.mark.server]


@ff.task
def one() -> int:
    return 1


@ff.pipeline
def sums():
    one()


@pytest.fixture
def account(connect, project):
    """An account in a role that was made by the script of grants, and the place in it."""
    made = project(sums, more='role = "DEPLOYER"\n')
    place = replace(place_of(made), has_tags=False)  # which the target makes first
    admin = connect().cursor()
    for name in ("DATABASE IF NOT EXISTS ML", "SCHEMA IF NOT EXISTS ML.PROD", "WAREHOUSE IF NOT EXISTS WH"):
        admin.execute(f"CREATE {name}")
    admin.execute("CREATE COMPUTE POOL IF NOT EXISTS TEAM_POOL MIN_NODES=1 MAX_NODES=1 INSTANCE_FAMILY=CPU_X64_S")
    for statement in grants.script(needs_of(made, place), Name(("DEPLOYER",))):
        admin.execute(statement)
    admin.execute("GRANT ROLE DEPLOYER TO USER EMULATOR")
    account = Account(lambda: connect("DEPLOYER"))
    yield account, place, made, admin
    account.close()


def test_the_script_of_grants_is_enough_and_each_grant_of_it_is_needed(account):
    asked, place, made, admin = account
    needs = needs_of(made, place)
    assert grants.missing(asked, needs) == []
    for statement, need in zip(grants.script(needs, Name(("DEPLOYER",)))[1:], needs, strict=True):
        admin.execute(statement.replace("GRANT ", "REVOKE ", 1).replace(" TO ROLE", " FROM ROLE"))
        assert grants.missing(asked, needs) == [need]
        admin.execute(statement)


def test_stage_and_code_are_made_found_and_dropped(account):
    asked, place, _, _ = account
    stage = Stage(asked, place)
    content = {"project.zip": b"zip", "launcher.py": b"pass", MANIFEST: b"{}"}
    payload = Payload("0123456789abcdef", content, frozenset({"a.py"}))
    files = Files(asked, place, payload)
    assert (stage.found(), files.found()) == (None, None)
    for _ in range(2):
        stage.put()
        files.put()
        assert stage.found() == (stage.text, True)
        assert files.found() == files.text
    later = Files(asked, place, Payload("fedcba9876543210", {MANIFEST: b"{}"}, frozenset({"a.py"})))
    assert later.found() == files.text
    later.put()
    assert (files.found(), later.found()) == (files.text, later.text)  # what a run has begun with stays
    files.drop()
    stage.drop()
    assert (stage.found(), later.found()) == (None, None)


def test_a_compute_pool_is_made_altered_and_dropped(account):
    asked, place, _, _ = account
    name = Name(("MADE BY US",))
    small, large = (ComputePool(asked, place, name, Pool(family="CPU_X64_S", max_nodes=most)) for most in (1, 3))
    assert small.found() is None
    small.put(None)
    assert small.found() == (small.text, True)
    large.put(small.text)
    assert large.found() == (large.text, True)
    other = ComputePool(asked, place, name, Pool(family="CPU_X64_M"))
    with pytest.raises(
        UsageError, match=r'compute pool "MADE BY US" cannot become one of CPU_X64_M. Mend: another name'
    ):
        other.put(large.text)
    large.drop()
    assert large.found() is None


@ff.task
def is_good(x: int) -> bool:
    return x > 0


@ff.task
def promote(x: int) -> int:
    return x


@ff.task
def report(x: int, promoted: int | None) -> int:
    return x


class Params(ff.Params):
    x: int = 3
    name: str = "it's $$ \\"


@ff.task
def named(x: int, name: str) -> int:
    return x


def branched(schedule="0 6 * * 1-5", *, with_report=True):
    def branched(p):
        x = named(p.x, p.name)
        good = is_good(x)
        with good.case(True):  # noqa: FBT003 - a case
            promoted = promote(x)
        if with_report:
            report(x, promoted)

    return ff.pipeline(params=Params, schedule=ff.Cron(schedule, timezone="Europe/Zurich") if schedule else None)(
        branched
    )


def test_a_task_graph_is_made_altered_found_and_dropped(account):
    asked, place, made, admin = account
    graphs, jobs = Graphs(asked, place), Jobs(made, place, "0123456789abcdef")
    defaults = {"x": 3, "name": "it's $$ \\"}
    admin.execute("CREATE TASK IF NOT EXISTS ML.PROD.BRANCHED$THEIRS SCHEDULE = '60 MINUTES' AS SELECT 1")
    admin.execute("GRANT MONITOR ON TASK ML.PROD.BRANCHED$THEIRS TO ROLE DEPLOYER")
    before = None
    for schedule, with_report in (("0 6 * * 1-5", True), ("0 7 * * *", False), (None, True), ("0 6 * * 1-5", True)):
        graph = compile_graph(branched(schedule, with_report=with_report).build(), place, jobs, defaults)
        graphs.put(graph, before)
        own = graphs.own(graphs.rows("branched"))
        before = graphs.text("branched", own)
        assert before == wanted_text(graph, place)
        assert own["BRANCHED"]["state"].lower() == ("started" if schedule else "suspended")
    graphs.drop("branched", before)
    assert set(graphs.rows("branched")) == {"BRANCHED$THEIRS"}


@pytest.fixture
def deployments(tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    yield Deployments(state, "shop", "prod", "snowflake")
    state.close()


def test_what_is_planned_is_applied_put_back_and_destroyed(account, project, deployments):
    asked, _, _, admin = account

    def planned(pipeline):
        target = SnowflakeTarget(project(pipeline, more='role = "DEPLOYER"\n'), asked)
        return target, plan_apply(target, deployments)

    def applied(pipeline):
        target, plan = planned(pipeline)
        apply_plan(plan, target, deployments, "me@here")
        return summary(plan)

    assert applied(branched()) == "7 to add; 0 resources unchanged."
    assert applied(branched()) == "No changes: 7 resources unchanged."
    assert applied(branched("0 7 * * *", with_report=False)).startswith("2 to change;")
    by_hand = asked._session.connection.cursor()
    by_hand.execute("ALTER TASK ML.PROD.BRANCHED SUSPEND")
    by_hand.execute("ALTER TASK ML.PROD.BRANCHED$PROMOTE MODIFY AS SELECT 2")
    by_hand.execute("ALTER TASK ML.PROD.BRANCHED$PROMOTE SET USER_TASK_TIMEOUT_MS = 1000")
    by_hand.execute("ALTER TASK ML.PROD.BRANCHED SET OVERLAP_POLICY = ALLOW_ALL_OVERLAP")
    by_hand.execute("ALTER TASK ML.PROD.BRANCHED UNSET SUSPEND_TASK_AFTER_NUM_FAILURES")
    by_hand.execute("ALTER TASK ML.PROD.BRANCHED$FINALIZER UNSET FINALIZE")
    target, plan = planned(branched("0 7 * * *", with_report=False))
    text = "\n".join(line.text for line in as_lines(plan))
    assert "task graph branched  was changed by hand, is put back" in text
    for line in (
        *("-   as SELECT 2", "-   time limit, ms 1000", "+   time limit, ms 604800000", "-   overlap allowed"),
        *("+   suspended after failures 0", "+   finalizes BRANCHED"),
    ):
        assert line in text, text
    apply_plan(plan, target, deployments, "me@here")
    assert applied(branched("0 7 * * *", with_report=False)).startswith("No changes")
    target = SnowflakeTarget(project(sums, more='role = "DEPLOYER"\n'), asked)
    gone = plan_destroy(target, deployments)
    assert summary(gone) == "7 to remove; 0 resources unchanged."
    apply_plan(gone, target, deployments, "me@here")
    left = admin.execute("SHOW TASKS IN SCHEMA ML.PROD").fetchall()
    assert not [row for row in left if row[1].startswith("BRANCHED") and row[1] != "BRANCHED$THEIRS"]
