"""W&B without a network: what lies in its offline files is the run, whole."""

from __future__ import annotations

import dataclasses
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.context import Point
from firnflow.errors import StoreError
from firnflow.models.tracking.base import Dataset, File, Place, Story
from firnflow.models.tracking.wandb import WandbTracker

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("wandb", reason="wandb is not installed")
pytestmark = pytest.mark.slow


def records(path: Path) -> list[Any]:
    """What an offline file holds: records of LevelDB's log format, in blocks of 32 KiB, after a head of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole, found = path.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if 32_768 - place % 32_768 < 7:
            place += 32_768 - place % 32_768
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in {1, 4}:  # the only part, the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            found.append(record)
            whole = b""
    return found


def history(found: list[Any]) -> list[dict[str, Any]]:
    rows = [record.history for record in found if record.WhichOneof("record_type") == "history"]
    return [{item.key or item.nested_key[0]: json.loads(item.value_json) for item in row.item} for row in rows]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    model, page = tmp_path / f"{'a' * 64}.zip", tmp_path / "page.html"
    model.write_bytes(b"a model")
    page.write_text("<!doctype html><p>hello")
    part = Story(
        key="flow-1/train/0",
        name="train[depth=3]",
        experiment="shop/flow",
        status="failed",
        started_at=1.7e9,
        ended_at=1.7e9 + 1,
        params={"depth": "3"},
        tags={"firnflow.run": "flow-1", "firnflow.task": "train"},
    )
    return Story(
        key="flow-1",
        name="flow-1",
        experiment="shop/flow",
        status="succeeded",
        started_at=1.7e9,
        ended_at=1.7e9 + 2,
        params={"rows": "4"},
        tags={"firnflow.run": "flow-1", "firnflow.environment": "local"},
        description="From rows to a report.",
        points=(
            Point("train/loss", 0.5, 0, 1.0),
            Point("train/loss", 0.25, 1, 2.0),
            Point("train/auc", 0.9, 1, 2.0),
            Point("train/loss", 0.125, -2, 3.0),
        ),
        datasets=(Dataset("orders", "d" * 64, "source", "orders.csv", {"x": "int64"}, 7),),
        files=(File("models/train.zip", model, "model"), File("reports/page.html", page, "figure")),
        parts=(part,),
    )


def test_a_run_and_its_elements_are_told_offline(tmp_path: Path, story: Story) -> None:
    tracker = WandbTracker(Place(tmp_path, "offline"))
    tracker.check()
    assert tracker.place == "offline, in .firnflow/wandb"
    known = tracker.tell(story, {})
    assert known == {"flow-1": "flow-1", "flow-1/train/0": "flow-1-train-0", f"model:{'a' * 64}": "flow-1"}
    folder = tmp_path / ".firnflow" / "wandb"
    whole, part = (next(folder.glob(f"offline-run-*-{run}")) for run in ("flow-1", "flow-1-train-0"))
    found = records(next(whole.glob("*.wandb")))
    run = next(record.run for record in found if record.WhichOneof("record_type") == "run")
    assert (run.run_id, run.project, run.display_name, run.run_group) == ("flow-1", "shop-flow", "flow-1", "flow-1")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert (config["rows"], config["firnflow.environment"]) == ("4", "local")
    assert config["datasets"][0]["digest"] == "d" * 64
    rows = [{name: row[name] for name in row if not name.startswith("_")} for row in history(found)]
    assert rows[:3] == [
        {"step": -2, "train/loss": 0.125},
        {"step": 0, "train/loss": 0.5},
        {"step": 1, "train/loss": 0.25, "train/auc": 0.9},
    ]
    stored = [record.artifact for record in found if record.WhichOneof("record_type") == "artifact"]
    assert [(artifact.name, artifact.type) for artifact in stored] == [("flow-1-models-train", "model")]
    child = next(r.run for r in records(next(part.glob("*.wandb"))) if r.WhichOneof("record_type") == "run")
    assert (child.run_group, child.job_type, child.display_name) == ("flow-1", "train", "train[depth=3]")


def test_a_run_that_is_told_again_has_the_same_id(tmp_path: Path, story: Story) -> None:
    story = dataclasses.replace(story, parts=(), files=())
    tracker = WandbTracker(Place(tmp_path, "offline"))
    assert tracker.tell(story, {}) == tracker.tell(story, {})
    ids = set()
    for path in (tmp_path / ".firnflow/wandb").glob("offline-run-*/*.wandb"):
        ids |= {record.run.run_id for record in records(path) if record.WhichOneof("record_type") == "run"}
    assert ids == {"flow-1"}


def test_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:1 does not answer"):
        WandbTracker(Place(tmp_path, "http://127.0.0.1:1")).check()
