"""`firnflow output`, and the values in the JSON of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

MORE = """
@ff.task
def figures(table: pa.Table) -> dict[str, float]:
    return {"auc": 0.834, "rows": float(table.num_rows)}


@ff.task
def long(table: pa.Table) -> list[str]:
    return ["a word of no meaning"] * 200


@ff.task
def nothing() -> None:
    pass


@ff.task
def place(url: str) -> dict[str, str]:
    return {"where": url, "at": "nowhere"}


class PlaceParams(ff.Params):
    url: str = "nowhere"


@ff.pipeline(params=PlaceParams)
def results(p):
    table = make(3)
    figures(table)
    long(table)
    count.map(table, ["a", "b"])
    page(table)
    split(table)
    nothing()
    place(p.url)
"""


@pytest.fixture
def done(shop, add):
    add(MORE)
    assert shop.call("run", "results", "--inline").code == 0
    return shop


def test_json_of_a_run_has_small_values(done):
    outputs = done.call("run", "results", "--inline", "--json").json["outputs"]
    assert outputs["figures"]["value"] == {"auc": 0.834, "rows": 3.0}
    assert set(outputs["figures"]) == {"kind", "digest", "place", "value"}
    assert "value" not in outputs["long"]  # it is longer than what stands in the state
    assert [item["value"] for item in outputs["count"]["items"]] == [3, 3]
    assert done.call("resume", done.newest().id, "--json").json["outputs"] == outputs


def test_a_secret_in_a_value_is_hidden(done, monkeypatch):
    monkeypatch.setenv("PLACE", "canary-place")
    (done.root / "catalog.toml").write_text('[orders]\nurl = "env:PLACE"\n')
    called = done.call("run", "results", "--set", "url=canary-place", "--inline", "--json")
    assert called.json["outputs"]["place"]["value"] == {"where": "***", "at": "nowhere"}
    assert "canary" not in called.out
    assert "canary" not in done.call("output", "place").out


def test_all_outputs_of_a_run(done):
    called = done.call("output")
    lines = [line.split() for line in called.out.splitlines()]
    assert lines[0] == ["output", "what", "where"]
    assert ["figures", '{"auc":0.834,"rows":3.0}'] in lines
    assert next(line[1:6] for line in lines if line[0] == "make") == ["table", "3", "rows", "×", "2"]
    assert ["count", "list", "of", "2"] in lines
    assert ["metric", "value"] in lines
    assert ["count[word=a].rows", "3"] in lines
    assert f"outputs of run {done.newest().id}" in called.err
    data = done.call("output", "--json").json
    assert data["metrics"] == {"count[word=a].rows": 3, "count[word=b].rows": 3}
    assert data["run"] == done.newest().id
    assert data["outputs"]["figures"]["value"]["auc"] == 0.834


def test_json_is_printed_whole_and_readably(done):
    assert done.call("output", "figures").out == '{\n  "auc": 0.834,\n  "rows": 3.0\n}\n'
    assert done.call("output", "long").out.count("a word of no meaning") == 200
    assert len(done.call("output", "long", "--json").json["outputs"]["long"]["value"]) == 200


def test_the_head_of_a_table(done):
    called = done.call("output", "make", "--limit", "2")
    assert [line.split() for line in called.out.splitlines()] == [["x", "y"], ["0", "v0"], ["1", "v1"]]
    assert called.err.startswith("table 3 rows × 2 columns  .firnflow/artifacts/")
    assert "more rows: --limit N" in called.err
    head = done.call("output", "split.test", "--limit", "1", "--json").json["outputs"]["split.test"]["head"]
    assert head == [{"x": 1, "y": "v1"}]


def test_a_page_is_where_it_is(done):
    called = done.call("output", "page")
    assert Path(called.out.strip()).read_text() == "<!doctype html><p>3"


def test_the_outputs_of_a_task_and_the_elements_of_a_map(done):
    lines = [line.split() for line in done.call("output", "split").out.splitlines()[1:]]
    assert [line[0] for line in lines] == ["split.train", "split.test"]
    lines = [line.split() for line in done.call("output", "count").out.splitlines()[1:]]
    assert lines == [["count[word=a]", "3"], ["count[word=b]", "3"]]
    assert done.call("output", "count[1]").out == done.call("output", "count[word=b]").out == "3\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("figure", "has no output 'figure'. Did you mean 'figures'?"),
        ("nothing", "task nothing of run RUN returned nothing"),
        ("fail", "has no output 'fail'"),
    ],
)
def test_what_is_not_there(done, name, said):
    called = done.call("output", name)
    assert called.code == 2
    assert said.replace("RUN", done.newest().id) in called.err


def test_what_only_another_run_has(done):
    run = done.newest().id
    done.call("run", "broken", "--inline")
    called = done.call("output", "figures")
    assert called.code == 2
    assert f"Another run has one: firnflow output figures --run {run}" in called.err
    assert done.call("output", "figures", "--run", run).code == 0
    assert f"task fail of run {done.newest().id} is failed" in done.call("output", "fail").err


def test_a_value_that_is_not_what_was_committed(done):
    with done.state.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE attempt SET outputs = replace(outputs, '0.834', '0.999')")
    called = done.call("output", "figures")
    assert called.code == 1
    assert "is not what was committed" in called.err
