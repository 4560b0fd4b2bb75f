"""Every target runs the same small pipelines, and gives what the local engine gives."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from firnflow.cli import main


def _load(name):
    spec = importlib.util.spec_from_file_location(f"conformance_{name}", Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cases, airflow_server, runs_of = _load("cases"), _load("airflow_server"), _load("outcome")


def differences(case, found, right):
    """Return what a target does otherwise than it should, or than the local engine does."""
    told = []
    if found.status != case.status:
        told.append(f"ended {found.status}, not {case.status}")
    if case.states is not None:
        wrong = {task: state for task, state in found.states.items() if state != case.states.get(task, "succeeded")}
        wrong |= dict.fromkeys({*case.states, *right.states} - {*found.states}, "nothing")
        told.append(f"states {wrong}") if wrong else None
    if found.digests != right.digests:
        told.append(f"digests of {[key for key in right.digests if found.digests.get(key) != right.digests[key]]}")
    return [f"{case.name}: {each}" for each in told]


@pytest.mark.slow
@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_the_local_engine_does_what_a_case_says(case, local):
    found = local(case)
    assert differences(case, found, found) == []
    if "retries" in case.needs:
        assert found.attempts == {"flaky": 3}


def test_what_a_target_beside_the_local_one_can_do_is_shown_by_a_case():
    shown = {need for case in cases.CASES for need in case.needs}
    assert shown <= set(cases.CAPABILITIES)
    assert {name for name, (_, can) in cases.CAPABILITIES.items() if can["airflow"] == "yes"} <= shown


def test_the_published_table_says_what_the_suite_says():
    text = (Path(__file__).parents[2] / "docs" / "targets.md").read_text()
    rows = [f"| {what} | {' | '.join(can.values())} |" for what, can in cases.CAPABILITIES.values()]
    assert text.rstrip().endswith("\n".join(["| | local | airflow |", "|---|---|---|", *rows]))


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(600)
def test_airflow_does_what_the_local_engine_does(project, local, database, airflow_python, tmp_path, monkeypatch):
    """One test, so that there is never more than one Airflow: all runs are under way at once."""
    state, metadata = database
    monkeypatch.setenv("CONFORMANCE_STATE", state)
    monkeypatch.chdir(project)
    (project / "env").symlink_to(tmp_path)
    (tmp_path / "dags").mkdir()
    assert main(["apply", "--env", "prod", "--yes"]) == 0
    with airflow_server.running(airflow_python, tmp_path, metadata) as airflow:
        chosen = cases.that("airflow")
        right = {case.name: local(case) for case in chosen}
        airflow.wait_until_up()
        airflow.wait_for_dags({f"c_{case.pipeline}" for case in chosen} | {"c_reading"})
        runs = {case.name: airflow.trigger(f"c_{case.pipeline}", **_params(case, tmp_path)) for case in chosen}
        told = [each for case in chosen for each in _compare(airflow, case, runs[case.name], state, right[case.name])]
        assert told == []
        tasks = airflow.tasks("c_maps", runs["maps"])
        assert {"double[x=1]", "found[x=0]", "add[y=20]"} <= set(tasks)
        assert "no luck with 1" in airflow.log("c_failing", runs["a failure"], "broken")
        started = airflow.until_run("c_reading")
        assert started["run_type"] == "asset_triggered"
        assert airflow.wait("c_reading", started["dag_run_id"]) == "success"
        (event,) = airflow.get("assets/events")["asset_events"]
        assert (event["extra"]["version"], len(event["extra"]["digest"])) == (1, 64)
        assert main(["destroy", "--env", "prod", "--yes"]) == 0
        assert list(airflow.dags.iterdir()) == []
    assert _left_over(tmp_path) == []


def _params(case, folder):
    marks = folder / "marks" / case.pipeline
    marks.mkdir(parents=True, exist_ok=True)
    return {name: value.replace("FOLDER", str(marks)) for name, value in case.params.items()}


def _compare(airflow, case, run, state, right):
    dag = f"c_{case.pipeline}"
    ended = airflow.wait(dag, run, 240)
    found = runs_of.outcome(state, f"{case.pipeline}.{run}")
    told = differences(case, found, right)
    if ended != {"succeeded": "success"}.get(case.status, case.status):
        told.append(f"{case.name}: Airflow says {ended}")
    if found.attempts != right.attempts and case.states is not None:
        told.append(f"{case.name}: attempts {found.attempts}, not {right.attempts}")
    return told


def _left_over(folder):
    """Return the processes that still name a folder."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(folder) in line]
