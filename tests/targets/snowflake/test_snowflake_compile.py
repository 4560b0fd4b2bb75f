"""What a pipeline is compiled to for Snowflake: tasks, conditions, settings, and what is refused."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

import firnflow as ff
from firnflow.errors import ConfigError, UsageError
from firnflow.project import Project, Source
from firnflow.targets.snowflake.compile.jobs import Jobs
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.compile.schedule import as_waiting, told, waits_for
from firnflow.targets.snowflake.compile.tasks import as_config, compile_graph
from firnflow.targets.snowflake.compile.triggers import compile_triggers
from firnflow.targets.snowflake.grammar import parse, render, render_expression, render_name
from firnflow.targets.snowflake.grammar import values as v


@ff.task(retries=3, retry_delay="10s", backoff=3, timeout="1h", resources=ff.Resources(pool="big", cpu=2))
def double(x: int) -> int:
    return 2 * x


@ff.task
def listed() -> list[int]:
    return [1, 2]


@ff.task
def is_good() -> bool:
    return True


@ff.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@ff.task
def perhaps(x: int | None) -> int:
    return x or 0


@ff.task
def tidy(summary: ff.RunSummary) -> None: ...


class Params(ff.Params):
    x: int = 3
    name: str = "it's"


@ff.task
def named(x: int, name: str) -> str:
    return name * x


@ff.pipeline(schedule=ff.Cron("0 6 * * 5-7", timezone="Europe/Zurich", overlap=True), finalizer=tidy)
def everything():
    good = is_good()
    with good.case(True):  # noqa: FBT003 - a case
        one = double.options(name="one")(1)
    total(double.options(name="written").map([3, 4]))
    double.options(name="found").map(listed())
    perhaps(one)


@ff.pipeline(params=Params)
def asked(p):
    named(p.x, p.name)


def by_name(graph):
    return {each.name: each for each in graph.tasks}


def called(task):
    statement = parse(task.body)
    assert statement.call.name == v.Name(("ML", "PROD", "FIRNFLOW_EXEC_V1"))
    return json.loads(statement.call.arguments[0].value)


def test_tasks_come_after_what_they_read(compiled):
    graph = compiled(everything)
    tasks = by_name(graph)
    assert graph.root == "EVERYTHING"
    assert {name: each.after for name, each in tasks.items()} == {
        "EVERYTHING": (),
        "EVERYTHING$IS_GOOD": ("EVERYTHING",),
        "EVERYTHING$ONE": ("EVERYTHING$IS_GOOD",),
        "EVERYTHING$WRITTEN$0": ("EVERYTHING",),
        "EVERYTHING$WRITTEN$1": ("EVERYTHING",),
        "EVERYTHING$TOTAL": ("EVERYTHING$WRITTEN$0", "EVERYTHING$WRITTEN$1"),
        "EVERYTHING$LISTED": ("EVERYTHING",),
        "EVERYTHING$FOUND": ("EVERYTHING$LISTED",),
        "EVERYTHING$PERHAPS": ("EVERYTHING$ONE",),
        "EVERYTHING$FINALIZER": (),
    }
    settings = {each.name: each.value for each in tasks["EVERYTHING$FINALIZER"].settings}
    assert settings["FINALIZE"] == v.Name(("ML", "PROD", "EVERYTHING"))
    assert called(tasks["EVERYTHING$WRITTEN$1"])["element"] == 1
    assert "element" not in called(tasks["EVERYTHING$FOUND"])


def test_a_branch_asks_what_was_decided_and_a_join_starts_where_none_has_failed(compiled):
    tasks = by_name(compiled(everything))
    conditions = {each.of: render_expression(each.condition) for each in tasks.values() if each.condition is not None}
    assert conditions == {
        "one": "SYSTEM$GET_PREDECESSOR_RETURN_VALUE('EVERYTHING$IS_GOOD') = 'true'",
        "perhaps": "SYSTEM$PREDECESSORS_STATE('NONE_FAILED')",
    }
    assert called(tasks["EVERYTHING$IS_GOOD"])["decides"] == "result"
    assert "decides" not in called(tasks["EVERYTHING$ONE"])


def test_the_root_has_schedule_and_parameters(compiled):
    root = {each.name: each.value for each in compiled(everything).tasks[0].settings}
    assert root["SCHEDULE"] == "USING CRON 0 6 * * 5-6,0 Europe/Zurich"
    assert root["OVERLAP_POLICY"] == v.Word("ALLOW_ALL_OVERLAP")
    root = {each.name: each.value for each in compiled(asked, {"x": 3, "name": "it's"}).tasks[0].settings}
    assert root["CONFIG"] == v.Code('{"name": "it\'s", "x": 3}')
    given = {"sections": {"b": [1], "a": 2}, "rows": [{"z": 1}], "plain": [1, None]}
    assert as_config(given) == {"sections": '{"b": [1], "a": 2}', "rows": '[{"z": 1}]', "plain": [1, None]}
    assert "SCHEDULE" not in root
    assert root["OVERLAP_POLICY"] == v.Word("NO_OVERLAP")


def test_a_call_says_all_that_its_job_needs(compiled):
    graph = compiled(everything)
    job = called(by_name(graph)["EVERYTHING$ONE"])
    assert job == {
        "version": 1,
        "payload": "@ML.PROD.FIRNFLOW/shop-prod/0123456789abcdef",
        "schema": "ML.PROD",
        "env": "prod",
        "warehouse": "WH",
        "pipeline": "everything",
        "task": "one",
        "params": [],
        "pool": "TEAM_POOL",
        "retries": 3,
        "retry_delay": 10.0,
        "backoff": 3.0,
        "timeout": 3600.0,
        "cpu": 2.0,
    }
    settings = {each.name: each.value for each in by_name(graph)["EVERYTHING$ONE"].settings}
    assert settings["USER_TASK_TIMEOUT_MS"] == 1000 * (1800 + 4 * 3600 + 10 + 30 + 90)
    settings = {each.name: each.value for each in by_name(graph)["EVERYTHING$PERHAPS"].settings}
    assert settings["USER_TASK_TIMEOUT_MS"] == 604_800_000


def test_every_statement_is_one_of_the_grammar_and_marked(compiled, project):
    place = place_of(project(everything))
    for graph in (compiled(everything), compiled(asked, {"name": "'; DROP TASK x; -- $$ \\"})):
        for task in graph.tasks:
            statement = task.statement(place)
            assert parse(render(statement)) == statement
            assert place.is_marked(statement.get("COMMENT"))
    assert not place.is_marked("firnflow project=shop environment=production 0123")
    assert not place.is_marked(None)


def test_a_mark_changes_with_what_show_does_not_tell(compiled, project):
    place = place_of(project(everything))
    longer = everything_with(timeout="2h")
    comments = [compiled(each).tasks[1].statement(place).get("COMMENT") for each in (everything_with("1h"), longer)]
    assert comments[0] != comments[1]


def everything_with(timeout):
    @ff.pipeline
    def timed():
        double.options(timeout=timeout)(1)

    return timed


def chain_of(count):
    @ff.pipeline
    def many():
        for index in range(count):
            double.options(name=f"t{index}")(index)

    return many


@ff.pipeline
def alike():
    double.options(name="Train")(1)
    double.options(name="train")(2)


@ff.pipeline(schedule=ff.OnUpdate("c") | ff.OnUpdate("a") & ff.OnUpdate("b"))
def updated():
    listed()


@ff.pipeline(schedule=ff.Every("90s"))
def often():
    listed()


@ff.pipeline(schedule=ff.Cron("0 6 1 * 1"))
def both_days():
    listed()


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (alike, r"'Train' and 'train' would both be ALIKE\$TRAIN in Snowflake. Mend: rename one"),
        (often, r"every 1 to 11520 whole minutes, not every 1m30s. Mend: another interval"),
        (both_days, "names days of the month and of the week.*Mend: name the one or the other"),
        (chain_of(101), "101 tasks would stand behind 'the start' in Snowflake, which takes 100. Mend: gather"),
        (chain_of(999), "would be 1,001 tasks in Snowflake, which takes 1,000. Mend: map over a computed list"),
    ],
)
def test_what_snowflake_cannot_do_is_refused_by_name(compiled, pipeline, message):
    with pytest.raises(UsageError, match=message):
        compiled(pipeline)


def test_maps_that_are_too_wide_or_run_few_at_once_are_one_job(compiled):
    @ff.pipeline
    def wide():
        total(double.options(name="many").map(list(range(101))))
        double.options(name="few", concurrency=2).map([1, 2, 3])

    assert [each.of for each in compiled(wide).tasks] == ["", "many", "total", "few", "finalizer"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('pools.small2 = { family = "CPU_X64_S", min = 1 }', r"pools.small2\] min is not known. Known: .*min_nodes"),
        ('secrets = { STATE_URL = "state_url" }', "secrets need an image: ML Jobs cannot be given any"),
        (
            'integrations = ["a b"]',
            "integrations = 'a b' is no name of Snowflake: line 1, column 3.*Mend: integrations = '\"a b\"'",
        ),
        ('prefix = "1x"', "prefix"),
        ("pools.wide = { min_nodes = 3, max_nodes = 2 }", "max_nodes = 2 is less than min_nodes = 3"),
    ],
)
def test_a_section_that_is_wrong_is_refused_with_what_mends_it(project, more, message):
    with pytest.raises(ConfigError, match=message):
        Jobs((made := project(everything, more=more)), place_of(made), "0")


def test_a_pool_that_is_not_there_or_too_small_is_refused(compiled):
    @ff.pipeline
    def hungry():
        double.options(resources=ff.Resources(pool="smal"))(1)

    @ff.pipeline
    def large():
        double.options(resources=ff.Resources(memory="64GiB"))(1)

    with pytest.raises(ConfigError, match=r"task 'double' wants pool 'smal', which is not there. Did you mean 'small'"):
        compiled(hungry)
    with pytest.raises(ConfigError, match=r"64 GiB and 0 GPUs, but an instance of pool 'small' \(CPU_X64_S\) has"):
        compiled(large)


def test_a_group_is_one_task_that_says_how_each_of_its_steps_is_run(compiled):
    @ff.pipeline
    def fused():
        first = passes.options(name="first")(listed())
        score = total.options(name="score", group="end", retries=2, resources=ff.Resources(memory="1GiB"))(first)
        good = is_positive.options(name="good", group="end", timeout="1h")(score)
        with good.case(True):  # noqa: FBT003 - a case
            double.options(name="after")(score)
        perhaps.options(name="apart", group="end")(score)

    graph = compiled(fused)
    assert [each.of for each in graph.tasks] == ["", "listed", "first", "score+good+apart", "after", "finalizer"]
    tasks = by_name(graph)
    assert tasks["FUSED$SCORE"].after == ("FUSED$FIRST",)
    assert tasks["FUSED$AFTER"].after == ("FUSED$SCORE",)
    assert render_expression(tasks["FUSED$AFTER"].condition) == (
        "SYSTEM$PREDECESSORS_STATE('ALL_DONE') AND SYSTEM$GET_PREDECESSOR_RETURN_VALUE('FUSED$SCORE') = 'true'"
    )
    job = called(tasks["FUSED$SCORE"])
    assert (job["task"], job["retries"], job["memory"]) == ("score+good+apart", 2, 2**30)
    assert job["steps"] == [
        {"task": "score", "retries": 2, "retry_delay": 1.0, "backoff": 2.0, "memory": 2**30},
        {"task": "good", "timeout": 3600.0, "decides": "result", "needs": ["score"]},
        {"task": "apart", "needs": ["score"]},
    ]


def test_a_job_of_which_a_task_does_without_what_others_need_starts_whatever_has_become_of_that(compiled):
    @ff.pipeline
    def mixed():
        one, two = passing.options(name="one")(1), passing.options(name="two")(2)
        first = passing.options(name="first", group="g")(one)
        add.options(name="both", group="g")(first, two)

        passing.options(name="last")(first)
        add.options(name="whole")(first, two)

    tasks = by_name(compiled(mixed))
    assert render_expression(tasks["MIXED$FIRST"].condition) == "SYSTEM$PREDECESSORS_STATE('ALL_DONE')"
    assert render_expression(tasks["MIXED$LAST"].condition) == "SYSTEM$PREDECESSORS_STATE('ALL_DONE')"

    @ff.pipeline
    def alike():
        one, two = perhaps.options(name="one")(1), passing.options(name="two")(2)
        first = add.options(name="first", group="g")(one, two)
        add.options(name="both", group="g")(first, two)

    condition = by_name(compiled(alike))["ALIKE$FIRST"].condition
    assert render_expression(condition) == "SYSTEM$PREDECESSORS_STATE('NONE_FAILED')"


def test_a_map_that_runs_few_at_once_is_dealt_among_as_many_instances_as_its_pool_has(compiled):
    @ff.pipeline
    def dealt():
        numbers = listed()
        passing.options(name="ours", concurrency=5).map(numbers)
        double.options(name="theirs", concurrency=5).map([1, 2, 3])
        double.options(name="alone", concurrency=1).map(numbers)

    tasks = by_name(compiled(dealt))
    assert "instances" not in called(tasks["DEALT$OURS"])  # its pool has one node
    assert called(tasks["DEALT$THEIRS"])["instances"] == 5  # nobody says how many a pool has that is there already
    assert "instances" not in called(tasks["DEALT$ALONE"])


@ff.task
def tabled() -> pa.Table: ...


@ff.pipeline
def publishing():
    rows = tabled()
    rows.publish("a")
    rows.publish("c")


@ff.pipeline(schedule=ff.OnUpdate("a") | ff.OnUpdate("z"))
def either():
    listed()


def test_who_publishes_asks_for_those_that_wait(project):
    place = place_of(made := project(publishing, updated, either))
    waiting = as_waiting(each.build() for each in (publishing, updated, either))
    graph = compile_graph(publishing.build(), place, Jobs(made, place, "0"), {}, waiting)
    calls = [called(task) for task in graph.tasks if task.of.startswith("publish_")]
    assert {job["task"]: job["wakes"] for job in calls} == {
        "publish_a": {"updated": "ML.PROD.UPDATED", "either": "ML.PROD.EITHER"},
        "publish_c": {"updated": "ML.PROD.UPDATED"},
    }
    assert told(updated.schedule) == "c | a & b"
    assert told(ff.OnUpdate("a") & (ff.OnUpdate("b") | ff.OnUpdate("c"))) == "a & (b | c)"


def test_a_thousand_tasks_are_within_the_limits(compiled):
    @ff.pipeline
    def long():
        last = listed()
        for index in range(997):
            last = passes.options(name=f"t{index}")(last)

    assert len(compiled(long).tasks) == 1000


@ff.task
def is_positive(x: int) -> bool:
    return x > 0


@ff.task
def passing(x: int) -> int:
    return x


@ff.task
def add(x: int, y: int) -> int:
    return x + y


@ff.task
def passes(x: list[int]) -> list[int]:
    return x


def test_a_pipeline_that_waits_for_tables_of_others_is_started_by_streams_on_them(project):
    a, b, c = (ff.OnUpdate(source=name) for name in "abc")

    def made(schedule):
        @ff.pipeline(schedule=schedule)
        def late():
            listed()

        bare = project(late)
        whole = Project(bare.root, bare.settings, bare.pipelines, {n: Source(table=f'"{n}; é".t') for n in "abc"})
        return compile_triggers(whole, place_of(whole), [late.build()])[0]

    starter = made((a | b) & c)
    moves, starts = starter.graph.tasks
    asked = [f"SYSTEM$STREAM_HAS_DATA('ML.PROD.LATE$ON${name}')" for name in "ABC"]
    assert render_expression(moves.condition) == f"({asked[0]} OR {asked[1]}) AND {asked[2]}"
    assert [render_name(each.on) for each in starter.streams] == [f'ML."{n}; é".T' for n in "abc"]
    for each in "ABC":
        assert f"FROM ML.PROD.LATE$ON${each} WHERE 0 = 1" in moves.body
    assert (moves.name, starts.after, starts.name) == ("_ON_UPDATE$LATE", (moves.name,), "_ON_UPDATE$LATE$START")
    assert '"starts": ["ML", "PROD", "LATE"]' in starts.body
    assert len(made(a | (ff.OnUpdate("t") & ff.OnUpdate("u"))).streams) == 1
    with pytest.raises(UsageError, match="to wait for a source and a named table together, source a & t, is not there"):
        made(a & ff.OnUpdate("t"))
    with pytest.raises(UsageError, match="to wait for files of source 'a' is not there yet on Snowflake"):
        waits_for(single_wait(a))


def single_wait(schedule):
    """The graph of a pipeline with this schedule."""

    @ff.pipeline(schedule=schedule)
    def late():
        listed()

    return late.build()
