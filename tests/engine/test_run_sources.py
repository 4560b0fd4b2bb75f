"""Sources in a run: what they hold is looked at while the run goes on."""

from __future__ import annotations

import threading

import pytest

from firnflow.stores import sources

FLOW = """
    import time
    import pandas as pd

    @ff.task
    def count(table: pd.DataFrame) -> int:
        return len(table)

    @ff.task(timeout=0.2)
    def slow() -> None:
        time.sleep(300)

    @ff.pipeline
    def flow():
        count(ff.source("orders"))

    @ff.pipeline
    def both():
        count(ff.source("orders"))
        slow()
"""


@pytest.fixture
def orders(lab, monkeypatch):
    """Return a project, and what lets those go on who look at its source."""
    project = lab(FLOW)
    (project.root / "orders.csv").write_text("x\n1\n2\n")
    (project.root / "catalog.toml").write_text('[orders]\npath = "orders.csv"\n')
    free = threading.Event()
    look = sources.fingerprint
    monkeypatch.setattr(sources, "fingerprint", lambda *a, **k: free.wait(60) and look(*a, **k))
    yield project.again(), free
    free.set()


@pytest.mark.slow
def test_a_limit_holds_while_a_source_is_looked_at(orders):
    project, free = orders
    order = []

    def listen(event):
        if event.kind == "task_finished":
            order.append(event.task)
            free.set()

    result = project.run("both", listeners=[listen])
    assert result.tasks["slow"].error["type"] == "TaskTimeoutError"
    assert order == ["slow", "orders", "count"]


@pytest.mark.slow
def test_a_run_can_be_cancelled_while_a_source_is_looked_at(orders):
    project, free = orders

    def listen(event):
        if event.kind == "run_started":
            project.state.request_cancel(event.data["run"])

    result = project.run(listeners=[listen])
    assert (result.status, result.error) == ("cancelled", "stopped by firnflow cancel")
    assert not free.is_set()


@pytest.mark.parametrize("inline", [True, False])
def test_a_source_that_was_looked_at_is_read(orders, inline):
    project, free = orders
    free.set()
    assert project.states(project.run(inline=inline)) == {"orders": "succeeded", "count": "succeeded"}
    assert project.states(project.run(inline=inline)) == {"orders": "cached", "count": "cached"}


@pytest.mark.server
@pytest.mark.slow
def test_an_object_that_changes_while_it_is_read_is_no_result(lab, s3_url):
    import fsspec

    s3, project = fsspec.filesystem("s3"), lab(FLOW)
    s3.pipe_file(f"{s3_url}/Grüße/1.csv", b"x\n1\n")
    (project.root / "catalog.toml").write_text(f'[orders]\nurl = "{s3_url}/Grüße/*.csv"\n')
    project = project.again()

    def change(event):
        if event.kind == "task_started":
            s3.pipe_file(f"{s3_url}/Grüße/2.csv", b"x\n1\n2\n")

    changed = project.run(listeners=[change])
    assert "orders changed while it was read, so nothing of it is kept. Mend: run again" in changed.error
    assert project.run().outputs["count"].inline == "3"
    assert project.states(project.run()) == {"orders": "cached", "count": "cached"}
