"""Files dropped in a bucket: loading, training and predicting happen by themselves, while `up` is killed at random."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from firnflow import data
from firnflow.errors import NotFoundError
from firnflow.stores.state import State, schema
from firnflow.stores.state.ledger import Cause, Ledger
from firnflow.stores.state.partitions import Partitions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAYS, KILLS = int(os.environ.get("DROPPED_DAYS", "2")), int(os.environ.get("DROPPED_KILLS", "2"))
PATIENCE = float(os.environ.get("DROPPED_PATIENCE", "4"))  # seconds between two kills, at most

PIPELINES = """
import pyarrow as pa
import pyarrow.compute as pc

import firnflow as ff


@ff.task
def load(orders: pa.Table, day: str) -> pa.Table:
    return orders.append_column("day", pa.array([day] * orders.num_rows))


@ff.task
def train(orders: pa.Table) -> pa.Table:
    return pa.table({"mean": [pc.mean(orders["boxes"]).as_py()], "days": [len(set(orders["day"].to_pylist()))]})


@ff.task
def predict(orders: pa.Table, model: pa.Table) -> pa.Table:
    return orders.append_column("prediction", pa.array([model["mean"][0].as_py()] * orders.num_rows))


@ff.pipeline(partition=ff.Daily("2026-01-01"), schedule=ff.OnUpdate(source="orders"))
def etl(partition):
    load(ff.source("orders"), partition.key).publish("orders", mode="partition", partition="day")


@ff.pipeline(schedule=ff.OnUpdate("orders"))
def training():
    train(ff.table("orders")).publish("model")


@ff.pipeline(schedule=ff.OnUpdate("model"))
def predicting():
    predict(ff.table("orders"), ff.table("model")).publish("predictions")
"""


def wait_until(done: Callable[[], bool], log: Path, seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(200 + 40 * DAYS)
def test_files_in_a_bucket_bring_predictions(tmp_path: Path, s3_url: str, kill, monkeypatch: pytest.MonkeyPatch):
    import fsspec

    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    (tmp_path / "firnflow.toml").write_text(
        '[project]\nname = "feed"\n\n[environments.local]\nworkers = 1\nlease = "3s"\n'
    )
    (tmp_path / "catalog.toml").write_text(f'[orders]\nurl = "{s3_url}/in/orders_{{partition}}.csv"\n')
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    bucket, log = fsspec.filesystem("s3"), tmp_path / "log.txt"
    bucket.pipe_file(f"{s3_url}/in/orders_2025-12-31.csv", b"boxes\n7\n")  # there before, and before the first day
    days = [f"2026-{1 + number // 28:02}-{1 + number % 28:02}" for number in range(DAYS)]

    def up() -> subprocess.Popen[bytes]:
        with log.open("ab") as stream:
            command = [sys.executable, "-m", "firnflow", "up"]
            return subprocess.Popen(command, cwd=tmp_path, stdout=stream, stderr=stream, env=os.environ)

    process = up()
    try:
        wait_until(lambda: "etl  waits for files of source orders" in log.read_text(), log)
        events: list[str | None] = [*days, *[None] * KILLS]
        chance.shuffle(events)
        for event in events:
            if event is not None:
                number = days.index(event)
                bucket.pipe_file(f"{s3_url}/in/orders_{event}.csv", f"boxes\n{number}\n{number + 1}\n".encode())
            else:
                time.sleep(chance.uniform(0.3, PATIENCE))
                kill(process, with_runs=chance.random() < 0.5)
                process = up()
        state = State(f"sqlite:///{tmp_path}/.firnflow/state.db")
        ledger, partitions = Ledger(state, "local"), Partitions(state, "local")

        def is_done() -> bool:
            loaded = [each for each in partitions.of("etl").values() if each.status == "succeeded"]
            return len(loaded) == DAYS and not ledger.open() and data_is_settled(tmp_path)

        wait_until(is_done, log, 100 + PATIENCE * DAYS)
    finally:
        process.terminate()
        assert process.wait(60) == 0
    brought = ledger._where(schema.due.c.cause == Cause.UPDATE)
    assert Counter(each.partition for each in brought if each.pipeline == "etl") == dict.fromkeys(days, 1)
    assert {each.outcome for each in brought} == {"succeeded"}
    assert len({each.run for each in brought}) == len(state.runs(limit=10_000)) == len(brought)
    state.close()
    for table in ("orders", "predictions"):
        rows = data.read(table, project=tmp_path).to_pylist()
        expected = [(day, boxes) for number, day in enumerate(days) for boxes in (number, number + 1)]
        assert sorted((row["day"], row["boxes"]) for row in rows) == expected
    assert {row["prediction"] for row in rows} == {DAYS / 2}


def data_is_settled(project: Path) -> bool:
    """Return whether the predictions are those of all days, by the model of all: `up` looks every three seconds."""
    try:
        model, predictions = (data.read(name, project=project) for name in ("model", "predictions"))
    except NotFoundError:  # not published yet
        return False
    by_model = set(predictions["prediction"].to_pylist()) == set(model["mean"].to_pylist())
    return by_model and model["days"][0].as_py() == DAYS and predictions.num_rows == 2 * DAYS
