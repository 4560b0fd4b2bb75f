"""MLflow is told by calls that change nothing the second time, and finds again what it was told."""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.context import Point
from firnflow.errors import NotFoundError, StoreError
from firnflow.models.tracking.base import Dataset, File, Place, Story

pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")

from firnflow.models.tracking.mlflow import MLflowTracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """All that can be told of a run, with two elements."""
    picture, result, model = tmp_path / "p.png", tmp_path / "r.json", tmp_path / f"{'a' * 64}.zip"
    for path in (picture, result, model):
        path.write_bytes(b"some bytes")
        path.chmod(0o444)
    parts = tuple(
        Story(
            key=f"flow-1/train/{index}",
            name=f"train[depth={index}]",
            experiment="shop/flow",
            status="succeeded",
            started_at=11.0,
            ended_at=12.0,
            params={"depth": str(index)},
            tags={"firnflow.run": "flow-1", "firnflow.task": "train"},
            points=(Point("auc", 0.5 + index / 10, 0, 11.5),),
        )
        for index in range(2)
    )
    return Story(
        key="flow-1",
        name="flow-1",
        experiment="shop/flow",
        status="succeeded",
        started_at=10.0,
        ended_at=13.5,
        params={"rows": "4", "name": "Ünï 'quoted' \"x\"", "odd(name)=": "x", "empty": ""},
        tags={"firnflow.run": "flow-1", "firnflow.user": "anna", "firnflow.commit": "abc123+"},
        description="From rows **to** a report.",
        points=(
            *(Point("train/loss", 1 / (step + 1), step, 11.0 + step) for step in range(2000)),
            Point("train/nan", math.nan, -3, 12.0),
            Point("../odd [x=1]", 1.0, 0, 12.0),
        ),
        datasets=(Dataset("orders", "d" * 64, "source", "orders.csv", {"x": "int64", "day": "date"}, 7),),
        files=(
            File("figures/plot.png", picture, "figure"),
            File("results/report.json", result, "json"),
            File("models/train.zip", model, "model"),
            File("models/promote.zip", model, "model"),
        ),
        parts=parts,
    )


def rows(root: Path, query: str) -> list[Any]:
    """What a query finds in MLflow's database."""
    with sqlite3.connect(root / ".firnflow/mlflow.db") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def everything(root: Path) -> dict[str, Any]:
    """What MLflow holds, as far as it says something."""
    tables = ("runs", "metrics", "latest_metrics", "params", "tags", "inputs", "input_tags", "datasets", "experiments")
    files = (root / ".firnflow/mlflow-artifacts").rglob("*")
    return {
        **{table: sorted(map(repr, rows(root, f"SELECT * FROM {table}"))) for table in tables},
        "files": sorted(str(path) for path in files),
    }


def test_telling_twice_changes_nothing(tmp_path: Path, mlflow_at: Callable[..., MLflowTracker], story: Story) -> None:
    known = mlflow_at(tmp_path).tell(story, {})
    before = everything(tmp_path)
    assert mlflow_at(tmp_path).tell(story, known) == known
    assert everything(tmp_path) == before
    # nor does it where the sender died before it had written down what MLflow calls the runs
    found = mlflow_at(tmp_path).tell(story, {})
    assert found == known
    assert everything(tmp_path) == before


@pytest.mark.parametrize("calls", range(1, 6))
def test_a_sender_that_dies_between_two_calls_leaves_no_doubles(
    tmp_path: Path,
    mlflow_at: Callable[..., MLflowTracker],
    story: Story,
    monkeypatch: pytest.MonkeyPatch,
    calls: int,
) -> None:
    import mlflow

    tracker = mlflow_at(tmp_path)
    tracker._experiment(story.experiment)
    left = calls

    def counted(name: str) -> None:
        real = getattr(mlflow.MlflowClient, name)

        def call(*given: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return real(*given, **named)

        monkeypatch.setattr(mlflow.MlflowClient, name, call)

    for name in ("create_run", "log_batch", "log_inputs", "log_artifact", "set_terminated"):
        counted(name)
    with pytest.raises(KeyboardInterrupt):
        tracker.tell(story, {})
    left = 1000
    known = mlflow_at(tmp_path).tell(story, {})
    assert rows(tmp_path, "SELECT COUNT(*), COUNT(DISTINCT name) FROM runs WHERE name != 'k'") == [(3, 3)]
    assert len(known) == 4  # three runs and a model


def test_all_of_a_story_stands_in_mlflow(tmp_path: Path, mlflow_at: Callable[..., MLflowTracker], story: Story) -> None:
    from mlflow import MlflowClient

    known = mlflow_at(tmp_path).tell(story, {})
    client = MlflowClient(f"sqlite:///{tmp_path}/.firnflow/mlflow.db")
    run = client.get_run(known["flow-1"])
    assert (run.info.run_name, run.info.status) == ("flow-1", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (10_000, 13_500)
    assert run.data.params == {"rows": "4", "name": "Ünï 'quoted' \"x\"", "odd_name__": "x", "empty": ""}
    assert run.data.tags["mlflow.note.content"] == "From rows **to** a report."
    assert (run.data.tags["mlflow.user"], run.data.tags["mlflow.source.git.commit"]) == ("anna", "abc123")
    course = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted((m.step, m.value) for m in course) == [(step, 1 / (step + 1)) for step in range(2000)]
    assert math.isnan(run.data.metrics["train/nan"])
    assert run.data.metrics["_/odd _x_1_"] == 1.0
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.tags[0].value) == ("orders", "d" * 36, "source")
    assert '"type": "datetime"' in data.dataset.schema
    assert data.dataset.profile == '{"num_rows": 7}'
    experiment = client.get_experiment_by_name("shop/flow")
    children = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert {child.info.run_name: child.data.params["depth"] for child in children} == {
        "train[depth=0]": "0",
        "train[depth=1]": "1",
    }
    names = {item.path for item in client.list_artifacts(run.info.run_id, "models")}
    assert names == {"models/train"}, "the same model is stored once"
    assert known[f"model:{'a' * 64}"] == f"runs:/{run.info.run_id}/models/train"


def test_a_run_under_way_is_told_bit_by_bit(
    tmp_path: Path, mlflow_at: Callable[..., MLflowTracker], story: Story
) -> None:
    whole = dataclasses.replace(story, points=story.points[:4])
    begun = dataclasses.replace(whole, status="running", ended_at=None, points=whole.points[:2], parts=())
    known = mlflow_at(tmp_path).tell(begun, {})
    assert rows(tmp_path, "SELECT status, end_time FROM runs WHERE name = 'flow-1'") == [("RUNNING", None)]
    rest = dataclasses.replace(whole, points=whole.points[2:])
    mlflow_at(tmp_path).tell(rest, known)
    assert rows(tmp_path, "SELECT status, end_time FROM runs WHERE name = 'flow-1'") == [("FINISHED", 13_500)]
    assert rows(tmp_path, "SELECT count(*) FROM metrics WHERE key = 'train/loss'") == [(4,)]


def test_a_run_that_somebody_deleted_stays_deleted(
    tmp_path: Path, mlflow_at: Callable[..., MLflowTracker], story: Story
) -> None:
    from mlflow import MlflowClient

    known = mlflow_at(tmp_path).tell(story, {})
    MlflowClient(f"sqlite:///{tmp_path}/.firnflow/mlflow.db").delete_run(known["flow-1"])
    before = everything(tmp_path)
    assert mlflow_at(tmp_path).tell(story, known) == known
    assert mlflow_at(tmp_path).tell(story, {})["flow-1"] == known["flow-1"]
    assert everything(tmp_path) == before


def test_a_run_of_another_database_is_not_found(
    tmp_path: Path, mlflow_at: Callable[..., MLflowTracker], story: Story
) -> None:
    with pytest.raises(NotFoundError, match=r"MLflow at sqlite:///.firnflow/mlflow.db has no run 0123"):
        mlflow_at(tmp_path).tell(story, {"flow-1": "0123", **{part.key: "x" for part in story.parts}})


def test_a_deleted_experiment_is_said(tmp_path: Path, mlflow_at: Callable[..., MLflowTracker], story: Story) -> None:
    from mlflow import MlflowClient

    mlflow_at(tmp_path).tell(story, {})
    client = MlflowClient(f"sqlite:///{tmp_path}/.firnflow/mlflow.db")
    client.delete_experiment(client.get_experiment_by_name("shop/flow").experiment_id)
    with pytest.raises(StoreError, match=r"the experiment .shop/flow. was deleted there\. Mend: restore it"):
        mlflow_at(tmp_path).tell(dataclasses.replace(story, key="flow-2"), {})


@pytest.mark.slow
def test_a_killed_process_leaves_no_half_of_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow.MlflowClient, "search_experiments", dies)
    with pytest.raises(KeyboardInterrupt):
        MLflowTracker(Place(tmp_path))._client  # noqa: B018
    assert list((tmp_path / ".firnflow").iterdir()) == []


def test_a_place_is_shown_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://anna:hunter2@db.example:5432/runs?options=x"
    assert MLflowTracker(Place(tmp_path, url, None, "mlflow")).place == "postgresql://db.example:5432/runs"
    assert MLflowTracker(Place(tmp_path, "https://me:hunter2@host:80/x")).place == "https://host:80"


def test_a_place_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"http://127.0.0.1:1 does not answer: .*refused"):
        MLflowTracker(Place(tmp_path, "http://127.0.0.1:1")).check()
    with pytest.raises(StoreError, match=r"postgresql://127.0.0.1:1/runs cannot be reached"):
        MLflowTracker(Place(tmp_path, "postgresql://127.0.0.1:1/runs")).check()
    MLflowTracker(Place(tmp_path)).check()
