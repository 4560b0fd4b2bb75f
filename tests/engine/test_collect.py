"""Garbage collection: what goes, what stays, crashes on the way, runs beside it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
import time

import pytest

from firnflow._crash import InjectedCrash
from firnflow.engine import collect
from firnflow.engine.workplace import logs_folder
from firnflow.stores import Stores
from firnflow.stores.state import Attempt

SOURCE = """
import time
from pathlib import Path

@ff.task
def big(size: int) -> list[int]:
    return list(range(size))

@ff.task
def small(numbers: list[int]) -> int:
    print("adding")
    return sum(numbers)

class SizeParams(ff.Params):
    size: int = 1000

@ff.pipeline(params=SizeParams)
def flow(p):
    small(big(p.size))
"""

EVERYTHING = collect.Rule(older_than=0.0, keep=0)


@pytest.fixture
def project(lab):
    return lab(SOURCE)


@pytest.fixture
def place(project):
    stores = Stores.open(project.project.settings, project.root)
    return collect.Place(project.state, [], stores.artifacts, logs_folder(project.root), stores)


def age(place, seconds=2 * collect.GRACE):
    """Make all that is stored look old."""
    for path in place.artifacts.folder.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - seconds,) * 2)


def stored(place):
    return [each.where for each in place.artifacts.objects()]


def run(project, size):
    return project.run("flow", f"size={size}", inline=True)


def test_an_old_run_goes_with_its_objects_and_logs(project, place):
    old, new = run(project, 1000), run(project, 2000)
    age(place)
    garbage = collect.find(place, EVERYTHING)
    assert [each.id for each in garbage.runs] == [old.run]
    assert [each.where for each in garbage.objects] == [old.outputs["big"].where]
    assert garbage.bytes > old.outputs["big"].size
    assert len(stored(place)) == 2, "finding changes nothing"
    collect.collect(place, garbage)
    assert [each.id for each in project.state.runs()] == [new.run]
    assert stored(place) == [new.outputs["big"].where]
    assert not (place.logs / old.run).exists()
    assert (place.logs / new.run).exists()
    assert collect.find(place, EVERYTHING) == collect.Garbage((), (), 0)


def test_an_object_that_a_remaining_run_took_from_the_cache_stays(project, place):
    run(project, 1000)
    again = run(project, 1000)
    age(place)
    garbage = collect.collect(place, collect.find(place, EVERYTHING))
    assert len(garbage.runs) == 1
    assert stored(place) == [again.outputs["big"].where]
    assert run(project, 1000).tasks["big"].state == "cached", "and can be taken from there once more"


def test_the_newest_runs_stay(project, place):
    runs = [run(project, size).run for size in (1000, 2000, 3000, 4000)]
    garbage = collect.find(place, collect.Rule(older_than=0.0, keep=2))
    assert [each.id for each in garbage.runs] == [runs[1], runs[0]]
    assert collect.find(place, collect.Rule(older_than=3600.0, keep=0)).runs == ()


def test_the_newest_complete_run_stays(project, place):
    complete = run(project, 1000)
    for _ in range(3):
        project.run("flow", only=("small",), inline=True)
    garbage = collect.find(place, EVERYTHING)
    assert complete.run not in {each.id for each in garbage.runs}
    assert len(garbage.runs) == 3


def test_an_object_of_the_last_hour_stays(project, place):
    path = place.artifacts.scratch("json")
    path.write_text("[]")
    orphan = place.artifacts.put(path, "ab" * 32, "json")
    assert collect.find(place, EVERYTHING).objects == ()
    age(place, collect.GRACE - 60)
    assert collect.find(place, EVERYTHING).objects == ()
    age(place)
    assert [each.where for each in collect.find(place, EVERYTHING).objects] == [orphan]


def test_what_an_attempt_under_way_may_be_about_to_commit_stays(project, place):
    run(project, 1000)
    run(project, 2000)
    state = project.state
    with state.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE attempt SET status = 'running', started_at = started_at - 99999")
        connection.exec_driver_sql("UPDATE run SET status = 'running', lease_until = lease_until + 9999999999")
    age(place)
    assert collect.find(place, EVERYTHING) == collect.Garbage((), (), 0)


def test_objects_of_an_environment_with_the_same_store_stay(project, place, lab, tmp_path):
    other = lab(SOURCE, f'artifacts = "{place.artifacts.folder}"', tmp_path / "other")
    theirs = run(other, 5000)
    age(place)
    alone = collect.find(place, EVERYTHING)
    assert [each.where for each in alone.objects] == [theirs.outputs["big"].where]
    both = collect.Place(place.state, [other.state], place.artifacts, place.logs, place.stores)
    assert collect.find(both, EVERYTHING).objects == ()


@pytest.mark.parametrize("point", ["collect.marked", "collect.deleted"])
def test_a_crash_on_the_way_harms_nothing(project, place, monkeypatch, point):
    for size in (1000, 2000, 3000):
        newest = run(project, size)
    age(place)
    monkeypatch.setenv("FIRNFLOW_CRASH", f"{point}:raise")
    with pytest.raises(InjectedCrash, match=point):
        collect.collect(place, collect.find(place, EVERYTHING))
    monkeypatch.delenv("FIRNFLOW_CRASH")
    assert newest.outputs["big"].where in stored(place)
    assert run(project, 3000).tasks["big"].state == "cached"
    collect.collect(place, collect.find(place, EVERYTHING))
    assert stored(place) == [newest.outputs["big"].where]


def test_what_a_run_under_way_may_have_looked_up_stays_until_it_has_ended(project, place):
    """However long it takes to write down what it found: the store may be slow."""
    old, new = run(project, 1000), run(project, 2000)
    state = project.state
    record = dataclasses.replace(state.run(new.run), id="beside", pipeline="other", status="running", epoch=1)
    state.create_run(dataclasses.replace(record, started_at=time.time(), ended_at=None), "{}")
    (found,) = state.find_cached([next(a.key for a in state.attempts(old.run) if a.task == "big")]).values()
    age(place)
    garbage = collect.collect(place, collect.find(place, EVERYTHING))
    assert ([each.id for each in garbage.runs], garbage.objects, garbage.waiting) == ([old.run], (), 1)
    cached = Attempt(task="big", number=1, status="cached", key=found.key, outputs=found.outputs)
    state.add_attempts("beside", 1, [cached])
    assert collect.collect(place, collect.find(place, EVERYTHING)) == collect.Garbage((), (), 0)
    state.end_run("beside", 1, "succeeded", None)
    assert collect.collect(place, collect.find(place, EVERYTHING)).objects == (), "the run has it now"
    state.delete_runs(["beside"])
    assert len(collect.collect(place, collect.find(place, EVERYTHING)).objects) == 1


def test_a_run_that_is_younger_than_the_garbage_does_not_keep_it(project, place):
    old, new = run(project, 1000), run(project, 2000)
    age(place)
    state = project.state
    record = dataclasses.replace(state.run(new.run), id="beside", pipeline="other", status="running", epoch=1)
    state.create_run(dataclasses.replace(record, started_at=time.time(), ended_at=None), "{}")
    assert collect.collect(place, collect.find(place, EVERYTHING)).waiting == 1
    with state.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE garbage SET since = since - 600")
    again = collect.collect(place, collect.find(place, EVERYTHING))
    assert ([each.where for each in again.objects], again.waiting) == ([old.outputs["big"].where], 0)


def test_an_object_that_was_in_use_in_between_is_garbage_anew(project):
    assert project.state.condemn({"a": 1.0, "b": 1.0})["a"] > time.time() - 60
    with project.state.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE garbage SET since = 100")
    since = project.state.condemn({"a": 1.0, "b": 101.0, "c": 1.0})
    assert since["a"] == 100
    assert min(since["b"], since["c"]) > time.time() - 60
    project.state.condemn({"b": 101.0})
    assert project.state.condemn({"a": 1.0})["a"] > 100


def test_the_run_that_gave_an_unfinished_one_its_inputs_stays(project, place):
    run(project, 1000)
    given = project.run("flow", "size=2000", stop=("big",), inline=True)
    partial = project.run("flow", "size=2000", only=("small",), inline=True)
    state = project.state
    assert state.run(partial.run).request["given_by"] == given.run
    with state.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE run SET status = 'failed' WHERE id = '{partial.run}'")
    run(project, 3000)
    run(project, 4000)
    rule = collect.Rule(older_than=0.0, keep=3)
    assert given.run not in {each.id for each in collect.find(place, rule).runs}
    state.delete_runs([given.run])
    assert state.run(given.run).id == given.run, "nor does it go when the other one began after it was looked for"
    assert {given.run, partial.run} <= {each.id for each in collect.find(place, EVERYTHING).runs}, (
        "both may go together"
    )
    with state.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE run SET status = 'succeeded' WHERE id = '{partial.run}'")
    assert given.run in {each.id for each in collect.find(place, rule).runs}


@pytest.mark.slow
def test_a_run_beside_it_is_not_harmed(project, place):
    """Runs come and take old results from the cache while old runs are collected all the time."""
    for size in (1000, 1001, 1002):
        run(project, size)
    age(place)
    code = textwrap.dedent(f"""
        from pathlib import Path
        from firnflow.engine.request import RunRequest
        from firnflow.engine.run import run
        from firnflow.project import load_project
        project = load_project(Path({str(project.root)!r}))
        for count in range(12):
            result = run(project, RunRequest("flow", (f"size={{1000 + count % 3}}",), inline=True))
            assert result.status == "succeeded", result
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        collect.collect(place, collect.find(place, EVERYTHING))
    assert process.returncode == 0, process.stderr.read()
    process.stderr.close()
