"""Plan, apply and destroy of task graphs: what is told to an account, killed in the middle, changed by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import ibis
import pytest

import firnflow as ff
from firnflow._crash import InjectedCrash
from firnflow.errors import ConfigError, DeployConflictError, StoreError, UsageError
from firnflow.project import Project, load_project, load_settings
from firnflow.project.catalog import load_catalog
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.explain import as_lines, compare, summary
from firnflow.targets.plan import Change, plan_apply, plan_destroy
from firnflow.targets.snowflake.grammar import parse, read_name
from firnflow.targets.snowflake.grammar.values import Name
from firnflow.targets.snowflake.target import SnowflakeTarget


@ff.task
def first() -> int:
    return 1


@ff.task
def second(x: int) -> int:
    return x + 1


@ff.task
def third(x: int) -> int:
    return x + 2


def sales(*, schedule="0 6 * * *", with_third=False, timeout=None, name="sales"):
    def wired():
        last = second.options(timeout=timeout)(first())
        if with_third:
            third(last)

    wired.__name__ = wired.__qualname__ = name
    return ff.pipeline(schedule=ff.Cron(schedule) if schedule else None)(wired)


@pytest.fixture
def deployments(tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    yield Deployments(state, "shop", "prod", "snowflake")
    state.close()


def planned(project, deployments, *pipelines, more=""):
    target = SnowflakeTarget(project(*pipelines, more=more))
    return target, plan_apply(target, deployments)


def applied(project, deployments, *pipelines, more=""):
    target, plan = planned(project, deployments, *pipelines, more=more)
    apply_plan(plan, target, deployments, "me@here")
    return plan


def shown(plan):
    return "\n".join(line.text for line in as_lines(plan))


def test_apply_makes_all_and_a_second_plan_says_no_changes(project, told, deployments):
    plan = applied(project, deployments, sales())
    assert summary(plan) == "7 to add; 0 resources unchanged."
    assert [str(action.address) for action in plan.actions] == [
        "tag FIRNFLOW_PROJECT",
        "tag FIRNFLOW_ENVIRONMENT",
        "stage ML.PROD.FIRNFLOW",
        "compute pool SMALL",
        "code shop-prod",
        "procedure FIRNFLOW_EXEC_V1",
        "task graph sales",
    ]
    assert {name: row["state"] for name, row in told.tasks.items()} == dict.fromkeys(
        ["SALES", "SALES$FIRST", "SALES$SECOND", "SALES$FINALIZER"], "started"
    )
    assert {name.rpartition("/")[2] for name in told.files} == {
        "payload.json",
        "project.zip",
        "firnflow.zip",
        "launcher.py",
        "sales.graph.json",
    }
    told.said.clear()
    assert summary(planned(project, deployments, sales())[1]) == "No changes: 7 resources unchanged."
    assert all(text.startswith(("SHOW", "LIST", "SELECT CURRENT_ROLE", "SELECT SYSTEM$GET_TAG")) for text in told.said)


def test_a_plan_shows_just_what_differs(project, told, deployments):
    applied(project, deployments, sales())
    plan = planned(project, deployments, sales(schedule="0 7 * * *", timeout="2h"))[1]
    text = shown(plan)
    assert "~ schedule: 0 6 * * * UTC → 0 7 * * * UTC" in text
    assert "task second" in text
    assert "timeout 2h" in text
    assert "task first" not in text
    assert summary(plan) == "2 to change; 5 resources unchanged."  # the code: its graph has changed
    assert "Note: cost: pool small: 1 to 1 × CPU_X64_S runs while there are jobs, and 300 s after the last" in text


def test_only_what_differs_is_told_while_the_root_is_suspended(project, told, deployments):
    applied(project, deployments, sales(with_third=True, schedule=None))
    told.said.clear()
    applied(project, deployments, sales(schedule=None))
    looks = ("SHOW", "LIST", "SELECT CURRENT", "SELECT SYSTEM$GET_TAG", "PUT")
    changes = [text for text in told.said if not text.startswith(looks)]
    assert [text.partition(" COMMENT")[0] for text in changes] == [
        "ALTER TASK IF EXISTS ML.PROD.SALES SUSPEND",
        "CREATE OR ALTER TASK ML.PROD.SALES$FIRST",
        "CREATE OR ALTER TASK ML.PROD.SALES$SECOND",
        "CREATE OR ALTER TASK ML.PROD.SALES$FINALIZER",
        "DROP TASK IF EXISTS ML.PROD.SALES$THIRD",
    ]
    assert told.tasks["SALES"]["state"] == "suspended"  # nobody starts it by a clock


@pytest.mark.parametrize("change", ["definition", "schedule", "state", "condition", "predecessors"])
def test_what_somebody_has_changed_by_hand_is_shown_and_put_back(project, told, deployments, change):
    applied(project, deployments, sales())
    row = told.tasks["SALES$SECOND" if change != "schedule" else "SALES"]
    before = dict(row)
    row[change] = {"state": "suspended", "predecessors": '["ML.PROD.SALES"]'}.get(change, "1 = 1")
    plan = planned(project, deployments, sales())[1]
    assert [type(action) for action in plan.actions] == [Change]
    assert "task graph sales  was changed by hand, is put back" in shown(plan)
    applied(project, deployments, sales())
    assert told.tasks[before["name"]] == before


def test_a_root_that_was_paused_stays_so(project, told, deployments):
    applied(project, deployments, sales())
    told.tasks["SALES"] |= {"state": "suspended", "comment": told.tasks["SALES"]["comment"] + " paused"}
    assert summary(planned(project, deployments, sales())[1]).startswith("No changes")
    applied(project, deployments, sales(schedule="0 7 * * *"))
    assert told.tasks["SALES"]["schedule"] == "USING CRON 0 7 * * * UTC"
    assert told.tasks["SALES"]["state"] == "suspended"
    assert told.tasks["SALES"]["comment"].endswith(" paused")
    assert told.tasks["SALES$SECOND"]["state"] == "started"


def test_what_is_not_ours_is_never_touched(project, told, deployments):
    theirs = {**dict.fromkeys(["comment", "schedule", "condition", "config"]), "predecessors": "[]"}
    theirs |= {"warehouse": "WH", "definition": "SELECT 1", "state": "started"}
    told.tasks["SALES$MINE"] = {**theirs, "name": "SALES$MINE"}
    told.tasks["SALESMAN"] = {**theirs, "name": "SALESMAN"}
    applied(project, deployments, sales())
    target = SnowflakeTarget(project(sales()))
    apply_plan(plan_destroy(target, deployments), target, deployments, "me@here")
    assert set(told.tasks) == {"SALES$MINE", "SALESMAN"}
    assert told.objects == {}
    assert told.files == {}
    told.tasks["SALES$FIRST"] = {**theirs, "name": "SALES$FIRST"}
    with pytest.raises(UsageError, match=r"never touched:\n  task graph sales: task ML.PROD.SALES\$FIRST"):
        planned(project, deployments, sales())


def test_a_change_between_plan_and_apply_stops_it(project, told, deployments):
    applied(project, deployments, sales())
    target, plan = planned(project, deployments, sales(schedule="0 7 * * *"))
    told.tasks["SALES"]["schedule"] = "5 MINUTES"
    with pytest.raises(DeployConflictError, match="the tasks of 'sales' were changed by somebody else since the plan"):
        apply_plan(plan, target, deployments, "me@here")


@pytest.mark.parametrize("point", ["snowflake.made", "snowflake.suspended", "snowflake.dropped"])
def test_killed_anywhere_the_same_command_goes_on(project, told, deployments, monkeypatch, point):
    applied(project, deployments, sales(with_third=True))
    monkeypatch.setenv("FIRNFLOW_CRASH", f"{point}:raise")
    with pytest.raises(InjectedCrash):
        applied(project, deployments, sales(timeout="2h"))
    monkeypatch.delenv("FIRNFLOW_CRASH")
    applied(project, deployments, sales(timeout="2h"))
    assert set(told.tasks) == {"SALES", "SALES$FIRST", "SALES$SECOND", "SALES$FINALIZER"}
    assert {row["state"] for row in told.tasks.values()} == {"started"}
    assert summary(planned(project, deployments, sales(timeout="2h"))[1]).startswith("No changes")


def test_each_statement_may_fail_and_the_same_command_goes_on(project, told, deployments):
    applied(project, deployments, sales())
    wanted = {name: dict(row) for name, row in told.tasks.items()}
    count = len(told.said)
    told.tasks.clear()
    told.objects.clear()
    told.files.clear()
    for step in range(count):
        left = [step]

        def fails(_text, left=left):
            left[0] -= 1
            return left[0] == -1

        told.fails = fails
        try:
            applied(project, deployments, sales())
        except StoreError:
            continue
        break
    told.fails = lambda _: False
    applied(project, deployments, sales())
    assert told.tasks == wanted


@pytest.mark.parametrize("lost", [("EXECUTE TASK", "ACCOUNT"), ("USAGE", "COMPUTE_POOL"), ("CREATE STAGE", "SCHEMA")])
def test_a_missing_grant_is_named_before_anything_is_changed(project, told, deployments, lost):
    gone = {lost, ("OWNERSHIP", "SCHEMA")}
    told.grants = [each for each in told.grants if (each["privilege"], each["granted_on"]) not in gone]
    told.grants.append({"privilege": "USAGE", "granted_on": "SCHEMA", "name": "ML.PROD"})
    on = lost[1].lower().replace("_", " ")
    with pytest.raises(UsageError, match=rf"lacks:\n  {lost[0]} on {on}.*\nMend: .*plan --env prod --grants"):
        applied(project, deployments, sales())
    assert not [text for text in told.said if not text.startswith(("SHOW", "SELECT CURRENT_ROLE"))]


def test_the_script_of_grants_gives_just_what_is_asked_for(project, told):
    script = SnowflakeTarget(project(sales(), more='role = "deployer"\n')).grants()
    assert script[0] == "CREATE ROLE IF NOT EXISTS DEPLOYER;"
    assert "GRANT EXECUTE TASK ON ACCOUNT TO ROLE DEPLOYER;" in script
    assert "GRANT USAGE ON COMPUTE POOL TEAM_POOL TO ROLE DEPLOYER;" in script
    assert told.said == []


def test_a_state_of_this_machine_is_refused(project, told, deployments):
    made = project(sales(), more='variables = { FIRNFLOW_ARTIFACTS = "s3://x" }\n')
    text = (made.root / "firnflow.toml").read_text().replace("postgresql://db/state", "sqlite:///state.db")
    (made.root / "firnflow.toml").write_text(text)
    local = Project(made.root, load_settings(made.root, "prod"), made.pipelines, {})
    with pytest.raises(UsageError, match=r"containers, but the state is SQLite.*Mend: state = 'env:STATE_URL'"):
        plan_apply(SnowflakeTarget(local), deployments)


def test_code_that_nobody_needs_any_more_is_removed(project, told, deployments):
    applied(project, deployments, sales())
    first = set(told.files)
    told.files = dict.fromkeys(told.files, "Sat, 01 Feb 2025 16:37:33 GMT")
    applied(project, deployments, sales(timeout="1h"))
    assert first < set(told.files)  # tasks have named it when the new code came
    applied(project, deployments, sales(timeout="2h"))
    assert not first & set(told.files)


def test_logs_are_not_looked_at_where_code_is_and_go_with_it(project, told, deployments):
    applied(project, deployments, sales())
    told.files["firnflow/logs/shop-prod/0/sales.1/first.1.jsonl"] = "Sat, 01 Feb 2025 16:37:33 GMT"
    told.said.clear()
    target, plan = planned(project, deployments, sales())
    assert summary(plan).startswith("No changes")
    assert [text for text in told.said if text.startswith("LIST")] == ["LIST @ML.PROD.FIRNFLOW/shop-prod/"]
    apply_plan(plan_destroy(target, deployments), target, deployments, "me@here")
    assert told.files == {}


HOSTILE = ['my "db"; DROP', "SELECT", "Äpfel $$", "x" * 255, "it's\\"]


def test_hostile_names_come_through_every_statement(project, told, deployments):
    for name in HOSTILE:
        quoted = json.dumps('"' + name.replace('"', '""') + '"')
        made = project(sales())
        text = (made.root / "firnflow.toml").read_text()
        for key, old in (("database", '"ml"'), ("schema", '"prod"'), ("warehouse", '"wh"')):
            text = text.replace(f"{key} = {old}", f"{key} = {quoted}")
        text = text.replace("pools.small = { ", f"stage = {quoted}\npools.small = {{ name = {quoted}, ")
        (made.root / "firnflow.toml").write_text(text)
        loaded = Project(made.root, load_settings(made.root, "prod"), made.pipelines, {})
        target = SnowflakeTarget(loaded)
        told.grants = [{"privilege": "USAGE", "granted_on": "ROLE", "name": "ACCOUNTADMIN"}]
        plan = plan_apply(target, deployments)
        apply_plan(plan, target, deployments, "me@here")
        again = SnowflakeTarget(loaded)
        assert summary(plan_apply(again, deployments)).startswith("No changes")
        job = json.loads(parse(told.tasks["SALES$FIRST"]["definition"]).call.arguments[0].value)
        assert read_name(job["pool"]) == Name((name,))
        assert read_name(job["warehouse"]) == Name((name,))
        assert job["payload"].startswith("@" + job["schema"])
        said = [parse(text) for text in told.said if text.startswith("CREATE OR ALTER TASK")]
        assert {statement.name.parts[:2] for statement in said} == {(name, name)}
        apply_plan(plan_destroy(again, deployments), again, deployments, "me@here")
        assert (told.tasks, told.objects, told.files) == ({}, {}, {})
        told.said.clear()


CODE = """
import firnflow as ff


@ff.task
def prepare() -> int:
    return 1


@ff.task(resources=ff.Resources(cpu=1))
def train(x: int) -> int:
    return x + 1


@ff.task
def score(x: int) -> int:
    return x * 2


@ff.pipeline(schedule=ff.Cron("0 6 * * *"))
def nightly():
    score(train(prepare()))
"""


def test_code_schedule_and_resources_that_change_are_all_that_a_plan_shows(project, told, deployments, tmp_path):
    project()
    section = (tmp_path / "firnflow.toml").read_text()
    changed = CODE.replace("x * 2", "x * 3").replace("0 6", "0 7").replace("cpu=1", "cpu=2")
    plans = []
    for name, code in (("before", CODE), ("after", changed)):
        root = tmp_path / name
        root.mkdir()
        (root / "firnflow.toml").write_text(section)
        (root / "pipelines.py").write_text(code)
        target = SnowflakeTarget(load_project(root, "prod"))
        plans.append(plan_apply(target, deployments))
        apply_plan(plans[-1], target, deployments, "me@here")
    change = plans[1].actions[-1]
    facts = compare(change.facts, change.resource.facts)
    differ = {name: set(before.split("; ")) ^ set(after.split("; ")) for name, (before, after) in facts.items()}
    assert differ["schedule"] == {"0 6 * * * UTC", "0 7 * * * UTC"}
    assert differ["task train"] == {"cpu 1", "cpu 2"}
    assert {part.split()[0] for part in differ["task score"]} == {"code"}
    assert list(differ) == ["schedule", "task train", "task score"]
    digests = {text.partition("/shop-prod/")[2][:16] for text in told.said if text.startswith("CREATE OR ALTER")}
    assert {name.split("/")[2] for name in told.files} == digests - {""}  # the old code stays for runs under way


@ff.task
def table() -> ibis.Table:
    return ibis.memtable({"a": [1]})


def test_a_task_that_publishes_names_the_pipelines_that_wait(project, told, deployments):
    @ff.pipeline
    def orders():
        table().publish("orders")

    @ff.pipeline(schedule=ff.OnUpdate("orders") | ff.OnUpdate("returns"))
    def training():
        first()

    plan = applied(project, deployments, orders, training)
    call = parse(told.tasks["ORDERS$PUBLISH_ORDERS"]["definition"]).call
    assert json.loads(call.arguments[0].value)["wakes"] == {"training": "ML.PROD.TRAINING"}
    assert "schedule: when orders | returns has a new version" in shown(plan)
    assert "Note: training: starts when a task on Snowflake publishes 'orders'; a version" in shown(plan)
    assert told.tasks["TRAINING"]["state"] == "suspended"
    assert told.tasks["TRAINING$FIRST"]["state"] == "started"


def test_pools_and_pipelines_that_would_be_one_are_refused(project):
    with pytest.raises(ConfigError, match=r"pools 'small' and 'SMALL' are both SMALL. Mend: leave one out"):
        SnowflakeTarget(project(sales(), more="pools.SMALL = {}\n"))
    with pytest.raises(UsageError, match=r"'sales' and 'Sales' would both be SALES in Snowflake. Mend: rename one"):
        SnowflakeTarget(project(sales(), sales(name="Sales")))


def test_a_file_of_the_project_that_no_container_has_is_named_when_planning(project, told):
    @ff.task
    def counted(orders: ibis.Table) -> int:
        raise AssertionError

    @ff.pipeline(name="reading")
    def reading():
        counted(ff.source("orders"))

    def wanted(more=""):
        made = project(reading, more=more)
        (made.root / "data").mkdir(exist_ok=True)
        (made.root / "data" / "orders.csv").write_text("a\n1\n")
        (made.root / "catalog.toml").write_text('[orders]\npath = "data/orders.csv"\n')
        return SnowflakeTarget(replace(made, catalog=load_catalog(made.root))).wanted()

    with pytest.raises(ConfigError, match=r"source 'orders' is data/orders.csv, which containers do not have"):
        wanted()
    assert wanted("files = ['data/*.csv']\n")
