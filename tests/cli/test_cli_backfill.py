"""`firnflow backfill`, `run --partition`, and what a kill leaves."""

from __future__ import annotations

import datetime as dt
import os
import signal
import textwrap
import time

import psutil
import pyarrow.parquet as pq
import pytest

from firnflow.stores.state import Run, this_process
from firnflow.stores.state.partitions import Partitions

ETL = """
import datetime as dt
import os
import time

import pyarrow as pa

import firnflow as ff


@ff.task
def load(key: str, day: dt.date) -> pa.Table:
    if key == "2026-02-03":
        raise ValueError("no file of that day")
    while os.path.exists("wait"):
        time.sleep(0.02)
    with open("loaded.txt", "a") as file:
        file.write(key + chr(10))
    return pa.table({"day": [day] * 3, "n": [1, 2, 3]})


@ff.task
def word(key: str) -> str:
    return key


@ff.pipeline(partition=ff.Daily("2026-01-01", timezone="Europe/Zurich"))
def etl(partition):
    load(partition.key, partition.day)


@ff.pipeline(partition=ff.Daily("2026-01-01", timezone="Europe/Zurich"))
def publishing(partition):
    load(partition.key, partition.day).publish("orders", mode="partition", partition="day")


@ff.pipeline(partition=ff.ByKey("north", "south"))
def regions(partition):
    word(partition.key)
"""

DAYS = int(os.environ.get("BACKFILL_DAYS", "36"))


@pytest.fixture
def shop(shop, monkeypatch):
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    (shop.root / f"{shop.module.stem}_etl.py").write_text(textwrap.dedent(ETL))
    toml = shop.root / "firnflow.toml"
    text = toml.read_text().replace(f'"{shop.module.stem}"', f'"{shop.module.stem}_etl"')
    toml.write_text(text)
    return shop


def ledger(shop, pipeline="etl"):
    return {key: entry.status for key, entry in Partitions(shop.state, "local").of(pipeline).items()}


def wait_until(shop, pipeline, count, process, status="succeeded"):
    """Wait until so many partitions are done, or stand otherwise."""
    entries, until = Partitions(shop.state, "local"), time.monotonic() + 60
    while sum(entry.status == status for entry in entries.of(pipeline).values()) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


def test_what_runs_is_said_first(shop):
    said = shop.call("backfill", "etl", "--from", "2026-01-01", "--to", "2026-01-03", "--dry-run")
    assert said.out.endswith(
        "etl: 3 of 3 partitions from 2026-01-01 to 2026-01-03 would run:\n"
        + "".join(f"  2026-01-0{day}\n" for day in (1, 2, 3))
    )
    planned = shop.call("backfill", "regions", "--dry-run", "--json")
    assert planned.json == {"pipeline": "regions", "partitions": 2, "wanted": ["north", "south"]}
    assert ledger(shop) == {}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("etl", "--from", "1.2.2026"), "'1.2.2026' is no day: write it like 2026-01-05"),
        (("etl", "--from", "2026-02-01", "--to", "2026-01-01"), "--to 2026-01-01 is before --from 2026-02-01"),
        (("etl", "--from", "2999-01-01", "--to", "2999-01-02"), "2999-01-01 is not complete yet"),
        (("regions", "--keys", "nort"), "'nort' is no key of it. Did you mean 'north'?"),
        (("regions", "--from", "north"), "keys have no order"),
        (("etll",), "There is no pipeline 'etll'. Did you mean 'etl'?"),
        ((), "Which pipeline? Known: etl, publishing, regions. E.g.: firnflow backfill etl"),
        (("etl", "--workers", "0"), "--workers"),
        (("etl", "--set", "rate=1"), "Parameter 'rate' (--set): the pipeline has no parameters"),
    ],
)
def test_wrong_calls(shop, call, said):
    called = shop.call("backfill", *call)
    assert called.code == 2
    assert said in called.err


def test_a_pipeline_without_partitions(shop):
    etl = shop.root / f"{shop.module.stem}_etl.py"
    etl.write_text(etl.read_text() + "\n\n@ff.pipeline\ndef plain():\n    word('x')\n")
    called = shop.process("backfill", "plain")
    assert called.code == 2
    assert "Pipeline 'plain' has no partition. Mend: @ff.pipeline(partition=ff.Daily(" in called.err


@pytest.mark.slow
def test_one_that_fails_stops_no_other_and_is_run_again(shop):
    call = ("backfill", "etl", "--from", "2026-02-02", "--to", "2026-02-04", "--workers", "1")
    called = shop.process(*call)
    assert called.code == 1
    assert "etl: 3 partitions from 2026-02-02 to 2026-02-04: 2 ran, 1 failed" in called.out
    assert "  2026-02-03  task load: ValueError: no file of that day" in called.err
    assert "To go on: firnflow backfill etl --from 2026-02-02 --to 2026-02-04" in called.err
    etl = shop.root / f"{shop.module.stem}_etl.py"
    etl.write_text(etl.read_text().replace('key == "2026-02-03"', 'key == "never"'))
    again = shop.process(*call, "--only-failed")
    assert (again.code, "2 done before" in again.out or "1 ran" in again.out) == (0, True)
    assert set(ledger(shop).values()) == {"succeeded"}
    assert "nothing to do: 3 partitions from 2026-02-02 to 2026-02-04 are done" in shop.call(*call).out
    forced = shop.process("backfill", "etl", "--keys", "2026-02-04", "--force", "--json")
    assert forced.json["ran"] == ["2026-02-04"]
    runs = shop.call("runs", "--json").json
    assert sorted(run["partition"] for run in runs) == [
        "2026-02-02",
        "2026-02-03",
        "2026-02-03",
        "2026-02-04",
        "2026-02-04",
    ]
    assert "2026-02-04" in shop.call("runs").out


def settled(shop, **keys):
    """Write into the ledger how partitions of `regions` stand, as their runs do."""
    for key, status in keys.items():
        now = time.time()
        held = (this_process(), 1, now + 60, 0, now, None, None, key)
        run = Run(f"r-{key}", "regions", "local", "running", "g", {}, {"settles": True}, {}, *held)
        shop.state.create_run(run, "{}")
        shop.state.end_run(
            run.id, 1, status, "task word: OSError: [red]no[/red] \x1b[31mline" if status == "failed" else None
        )


def test_a_calendar_of_partitions(shop):
    assert shop.call("partitions", "regions").out.splitlines()[-4:] == ["north  ·", "south  ·", "", "· 2 missing"]
    assert not (shop.root / ".firnflow" / "state.db").exists()  # looking makes no file
    shop.call("backfill", "regions", "--dry-run")
    settled(shop, north="succeeded", south="failed")
    shown = shop.call("partitions", "regions").out
    assert "north  ■\nsouth  ✗\n\n■ 1 succeeded   ✗ 1 failed\n" in shown
    assert "south      failed  r-south  task word: OSError: [red]no[/red] line" in shown
    called = shop.call("partitions", "regions", "--json").json
    assert called["counts"] == {"succeeded": 1, "failed": 1}
    assert [(row["partition"], row["run"]) for row in called["partitions"]] == [
        ("north", "r-north"),
        ("south", "r-south"),
    ]
    days = shop.call("partitions", "etl", "--from", "2026-01-30", "--to", "2026-02-02").out.splitlines()
    assert days[-5].split() == ["1", "5", "10", "15", "20", "25", "30"]
    assert days[-4].index("·") == days[-5].index("30")
    assert days[-3] == "2026-02  · ·"


def test_the_calendar_as_a_picture(shop, tmp_path):
    pytest.importorskip("matplotlib")
    files = [tmp_path / name for name in ("one.svg", "two.svg", "three.png")]
    for file in files:
        assert shop.call("partitions", "etl", "--to", "2026-02-28", "--output", str(file)).code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[2].read_bytes().startswith(b"\x89PNG")
    refused = shop.call("partitions", "etl", "--output", str(tmp_path / "x.pdf"))
    assert (refused.code, "ends in .png or .svg" in refused.err) == (2, True)


def test_a_partition_is_named_where_the_pipeline_is(shop):
    assert "daily from 2026-01-01 (Europe/Zurich)" in shop.call("list").out
    assert "by key: north, south" in shop.call("show", "regions").out


def test_another_scheduler_names_the_partition(shop):
    graph = str(shop.root / "regions.json")
    shop.call("show", "regions", "--output", graph)
    wrong = shop.call("exec", "--graph", graph, "--task", "word", "--run", "r1")
    assert (wrong.code, "Which key? One of north, south." in wrong.err) == (2, True)
    done = shop.call("exec", "--graph", graph, "--task", "word", "--run", "r1", "--partition", "north")
    assert done.json["state"] == "succeeded"
    other = shop.call("exec", "--graph", graph, "--task", "finalizer", "--run", "r1", "--partition", "south")
    assert (other.code, "--partition south: run r1 is for north" in other.err) == (2, True)
    assert shop.call("exec", "--graph", graph, "--task", "finalizer", "--run", "r1").code == 0
    assert ledger(shop, "regions") == {"north": "succeeded"}
    assert shop.call("runs", "--json").json[0]["partition"] == "north"
    assert "north" in shop.call("runs").out


def kill(process, *, whole: bool):
    """Kill a backfill; `whole`: with all that it has started."""
    below = psutil.Process(process.pid).children(recursive=True) if whole else []
    process.kill()
    for each in below:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_many_partitions_killed_twice_end_complete_and_the_next_call_does_nothing(shop, tmp_path):
    etl = shop.root / f"{shop.module.stem}_etl.py"
    etl.write_text(etl.read_text().replace('key == "2026-02-03"', 'key == "never"'))
    last = dt.date(2026, 1, 1) + dt.timedelta(DAYS - 1)
    call = ("backfill", "publishing", "--from", "2026-01-01", "--to", str(last), "--workers", "2")
    for done, whole in ((DAYS * 2 // 9, True), (DAYS * 11 // 18, False)):
        process = shop.start(*call)
        wait_until(shop, "publishing", done, process)
        kill(process, whole=whole)
        assert "succeeded" in ledger(shop, "publishing").values()
        assert len(ledger(shop, "publishing")) < DAYS
    ended = shop.process(*call)
    assert ended.code == 0, ended.err
    standing = ledger(shop, "publishing")
    assert (len(standing), set(standing.values())) == (DAYS, {"succeeded"})
    second = shop.call(*call)
    assert second.code == 0
    assert second.out.endswith(f"publishing: nothing to do: {DAYS} partitions from 2026-01-01 to {last} are done\n")
    runs = shop.state.runs(limit=1000)
    assert sorted(run.partition for run in runs) == [*standing]  # what was killed went on: no partition has two runs
    assert {run.status for run in runs} == {"succeeded"}
    assert shop.call("data", "export", "orders", str(tmp_path / "orders.parquet")).code == 0
    rows = pq.read_table(tmp_path / "orders.parquet").to_pylist()
    assert sorted((str(row["day"]), row["n"]) for row in rows) == [(key, n) for key in standing for n in (1, 2, 3)]


@pytest.mark.slow
def test_two_backfills_at_once_run_each_partition_once(shop):
    (shop.root / "wait").touch()
    call = ("backfill", "etl", "--to", "2026-01-12", "--workers", "1", "--json")
    both = [shop.start(*call) for _ in range(2)]
    wait_until(shop, "etl", 2, both[0], "running")  # each has one: they are at it together
    (shop.root / "wait").unlink()
    answers = [process.communicate(timeout=100) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert sorted(ledger(shop).values()) == ["succeeded"] * 12
    assert sorted((shop.root / "loaded.txt").read_text().split()) == [*ledger(shop)]
    assert len(shop.state.runs(limit=1000)) == 12


@pytest.mark.slow
def test_ctrl_c_lets_what_runs_end(shop):
    process = shop.start("backfill", "etl", "--to", "2026-03-31", "--workers", "1")
    wait_until(shop, "etl", 3, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "SIGINT: nothing more begins" in err
    assert " left" in out
    assert set(ledger(shop).values()) == {"succeeded"}
