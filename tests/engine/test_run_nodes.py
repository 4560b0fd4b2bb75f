"""What a task may use reaches it, and the nodes that it uses end with it."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time

import psutil
import pytest

from firnflow.stores.state import State

ASKS = """
from firnflow import context

@ff.task(resources=ff.Resources(cpu=2, memory="2Gi", nodes=3))
def ask() -> list[float]:
    found = context.current().resources
    return [found.nodes, found.cpu, found.memory]

@ff.task
def plain() -> int:
    return context.current().resources.nodes

@ff.pipeline
def flow():
    ask()
    plain()
    plain.options(name="more", resources=ff.Resources(nodes=2))()
"""


@pytest.mark.parametrize("inline", [False, True])
def test_a_task_finds_what_it_may_use(lab, inline):
    result = lab(ASKS).run(inline=inline)
    found = {name: json.loads(ref.inline) for name, ref in result.outputs.items()}
    assert found == {"ask": [3, 2.0, 2 * 2**30], "plain": 1, "more": 2}


ENDLESS = """
import ibis
from firnflow import steps

COLUMNS = steps.Columns(key="id", label="left")

@ff.task
def rows() -> ibis.Table:
    t = ibis.range(3000).unnest().name("id").as_table()
    t = t.mutate(x=(t.id * 7919 % 997) / 10.0, z=t.id * 31 % 17)
    return t.mutate(left=((t.x > 50) ^ (t.id % 7 == 0)).cast("int8"))

@ff.task
def fitted(rows: ibis.Table) -> steps.Preprocessing:
    return steps.encode(rows, COLUMNS, steps.Encoding())

@ff.task
def endless(rows: ibis.Table) -> steps.CrossValidation:
    training = steps.Training(rounds=5, folds=2, learning_rate=0.3, max_depth=2)
    return steps.cross_validate(rows, COLUMNS, training).model_copy(update={"trees": 10_000_000})

@ff.pipeline
def flow():
    table = rows()
    train = steps.train.options(name="train", resources=ff.Resources(nodes=2), timeout="5m")
    train(table, fitted(table), [endless(table)])
"""


@pytest.mark.slow
def test_a_task_that_is_ended_takes_its_ray_along(lab, monkeypatch):
    """A timeout, a memory limit and a wish to stop all end a worker in the same way."""
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    made, seen = lab(ENDLESS), {}

    def cancel():
        until = time.monotonic() + 100
        while time.monotonic() < until:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "ray" in " ".join(process.cmdline()):
                        seen[process] = " ".join(process.cmdline())
            if sum("RayTrainWorker" in line for line in seen.values()) == 2:
                break
            time.sleep(0.2)
        state = State(made.project.settings.state.reveal())
        state.request_cancel(state.runs(limit=1)[0].id)
        state.close()

    thread = threading.Thread(target=cancel)
    thread.start()
    result = made.run()
    thread.join()
    assert result.status == "cancelled"
    assert {name: task.state for name, task in result.tasks.items()}["train"] == "cancelled"
    assert {"raylet", "RayTrainWorker"} <= {word for line in seen.values() for word in re.findall(r"\w+", line)}
    psutil.wait_procs(seen, timeout=10)
    assert not [line for process, line in seen.items() if process.is_running()]
