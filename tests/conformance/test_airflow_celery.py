"""An Airflow with Celery, Redis and two workers with queues of their own: one example, and a worker that is killed."""

from __future__ import annotations

import sys

import pytest
from airflow_bench import Celery, running
from airflow_steady import Steady
from small_examples import copy_to, same_as_here

from databases import Missing, Redis

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.timeout(1600),
]
WORKERS = {"small": ("default",), "large": ("default", "large")}
"""Worker → the queues that it serves."""


@pytest.fixture(scope="module")
def bench(project, airflow_python, tmp_path_factory):
    """An Airflow with two workers that knows the small pipelines and one example, which is under way."""
    home = tmp_path_factory.mktemp("celery")
    copy_to(home / "examples", "mortgage")
    try:
        redis = Redis()
    except Missing as missing:
        pytest.skip(str(missing))
    with redis:
        celery = Celery(f"redis+socket://{redis.socket}", WORKERS)
        section = {"executor": "celery", "shared": [str(home), str(project)], "python": sys.executable}
        with running(airflow_python, home, celery, section) as bench:
            bench.apply((project, "prod"), (home / "examples" / "mortgage", "airflow"))
            bench.rest.wait_for_dags({"mortgage", "c_placed", "c_steady", "c_failing"})
            bench.trigger("mortgage", "mortgage")
            bench.trigger("placed", "c_placed")
            bench.trigger("a failure", "c_failing")
            yield bench


def test_a_task_runs_where_its_queue_is_served(bench):
    assert bench.ended("placed") == "success"
    found = bench.outcome("placed")
    assert found.states == {"left": "succeeded", "there": "succeeded"}
    tasks = bench.rest.tasks(*bench.runs["placed"])
    assert {name: tasks[name]["queue"] for name in ("left", "there")} == {"left": "default", "there": "large"}
    logs = {worker: (bench.airflow.home / f"{worker}.log").read_text() for worker in WORKERS}
    assert [worker for worker, text in logs.items() if tasks["there"]["id"] in text] == ["large"]


def test_a_failed_run_is_told_once_by_mail_and_to_a_web_hook(bench):
    assert bench.ended("a failure") == "failed"
    inbox, run = bench.inbox, bench.run_id("a failure")
    bench.airflow.until(lambda: bool(inbox.mails and inbox.posts), 60, "a mail and a post")
    (told,) = inbox.posts
    assert run in told
    assert "no luck with 1" in told
    (mail,) = inbox.mails
    assert "Subject: failing failed" in mail


def test_an_example_gives_the_same_digests_as_here(bench):
    same_as_here(bench, bench.airflow.home / "examples" / "mortgage")


def test_a_worker_that_is_killed_with_all_its_processes_is_noticed(bench, tmp_path):
    """Airflow takes the task for lost and tries it again, on the other worker or on the one that systemd starts."""
    steady = Steady(bench, tmp_path)
    process = steady.process()
    lost = next(each for each in process.parents() if each.pid in bench.airflow.workers)
    for each in [lost, *lost.children(recursive=True)]:
        each.kill()
    steady.process({process.pid})
    steady.check()
