"""What the state has to tell of a run, and that a tracker is told all of it, once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from firnflow.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Desk, Recorder

FLOW = """
    import os

    import pyarrow as pa

    class Depths(ff.Params):
        depth: int = 3
        name: str = "Ünï"
        ok: bool = True

    class FlowParams(ff.Params):
        rows: int = 4
        model: Depths = Depths()
        fail: bool = False

    @ff.task
    def make(rows: int) -> pa.Table:
        return pa.table({"x": list(range(rows)), "day": ["a"] * rows})

    @ff.task
    def train(table: pa.Table, depth: int, name: str, ok: bool) -> ff.Model:
        import numpy as np
        from sklearn.linear_model import LinearRegression

        for step, loss in enumerate([0.5, 0.25, 0.125]):
            ff.log_metric("loss", loss, step)
        xs = table.column("x").to_numpy().reshape(-1, 1)
        return ff.Model(LinearRegression().fit(xs, xs[:, 0] * depth), ("x",))

    @ff.task
    def score(model: ff.Model, fold: int, other: dict[str, int]) -> dict[str, float]:
        ff.log_metric("score", fold / 10)
        return {"score": fold / 10}

    @ff.task
    def report(scores: list[dict[str, float]], fail: bool) -> ff.Html:
        ff.log_metric("best", max(each["score"] for each in scores))
        if fail and "MENDED" not in os.environ:
            raise ValueError("no report")
        return ff.Html("<!doctype html><p>report")

    @ff.pipeline(params=FlowParams)
    def flow(p):
        "From rows to a report."
        table = make(p.rows)
        model = train(table, p.model.depth, p.model.name, p.model.ok)
        report(score.map(model, fold=[1, 2], other=[{"a": 1}, {"a": 2}]), p.fail)
"""


def test_a_story_holds_what_a_run_was_and_made(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW)
    result = lab.run("flow", "model.depth=2")
    deliverer = lab.deliverer(recorder)
    assert deliverer.waiting() == [f"run {result.run}"]
    deliverer.deliver()
    (story,) = recorder.stories
    assert (story.key, story.name, story.experiment) == (result.run, result.run, "lab/flow")
    assert (story.status, story.description) == ("succeeded", "From rows to a report.")
    assert story.params == {
        "rows": "4",
        "model.depth": "2",
        "model.name": "Ünï",
        "model.ok": "true",
        "fail": "false",
    }
    wanted = {"run": result.run, "project": "lab", "pipeline": "flow", "environment": "local", "status": "succeeded"}
    assert {f"firnflow.{name}": text for name, text in wanted.items()}.items() <= story.tags.items()
    assert {"firnflow.user", "firnflow.host", "firnflow.python", "firnflow.version"} <= set(story.tags)
    assert [(p.name, p.step, p.value) for p in story.points] == [
        ("train/loss", 0, 0.5),
        ("train/loss", 1, 0.25),
        ("train/loss", 2, 0.125),
        ("report/best", 0, 0.2),
    ]
    made, learnt = story.datasets
    assert (made.name, made.role, made.rows, made.columns) == ("make", "source", 4, {"x": "int64", "day": "string"})
    assert (learnt.name, learnt.role, learnt.digest) == ("make", "training", made.digest)
    assert {file.name: file.kind for file in story.files} == {
        "models/train.zip": "model",
        "reports/report.html": "figure",
    }
    assert all(file.path.is_file() for file in story.files if file.kind != "result")
    assert deliverer.waiting() == []


def test_elements_of_maps_are_parts_with_their_own_parameters(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW)
    result = lab.run()
    lab.deliverer(recorder).deliver()
    one, two = recorder.stories[0].parts
    assert (one.key, two.key) == (f"{result.run}/score/0", f"{result.run}/score/1")
    assert one.name == "score[fold=1, a=1]"
    assert one.params == {"fold": "1", "other.a": "1"}
    assert (one.status, two.points[0].name, two.points[0].value) == ("succeeded", "score", 0.2)
    assert [file.name for file in two.files] == ["results/score.json"]
    assert two.tags["firnflow.run"] == result.run


def test_a_told_run_is_not_told_again_and_its_page_is_known(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW)
    result = lab.run()
    assert lab.deliverer(recorder).page(result.run) is None
    for _ in range(3):
        lab.deliverer(recorder).deliver()
    assert len(recorder.stories) == 1
    assert lab.deliverer(recorder).page(result.run) == f"https://there/{result.run}"


def test_a_cached_run_tells_what_the_first_one_measured(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW)
    first = lab.run()
    second = lab.run()
    assert {task.state for task in second.tasks.values()} == {"cached"}
    lab.deliverer(recorder).deliver()
    one, two = recorder.of(first.run)[0], recorder.of(second.run)[0]
    assert [point[:3] for point in two.points] == [point[:3] for point in one.points]
    assert [file.name for file in two.files] == [file.name for file in one.files]
    assert [part.params for part in two.parts] == [part.params for part in one.parts]


def test_a_failed_run_is_told_and_a_resumed_one_only_what_is_new(
    desk: Callable[..., Desk], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = desk(FLOW)
    failed = lab.run("flow", "fail=true")
    assert failed.status == "failed"
    lab.deliverer(recorder).deliver()
    (story,) = recorder.stories
    assert story.status == "failed"
    assert "no report" in story.tags["firnflow.error"]
    assert [point.name for point in story.points][-1] == "report/best"
    monkeypatch.setenv("MENDED", "1")
    assert lab.resume(failed.run).status == "succeeded"
    lab.deliverer(recorder).deliver()
    again = recorder.stories[1]
    assert (again.status, again.tags["firnflow.resumed"]) == ("succeeded", "1")
    assert [point.name for point in again.points] == ["report/best"]
    assert [file.name for file in again.files] == ["reports/report.html"]
    assert not again.parts


def test_a_tracker_that_is_not_live_is_told_the_whole_story_at_the_end(
    desk: Callable[..., Desk], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = desk(FLOW)
    recorder.live = False
    failed = lab.run("flow", "fail=true")
    lab.deliverer(recorder).deliver()
    monkeypatch.setenv("MENDED", "1")
    lab.resume(failed.run)
    lab.deliverer(recorder).deliver()
    assert [len(story.parts) for story in recorder.stories] == [2, 2]
    assert len(recorder.stories[1].points) == 4


def test_what_a_tracker_does_not_take_waits_and_is_said(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW)
    runs = [lab.run().run for _ in range(3)]
    recorder.fail = 2
    deliverer = lab.deliverer(recorder)
    with pytest.raises(StoreError, match=f"run {runs[1]}: ConnectionError: nobody there"):
        deliverer.deliver()
    assert recorder.stories == []
    assert len(deliverer.waiting()) == 3
    deliverer.deliver()
    assert [story.key for story in recorder.stories] == runs
    assert deliverer.waiting() == []


def test_one_run_that_is_refused_holds_up_no_other(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW)
    runs = [lab.run().run for _ in range(3)]
    recorder.refuse = runs[0]
    deliverer = lab.deliverer(recorder)
    with pytest.raises(StoreError, match="not this one"):
        deliverer.deliver()
    assert [story.key for story in recorder.stories] == runs[1:]
    assert deliverer.waiting() == [f"run {runs[0]}"]


def test_only_runs_of_the_environment_are_told(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW, "[environments.dev]\n")
    lab.run()
    dev = dataclasses.replace(lab.project.settings, environment="dev")
    lab.project = dataclasses.replace(lab.project, settings=dev)
    assert lab.deliverer(recorder).waiting() == []


def test_an_experiment_can_be_named(
    desk: Callable[..., Desk], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRNFLOW_TRACKING")
    lab = desk(FLOW, '[environments.local.tracking]\nexperiment = "mine"\n')
    lab.run()
    lab.deliverer(recorder).deliver()
    assert {recorder.stories[0].experiment, recorder.stories[0].parts[0].experiment} == {"mine"}


def test_a_large_file_is_left_out_and_said(
    desk: Callable[..., Desk], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firnflow.models.tracking.story.MOST_BYTES", 200)
    lab = desk(FLOW)
    lab.run()
    lab.deliverer(recorder).deliver()
    assert [file.name for file in recorder.stories[0].files] == ["reports/report.html"]
    assert recorder.stories[0].tags["firnflow.left_out"] == "train"


def test_values_that_are_gone_do_not_stop_the_telling(desk: Callable[..., Desk], recorder: Recorder) -> None:
    lab = desk(FLOW)
    lab.run()
    for stored in list(lab.stores.artifacts.objects()):
        lab.stores.artifacts.delete(stored.where)
    lab.deliverer(recorder).deliver()
    assert [file.kind for file in recorder.stories[0].files] == []
    assert len(recorder.stories[0].points) == 4
