"""Tags on what is deployed: set, put back where somebody changes them, and left alone where they are not ours."""

from __future__ import annotations

import json
import re

import pytest

import firnflow as ff
from firnflow.errors import StoreError, UsageError
from firnflow.stores.snowflake.names import identifier
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.explain import as_lines, summary
from firnflow.targets.plan import plan_apply, plan_destroy
from firnflow.targets.snowflake import tags
from firnflow.targets.snowflake.compile.place import Place
from firnflow.targets.snowflake.grammar.values import Name
from firnflow.targets.snowflake.target import SnowflakeTarget

WANTED = {"FIRNFLOW_PROJECT": "shop", "FIRNFLOW_ENVIRONMENT": "prod"}
TAGGED = [
    ("COMPUTE POOL", "SMALL"),
    ("PROCEDURE", "FIRNFLOW_EXEC_V1"),
    ("STAGE", "FIRNFLOW"),
    *(("TASK", name) for name in ("SALES", "SALES$FINALIZER", "SALES$FIRST")),
]


@ff.task
def first() -> int:
    return 1


@ff.pipeline
def sales():
    first()


class Deployment:
    """A project and its account."""

    def __init__(self, project, told, state, environment="prod"):
        self._project, self.told = project, told
        self.deployments = Deployments(state, "shop", environment, "snowflake")

    def plan(self, more=""):
        self.target = SnowflakeTarget(self._project(sales, more=more))
        return plan_apply(self.target, self.deployments)

    def apply(self, more=""):
        plan = self.plan(more)
        apply_plan(plan, self.target, self.deployments, "me@here")
        return plan

    def destroy(self):
        target = SnowflakeTarget(self._project(sales))
        apply_plan(plan_destroy(target, self.deployments), target, self.deployments, "me@here")


@pytest.fixture
def deployment(project, told, tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    yield Deployment(project, told, state)
    state.close()


def shown(plan):
    return "\n".join(line.text for line in as_lines(plan))


def test_all_that_takes_tags_has_them_and_what_somebody_changes_is_put_back(deployment, told):
    deployment.apply()
    assert {each: dict(tags) for each, tags in sorted(told.tags.items())} == dict.fromkeys(TAGGED, WANTED)
    for each in TAGGED:
        told.tags[each] = {"FIRNFLOW_PROJECT": "mine", "FIRNFLOW_ENVIRONMENT": "prod", "TEAM": "red"}
        plan = deployment.plan()
        assert summary(plan) == "1 to change; 6 resources unchanged."
        text = shown(plan)
        assert "was changed by hand, is put back" in text
        assert "-   tags FIRNFLOW_PROJECT=mine, FIRNFLOW_ENVIRONMENT=prod" in text
        assert "+   tags FIRNFLOW_PROJECT=shop, FIRNFLOW_ENVIRONMENT=prod" in text
        deployment.apply()
        assert told.tags[each] == {**WANTED, "TEAM": "red"}, "what is not ours stays"
    assert summary(deployment.plan()).startswith("No changes")


@pytest.mark.parametrize("at", range(len(TAGGED)))
def test_where_tagging_fails_the_same_command_goes_on(deployment, told, at):
    name = TAGGED[at][1]
    told.fails = lambda text: (
        " SET TAG " in text and text.split("SET TAG")[0].rstrip().endswith((f".{name}", f" {name}", f"{name}(VARCHAR)"))
    )
    with pytest.raises(StoreError, match="told to"):
        deployment.apply()
    told.fails = lambda _: False
    deployment.apply()
    assert dict(told.tags) == dict.fromkeys(TAGGED, WANTED)
    assert summary(deployment.plan()).startswith("No changes")


def test_tags_are_told_by_the_names_of_columns_not_by_their_order():
    class Account:
        def query(self, text):
            calls = re.findall(r"SYSTEM\$GET_TAG\('([^']+)', '([^']+)', 'TASK'\) AS (\w+)", text)
            return [{column.lower(): f"{tag} of {name}" for tag, name, column in reversed(calls)}]

    place = Place("ML", "PROD", Name(("WH",)), Name(("ML", "PROD", "FIRNFLOW")), "", "shop", "prod")
    assert tags.told(Account(), place, "TASK", ["A", "B"]) == [
        f"FIRNFLOW_PROJECT=ML.PROD.FIRNFLOW_PROJECT of {name}, "
        f"FIRNFLOW_ENVIRONMENT=ML.PROD.FIRNFLOW_ENVIRONMENT of {name}"
        for name in "AB"
    ]


def test_without_tags_nothing_asks_for_them_and_those_that_were_there_go(deployment, told):
    deployment.apply()
    told.said.clear()
    plan = deployment.apply("tags = false\n")
    assert "- tag FIRNFLOW_PROJECT" in shown(plan)
    assert [text for text in told.said if "SET TAG" in text or "GET_TAG" in text] == []
    assert [name for kind, name in told.objects if kind == "TAG"] == []
    assert summary(deployment.plan("tags = false\n")).startswith("No changes")


def test_a_tag_of_somebody_else_stands_in_the_way_and_one_of_ours_is_shared(deployment, told):
    told.objects["TAG", "FIRNFLOW_PROJECT"] = {"name": "FIRNFLOW_PROJECT", "comment": "the lake's"}
    told.grants.append({"privilege": "APPLY", "granted_on": "TAG", "name": "ML.PROD.FIRNFLOW_PROJECT"})
    with pytest.raises(UsageError, match=r"tag FIRNFLOW_PROJECT: .*\n.*Mend: move it away, or deploy under another"):
        deployment.plan()
    del told.objects["TAG", "FIRNFLOW_PROJECT"]
    deployment.apply()
    other = {"name": "THEIRS", "comment": "firnflow project=shop environment=test", "predecessors": "[]"}
    told.tasks["THEIRS"] = other
    deployment.destroy()
    assert sorted(name for kind, name in told.objects if kind == "TAG") == sorted(WANTED), (
        "another deployment needs them"
    )
    deployment.apply()
    del told.tasks["THEIRS"]
    deployment.destroy()
    assert [name for kind, name in told.objects if kind == "TAG"] == []


def test_a_role_that_may_make_or_set_no_tags_is_told_before_anything_is_changed(deployment, told):
    lacking = {"privilege": "CREATE TAG", "granted_on": "SCHEMA", "name": "ML.PROD"}
    told.grants = [each for each in told.grants if each != lacking and each["privilege"] != "OWNERSHIP"]
    told.grants.append({"privilege": "USAGE", "granted_on": "SCHEMA", "name": "ML.PROD"})
    with pytest.raises(UsageError, match=r"lacks:\n  CREATE TAG on schema ML\.PROD\nMend: .* or tags = false in \[env"):
        deployment.plan()
    deployment.plan("tags = false\n")
    told.grants.append(lacking)
    deployment.apply()
    told.grants = [each for each in told.grants if each["granted_on"] != "TAG"]
    with pytest.raises(UsageError, match=r"lacks:\n  APPLY on tag ML\.PROD\.FIRNFLOW_PROJECT\n"):
        deployment.plan()
    told.grants.append({"privilege": "APPLY TAG", "granted_on": "ACCOUNT", "name": "XY12345"})
    assert summary(deployment.plan()).startswith("No changes")


def test_what_tasks_send_says_which_pipeline_and_task_it_is_of(compiled):
    place = Place("ML", "PROD", Name(("WH",)), Name(("ML", "PROD", "FIRNFLOW")), "", "shop", "prod")
    said = {each.name: json.loads(each.statement(place).get("QUERY_TAG"))["firnflow"] for each in compiled(sales).tasks}
    whose = {"project": "shop", "environment": "prod", "pipeline": "sales"}
    assert said == {
        "SALES": whose,
        "SALES$FIRST": {**whose, "task": "first"},
        "SALES$FINALIZER": {**whose, "task": "finalizer"},
    }


@pytest.mark.slow
@pytest.mark.server
def test_snowflake_itself_says_what_belongs_to_a_project(ground, connect):
    here = ground()
    file = here.root / "firnflow.toml"
    tagged = file.read_text()
    file.write_text(f"{tagged}\ntags = false\n")  # as what was deployed before there were tags
    here.apply(sales)
    file.write_text(tagged)
    plan = here.apply(sales)
    assert summary(plan) == "2 to add, 5 to change; 0 resources unchanged.", "the code too: firnflow.toml is part of it"
    assert "by hand" not in shown(plan)
    place = here.schema
    cursor = connect().cursor()
    for kind, name, types in (
        ("task", "SALES", ""),
        ("task", "SALES$FIRST", ""),
        ("stage", "FIRNFLOW", ""),
        ("procedure", "FIRNFLOW_EXEC_V1", "(VARCHAR)"),
    ):
        full = f"{place}.{identifier(name)}"
        rows = cursor.execute(
            f"SELECT tag_name, tag_value FROM TABLE(TAG_REFERENCES('{full}{types}', '{kind}'))"
        ).fetchall()
        assert dict(rows) == WANTED
    cursor.execute(f"ALTER TASK {place}.SALES SUSPEND")
    cursor.execute(f"ALTER TASK {place}.SALES UNSET TAG {place}.FIRNFLOW_PROJECT")
    assert summary(here.apply(sales)).startswith("1 to change;")
    assert summary(here.apply(sales)).startswith("No changes")
    here.apply()
