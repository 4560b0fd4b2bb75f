"""A real Airflow with PostgreSQL and LocalExecutor: small pipelines and examples give what they give on this machine.

All runs are under way at once. What is killed is killed when they have ended.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import requires, version

import cases
import psutil
import pytest
from airflow_bench import running
from airflow_steady import LONG, Steady
from outcome import differences
from packaging.requirements import Requirement
from packaging.version import Version
from small_examples import DAY, RUNS, copy_to, same_as_here, write_feeds
from steered import Steered, steer

from firnflow.stores.state import State

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.timeout(1800),  # the first test waits for all that is under way
]
CHOSEN = cases.that("airflow")
PROJECTS = ("churn", "usage_anomalies", "cookies")
"""The examples that run here; mortgage runs where Celery does it."""
THEIRS = """
from airflow.sdk import DAG, Asset, task

with DAG("theirs", schedule=None) as ours_too:

    @task(outlets=[Asset(name="c_outside", uri="firnflow://tables/c_outside")])
    def tell():
        print("another team's")

    tell()

with DAG("readers", schedule=[Asset(name="c_conformance_numbers", uri="firnflow://tables/c_conformance_numbers")]):

    @task
    def look(triggering_asset_events):
        print([event.extra for events in triggering_asset_events.values() for event in events])

    look()
"""
OTHERS = (
    *("c_reading", "c_both", "c_one_of_them", "c_steady", "c_surroundings", "c_mended", "c_nightly", "c_keyed"),
    *("theirs", "readers"),
)
DAGS = {*OTHERS, *(f"c_{case.pipeline}" for case in CHOSEN), *(name for each in PROJECTS for name, _ in RUNS[each])}


@pytest.fixture(scope="module")
def bench(project, airflow_python, tmp_path_factory):
    """An Airflow that knows all projects, and runs what is compared."""
    home = tmp_path_factory.mktemp("airflow")
    copy_to(home / "examples", *PROJECTS)
    with running(airflow_python, home) as bench:
        (bench.airflow.dags / "theirs.py").write_text(THEIRS)
        bench.apply((project, "prod"), *((home / "examples" / name, "airflow") for name in PROJECTS))
        bench.rest.wait_for_dags(DAGS)
        write_feeds(home / "examples" / "cookies")
        for source in ("orders", "trial_customers"):
            bench.rest.tell_of(f"source-{source}", partition=DAY)
        bench.trigger("churn", "churn")
        for case in CHOSEN:
            bench.trigger(case.name, f"c_{case.pipeline}", **_params(case, home))
        bench.trigger("theirs", "theirs")
        bench.trigger("surroundings", "c_surroundings")
        bench.trigger("mended", "c_mended", folder=str(home))
        yield bench


def _params(case, folder):
    marks = folder / "marks" / case.pipeline
    marks.mkdir(parents=True, exist_ok=True)
    given = {name: value.replace("FOLDER", str(marks)) for name, value in case.params.items()}
    return given | ({"partition": case.partition} if case.partition else {})


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.name)
def test_airflow_does_what_the_local_engine_does(case, bench, local):
    right = local(case)
    ended = bench.ended(case.name)
    found = bench.outcome(case.name)
    assert differences(case, found, right) == []
    assert ended == {"succeeded": "success"}.get(case.status, case.status)
    if case.states is not None:
        assert found.attempts == right.attempts


def test_the_page_says_which_element_is_which_and_shows_the_traceback(bench):
    bench.ended("maps")
    bench.ended("a failure")
    assert {"double[x=1]", "found[x=0]", "add[y=20]"} <= set(bench.rest.tasks(*bench.runs["maps"]))
    log = bench.rest.log(*bench.runs["a failure"], "broken")
    assert "ValueError: no luck with 1" in log
    assert 'flows.py", line' in log
    assert "site-packages" not in log.partition("Traceback")[2]


def test_pipelines_and_dags_of_others_start_each_other_by_assets(bench):
    bench.ended("a table")
    for dag in ("c_reading", "readers", "c_both", "c_one_of_them"):
        started = bench.rest.until_run(dag)
        assert started["run_type"] == "asset_triggered"
        assert bench.rest.wait(dag, started["dag_run_id"]) == "success"
    (first, *_) = bench.rest.runs("readers")
    run = bench.run_id("a table")
    assert f"'run': '{run}'" in bench.rest.log("readers", first["dag_run_id"], "look")
    events = {(each["name"], each["extra"].get("version")) for each in bench.rest.get("assets/events")["asset_events"]}
    assert {("c_conformance_numbers", 1), ("c_outside", None)} <= events


def test_a_failed_run_is_tried_again_and_goes_on_by_firnflow_when_it_is_mended(bench, project):
    assert bench.ended("mended") == "failed"
    log = bench.rest.log(*bench.runs["mended"], "impatient", 2)
    assert "No such file or directory" in log
    assert 'flows.py", line' in log
    (bench.airflow.home / "there").write_text("7")
    bench.quiet()
    run = bench.run_id("mended")
    bench.firnflow(project, "resume", run, "--env", "prod", "--timeout", "5m")
    assert bench.ended("mended") == "success"
    found = bench.outcome("mended")
    assert (found.status, found.attempts) == ("succeeded", {"left": 1, "impatient": 3, "below": 1})
    assert "FileNotFoundError" in bench.firnflow(project, "logs", run, "impatient", "--env", "prod")


def test_runs_and_backfills_are_started_by_firnflow(bench, project):
    bench.quiet()
    bench.firnflow(project, "run", "groups", "--env", "prod", "--id", "nightly", "--timeout", "5m")
    assert bench.rest.state("c_groups", "nightly") == "success"
    bench.firnflow(project, "backfill", "daily", "--from", "2026-01-06", "--to", "2026-01-07", "--env", "prod")
    state = State(bench.state)
    try:
        days = {run.partition for run in state.runs(pipeline="daily") if run.status == "succeeded"}
    finally:
        state.close()
    assert days >= {"2026-01-06", "2026-01-07"}


def test_libraries_in_conflict_do_not_meet(bench):
    """Airflow has pandas 3 and SQLAlchemy 2.1; the project pins older ones, and could not be installed beside it."""
    assert bench.ended("surroundings") == "success"
    state = State(bench.state)
    try:
        (attempt,) = (each for each in state.attempts(bench.run_id("surroundings")) if each.task == "versions")
    finally:
        state.close()
    found = json.loads(attempt.outputs["result"]["inline"])
    ours = {name: version(name) for name in ("pandas", "sqlalchemy")}
    assert found == {**ours, "python": sys.prefix}
    asked = "from importlib.metadata import version; print(version('pandas'), version('sqlalchemy'))"
    theirs = subprocess.check_output([bench.airflow.python, "-c", asked], text=True).split()
    for other, name in zip(theirs, ours, strict=True):
        assert Version(other) > Version(ours[name])
        assert not any(
            Requirement(text).specifier.contains(other)
            for text in requires("firnflow") or ()
            if Requirement(text).name == name
        )


@pytest.mark.parametrize("name", PROJECTS)
def test_an_example_gives_the_same_digests_as_here(name, bench):
    same_as_here(bench, bench.airflow.home / "examples" / name)


def test_what_others_have_in_the_folder_stays_when_ours_goes(bench, project):
    """Of two environments in one DAGs folder one is taken away."""
    theirs = bench.airflow.dags / "theirs.py"
    bench.firnflow(project, "apply", "--env", "other", "--yes")
    before = {path for path in bench.airflow.dags.rglob("*") if "__pycache__" not in path.parts}
    bench.firnflow(project, "destroy", "--env", "other", "--yes")
    gone = before - set(bench.airflow.dags.rglob("*"))
    assert {path.relative_to(bench.airflow.dags).parts[0] for path in gone} == {"firnflow-conformance-other"}
    assert theirs.read_text() == THEIRS
    assert "No changes" in bench.firnflow(project, "plan", "--env", "prod")


def test_firnflow_steers_it(bench, project, tmp_path):
    """Each is a handful of calls that wait: all at once, when all else has ended."""
    bench.quiet()
    steer(Steered(bench, project), tmp_path)


# -- what is killed ---------------------------------------------------------------------------------------------------


@pytest.fixture
def steady(bench, tmp_path):
    return Steady(bench, tmp_path)


def test_a_killed_task_is_tried_again(steady):
    process = steady.process()
    process.kill()
    steady.process({process.pid})
    steady.check()


def test_a_worker_that_is_killed_with_its_task_under_way_is_noticed(steady):
    process = steady.process()
    worker = process.parent().parent()
    assert "worker" in " ".join(worker.cmdline())
    worker.kill()
    steady.process({process.pid})
    steady.check()


def test_a_scheduler_that_is_killed_with_all_that_it_has_started_goes_on(steady, bench):
    """As systemd does it: what is left alone has the scheduler's connection, and keeps its rows locked."""
    process = steady.process()
    scheduler = psutil.Process(bench.airflow.pid_of("scheduler"))
    for each in [scheduler, *scheduler.children(recursive=True)]:
        each.kill()
    steady.process({process.pid})
    steady.check()


def test_a_run_survives_that_postgresql_starts_again(steady, bench):
    steady.process()
    bench.postgres.stop()
    bench.postgres.start()
    steady.check()


@pytest.mark.parametrize("by", ["the page", "firnflow"])
def test_a_cancelled_run_leaves_no_process(by, steady, bench, project):
    process = steady.process()
    family = [process, *process.children(recursive=True)]
    dag, run = bench.runs[steady.name]
    if by == "firnflow":
        bench.firnflow(project, "cancel", bench.run_id(steady.name), "--env", "prod")
    else:
        bench.rest.patch(f"dags/{dag}/dagRuns/{run}", {"state": "failed"})
    assert psutil.wait_procs(family, LONG)[1] == []
    assert bench.ended(steady.name) == "failed"
