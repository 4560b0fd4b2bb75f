"""Watching a live table: a broken rule is told to people, and stops nothing."""

from __future__ import annotations

import uuid

import pytest

pytest.importorskip("pyiceberg")

from firnflow.engine.request import RunRequest
from firnflow.engine.run import run
from firnflow.project import load_project
from firnflow.stores.checks.history import results
from firnflow.stores.state import State
from firnflow.stores.state.outbox import Outbox

FLOW = """
import ibis
import firnflow as ff
from firnflow.monitoring.checking import watch

RULES = ff.Checks(columns={"a": ff.Column(max=3)}, row_change={"max": 2})


class Wishes(ff.Params):
    rows: int = 3


@ff.task
def make(rows: int) -> ibis.Table:
    return ibis.range(rows).unnest().name("a").as_table()


@ff.pipeline(params=Wishes)
def fill(p):
    make(p.rows).publish("orders")


@ff.pipeline
def look():
    watch(ff.table("orders"), RULES, "orders")
"""


@pytest.mark.slow
def test_a_version_is_compared_with_the_one_before_and_people_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    monkeypatch.setenv("TEAM", "json://localhost:9/")
    name = f"flows_{uuid.uuid4().hex[:12]}"
    (tmp_path / f"{name}.py").write_text(FLOW)
    channel = '[environments.local.alerts.channels]\nteam = "env:TEAM"\n'
    (tmp_path / "firnflow.toml").write_text(f'[project]\nname = "lab"\npipelines = ["{name}"]\n{channel}')
    project = load_project(tmp_path)

    def go(pipeline, *assignments):
        result = run(project, RunRequest(pipeline, assignments, inline=True))
        assert result.status == "succeeded", result.error
        return result

    state = State(project.settings.state.reveal())
    told = lambda: [message.payload for message in Outbox(state, "alert").waiting()]  # noqa: E731 - it is asked twice
    go("fill")
    assert go("look").metrics == {"watch.rows": 3, "watch.bad_rows": 0, "watch.warnings": 0}
    assert told() == []
    go("fill", "rows=9")
    assert go("look").metrics["watch.bad_rows"] == 5
    (message,) = told()
    assert (message["kind"], message["title"]) == ("anomaly", "orders: 2 of 3 rules broken")
    assert "9 rows, 3 times as many as version 1 with 3" in message["body"]
    assert [(each.outcome, len(each.broken)) for each in results(state, "orders")] == [("warned", 2), ("passed", 0)]
    state.close()
