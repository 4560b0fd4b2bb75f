"""`firnflow plan`, `apply` and `destroy`, for Airflow, without an Airflow."""

from __future__ import annotations

import os
import signal

import pytest

PROD = """
[environments.prod]
orchestrator = "airflow"
airflow = {{ dags = "dags"{} }}

[pipelines.sleepy.params]
folder = "."
"""
WRONG = [
    ("[environments.prod]\norchestrator = 'airflow'", "says not where Airflow's DAGs lie. Mend: dags = "),
    (PROD.format("").replace('"dags"', '"dag"'), "there is no folder"),
    (PROD.format(', executor = "celery"'), "the state is SQLite, which is for one. Mend: state = 'env:STATE_URL'"),
    (PROD.format(', prefix = "a/b"'), "[environments.prod.airflow] prefix is not written rightly"),
    ("[environments.prod]\norchestrator = 'airflw'", "'airflow'"),
]


@pytest.fixture
def prod(shop):
    """The shop, with an environment for Airflow."""
    shop.root.joinpath("dags").mkdir()
    with shop.root.joinpath("firnflow.toml").open("a") as file:
        file.write(PROD.format(""))
    return shop


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_what_does_not_suit_airflow_is_said_when_planning(shop, settings, message):
    shop.root.joinpath("dags").mkdir()
    with shop.root.joinpath("firnflow.toml").open("a") as file:
        file.write(settings)
    called = shop.call("plan", "--env", "prod")
    assert (called.code, message in called.err) == (2, True), called.err


def test_an_environment_of_this_machine_has_nothing_to_deploy(shop):
    called = shop.call("plan")
    assert called.code == 2
    assert "runs on this machine: there is nothing to deploy" in called.err


def test_what_is_planned_is_applied_and_taken_away_again(prod):
    by_hand = prod.root / "dags" / "mine.py"
    by_hand.write_text("# a DAG of my own")
    planned = prod.call("plan", "--env", "prod")
    assert "+ dag flow\n      schedule: every 1h" in planned.out
    assert "4 to add" in planned.out
    assert list(prod.root.joinpath("dags").iterdir()) == [by_hand]
    nobody = prod.call("apply", "--env", "prod")
    assert (nobody.code, "Mend: --yes" in nobody.err) == (2, True)
    applied = prod.call("apply", "--env", "prod", "--yes", "--json").json
    assert [(each["action"], each["name"]) for each in applied["actions"]][:2] == [
        ("create", "broken"),
        ("create", "flow"),
    ]
    again = prod.call("apply", "--env", "prod", "--yes")
    assert (again.code, "No changes: 4 resources unchanged." in again.out) == (0, True)
    file = prod.root / "dags" / "firnflow-shop-prod" / "flow.py"
    file.write_text(file.read_text() + "dag.tags = ['faster']\n")
    assert "was changed by hand, is put back\n      - dag.tags = ['faster']" in prod.call("plan", "--env", "prod").out
    assert prod.call("destroy", "--env", "prod", "--yes").code == 0
    assert list(prod.root.joinpath("dags").iterdir()) == [by_hand]


def test_a_file_that_is_not_ours_is_never_replaced(prod):
    theirs = prod.root / "dags" / "firnflow-shop-prod" / "flow.py"
    theirs.parent.mkdir()
    theirs.write_text("# somebody's")
    called = prod.call("apply", "--env", "prod", "--yes")
    assert called.code == 2
    assert f"dag flow: {theirs}" in called.err
    assert [path.name for path in theirs.parent.iterdir()] == ["flow.py"]


@pytest.mark.slow
def test_an_apply_that_is_killed_between_a_file_and_its_record_is_gone_on_with(prod):
    crash = {"env": {**os.environ, "FIRNFLOW_CRASH": "apply.done:kill@2"}}
    with prod.start("apply", "--env", "prod", "--yes", **crash) as died:
        died.communicate(timeout=60)
    assert died.returncode == -signal.SIGKILL
    planned = prod.call("plan", "--env", "prod", "--json").json
    assert [each["action"] for each in planned["actions"]] == ["adopt", "create", "create"]
    assert prod.call("apply", "--env", "prod", "--yes").code == 0
    assert prod.call("plan", "--env", "prod", "--json").json["actions"] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(prod):
    prod.root.joinpath("dags").chmod(0o500)
    called = prod.call("apply", "--env", "prod", "--yes")
    assert (called.code, "see who may write there" in called.err) == (1, True)
