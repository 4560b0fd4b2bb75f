"""The hostile corpus against every verb and entry point: a message, and nothing run, written outside or harmed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import runpy
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

CORPUS = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("corpus.py"))))
FLOW = """
    import datetime as dt
    import ibis
    import numpy as np
    import pandas as pd
    from pydantic import BaseModel

    class Deep(BaseModel):
        n: int = 1

    class P(ff.Params):
        n: int = 3
        words: list[str] = []
        share: float = 0.5
        day: dt.date = dt.date(2025, 1, 1)
        deep: Deep = Deep()

    @ff.task
    def rows(n: int, words: list[str], share: float, day: dt.date, deep: int) -> pd.DataFrame:
        return pd.DataFrame({"n": range(n)})

    @ff.task
    def part(t: pd.DataFrame, k: int) -> int:
        return k

    @ff.task
    def joined(customers: ibis.Table, t: pd.DataFrame) -> ibis.Table:
        return customers.mutate(two=2)

    @ff.task
    def model(t: pd.DataFrame) -> ff.Model:
        import xgboost as xgb
        return ff.Model(xgb.train({}, xgb.DMatrix(t[["n"]], t["n"]), 1), ("n",))

    @ff.task
    def used(model: ff.Model, day: dt.date) -> str:
        return str(model.features)

    @ff.pipeline(params=P)
    def flow(p):
        t = rows(p.n, p.words, p.share, p.day, p.deep.n)
        part.map(t, k=[1, 2])
        joined(ff.source("customers"), t)
        used(model(t), p.day)
"""
CATALOG = "[customers]\npath = 'customers.csv'\n[customers.columns]\nid = 'int'\n"
AWAY = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
    "AWS_MAX_ATTEMPTS": "1",
}


@pytest.fixture
def harmless(place, tmp_path):
    """A project with one good run; in the end nothing has run or was written that should not, and its state is good."""
    project = place(FLOW, **AWAY, HOME=str(tmp_path))
    project.write("catalog.toml", CATALOG)
    project.write("customers.csv", "id\n1\n2\n")
    project.quick("run", "flow", "--inline").well(0)
    project.quick("show", "flow", "--output", "flow.json").well(0)
    before = files(tmp_path, project)
    yield project
    assert files(tmp_path, project) == before
    runs = project.quick("runs", "--json", "--limit", "1000").well(0).json
    assert any(run["status"] == "succeeded" for run in runs)
    assert {run["run"] for run in runs if run["status"] == "running"} <= {"r1"}  # until its finalizer
    assert project.quick("run", "flow", "--inline", "--json").well(0).json["status"] == "succeeded"


def files(folder, project):
    """Return what every file in a folder holds, but for the project's own folder and what Python compiles."""
    found = (path for path in folder.rglob("*") if path.is_file() and project.own not in path.parents)
    kept = (path for path in found if "__pycache__" not in path.parts)
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(3))
def test_texts_in_calls(harmless, turn):
    texts = list(CORPUS.TEXTS)
    for number, call in enumerate(CORPUS.CALLS):
        name = texts[(number * 5 + turn * 12) % len(texts)]
        said = harmless.quick(*CORPUS.filled(call, CORPUS.TEXTS[name]))
        well(said, (name, call), 1, 2)


def well(said, what, *codes):
    """Check that a call ended with one of these codes, and with a message."""
    assert said.code in codes, (what, said)
    said.well(*codes)
    assert said.code == 0 or "Error: " in said.err or "✗" in said.out or said.json["error"], (what, said)


@pytest.mark.slow
def test_texts_in_variables(harmless):
    texts = [name for name, text in CORPUS.TEXTS.items() if "\0" not in text]
    for number, variable in enumerate(CORPUS.VARIABLES):
        for name in texts[number % 4 :: 4]:
            said = harmless.quick("runs", **{variable: CORPUS.TEXTS[name]})
            assert said.code in {1, 2} or not CORPUS.TEXTS[name].strip(), (variable, name, said)
            said.well()


@pytest.mark.slow
def test_queries(harmless):
    for query in CORPUS.QUERIES:
        well(harmless.quick("sql", query), query, 2)


@pytest.mark.slow
def test_settings(harmless):
    file = harmless.root / "firnflow.toml"
    good = file.read_bytes()
    module = next(harmless.root.glob("flows_*.py")).stem
    for number, (name, content) in enumerate(CORPUS.SETTINGS.items()):
        harmless.write("firnflow.toml", content.replace("{module}", module) if isinstance(content, str) else content)
        for verb in (("run", "flow"), ("doctor",)) if number % 8 == 0 else (("run", "flow"),):
            well(harmless.quick(*verb), name, 1, 2)
        harmless.quick("runs").well()
    file.write_bytes(good)


@pytest.mark.slow
def test_catalogs(harmless):
    for name, content in CORPUS.CATALOGS.items():
        harmless.write("catalog.toml", content)
        well(harmless.quick("run", "flow", "--inline", "--no-cache"), name, 1, 2)
    harmless.write("catalog.toml", CATALOG)


@pytest.mark.slow
def test_outside_data(harmless, tmp_path):
    trap = tmp_path / CORPUS.ESCAPED
    given = {**CORPUS.DATA, **{name: ("parquet", content) for name, content in CORPUS.parquet(trap).items()}}
    for name, (suffix, content) in given.items():
        path = harmless.write(f"hostile.{suffix}", content)
        said = harmless.quick("run", "flow", "--inline", "--to", "joined", "--input", f"customers={path.name}")
        well(said, name, 1)
        assert "customers" in said.err, (name, said)
        path.unlink()


@pytest.mark.slow
def test_graphs(harmless):
    good = json.loads((harmless.root / "flow.json").read_text())
    for name, content in CORPUS.graphs(good).items():
        path = harmless.write("hostile.json", content)
        well(harmless.quick("exec", "--graph", path.name, "--task", "rows", "--run", "r1"), name, 1, 2)
        path.unlink()


@pytest.mark.slow
def test_refs_to_places_outside_the_store(harmless):
    """Whoever can write the state can name places: none of them is read, and nothing there is deleted."""
    for where in CORPUS.PLACES:
        rewrite(harmless, "rows", {"where": where})
        for verb in (("output", "rows"), ("sql", "SELECT * FROM rows"), ("output", "--json"), ("clean",)):
            harmless.quick(*verb).well(0, 1, 2)
        said = harmless.quick("run", "flow", "--inline", "--json", "--only", "part").well()
        assert said.code == 0 or "no place" in said.err or "is not in the artifact store" in said.err, (where, said)
        rewrite(harmless, "rows", None)


@pytest.mark.slow
def test_an_object_that_was_replaced(harmless, tmp_path):
    """A stored model is exchanged; once more with the digest of the other one written into the state."""
    trap = tmp_path / CORPUS.ESCAPED
    for known in (False, True):
        for name, content in CORPUS.archives(trap).items():
            ref = rewrite(harmless, "model", None)
            digest = hashlib.sha256(content).hexdigest()
            where = f"objects/{digest[:2]}/{digest}.zip" if known else ref["where"]
            path = harmless.own / "artifacts" / where
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            if known:
                rewrite(harmless, "model", {"where": where, "digest": digest, "size": len(content)})
            said = harmless.quick("run", "flow", "--inline", "--only", "used", "--set", "day=2030-01-01")
            well(said, (name, known), 1)
            assert path.name in said.err or "is a pickle of" in said.err, (name, known, said)
            assert not trap.exists()
        harmless.quick("run", "flow", "--inline", "--no-cache").well(0)


def rewrite(project, task, change):
    """Change the newest ref of a task's result in the state, or put it back where `change` is None; return it."""
    with contextlib.closing(sqlite3.connect(project.own / "state.db")) as connection, connection:
        query = "SELECT id, outputs FROM attempt WHERE task = ? AND status = 'succeeded' ORDER BY id DESC LIMIT 1"
        number, outputs = connection.execute(query, (task,)).fetchone()
        kept = project.own / f"kept-{number}.json"
        if not kept.exists():
            kept.write_text(outputs)
        ref = json.loads(kept.read_text())
        changed = {"result": {**ref["result"], **(change or {})}}
        connection.execute("UPDATE attempt SET outputs = ? WHERE id = ?", (json.dumps(changed), number))
    if change is None:
        kept.unlink()
    return ref["result"]
