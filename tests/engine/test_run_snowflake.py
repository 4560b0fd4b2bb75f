"""Runs whose warehouse is Snowflake: what is there survives, is found again and is cleaned up like files are."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from firnflow.engine import collect
from firnflow.engine.neighbours import place_of
from firnflow.stores import Stores

pytestmark = pytest.mark.slow

SOURCE = """
    import ibis
    import pandas as pd

    class Wishes(ff.Params):
        rows: int = 10

    @ff.task
    def make(rows: int) -> pd.DataFrame:
        return pd.DataFrame({"i": range(rows)})

    @ff.task
    def double(numbers: ibis.Table) -> ibis.Table:
        return numbers.mutate(twice=numbers.i * 2)

    @ff.task
    def total(numbers: pd.DataFrame) -> int:
        return int(numbers["twice"].sum())

    @ff.pipeline(params=Wishes)
    def flow(p):
        twice = double(make(p.rows))
        total(twice)
        twice.publish("doubled", "append")

    @ff.task
    def raw(numbers: ibis.Table) -> int:
        return numbers.get_backend().con.sql("SELECT 1").fetchone()[0]

    @ff.pipeline
    def wrong():
        raw(double(make(3)))
"""


@pytest.fixture
def flow(lab, snowflake_url):
    name, database, schema = snowflake_url.removeprefix("snowflake://").split("/")
    place = f'{{ connection = "{name}", database = "{database}", schema = "{schema}" }}'
    return lab(SOURCE, f'warehouse = "snowflake"\nsnowflake = {place}')


def kept(place):
    return sorted(each.where for each in place.stores.objects() if each.where.startswith("snowflake:"))


def test_a_killed_attempt_leaves_what_does_not_count_and_is_cleaned_up(flow, monkeypatch):
    killed = subprocess.run(
        [sys.executable, "-m", "firnflow", "run", "flow", "--inline"],
        cwd=flow.root,
        env={**os.environ, "FIRNFLOW_CRASH": "warehouse.computed:kill"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    settings, root = flow.project.settings, flow.root
    with place_of(root, settings, flow.state, Stores.open(settings, root).artifacts) as place:
        assert len(kept(place)) == 2  # the loaded file, and what nobody knows of
        done = flow.again().resume(inline=True)
        assert done.outputs["total"].inline == "90"
        table = done.outputs["double"]
        assert table.is_kept
        loaded, lost = (each for each in kept(place) if each != table.where)
        assert flow.again().run(inline=True).outputs["double"] == table  # from the cache
        monkeypatch.setattr(collect, "GRACE", 0.0)
        monkeypatch.setattr(collect, "_SKEW", 0.0)
        time.sleep(1.1)  # moments of an emulated table are whole milliseconds, those of runs are not
        rule = collect.Rule(older_than=3600.0, keep=1)
        assert [each.where for each in collect.collect(place, collect.find(place, rule)).objects] == [
            next(each for each in (loaded, lost) if "_L" not in each)
        ]
        assert table.where in kept(place)
        assert len(kept(place)) == 2
        second = flow.again().run("flow", "rows=20", inline=True)
        assert second.outputs["publish_doubled"].meta["version"] == 2
        garbage = collect.collect(place, collect.find(place, collect.Rule(older_than=0.0, keep=0)))
        assert [each.number for each in garbage.versions] == [1]
        assert [where for where in kept(place) if "_L" not in where] == [second.outputs["double"].where]
        assert [where for where in kept(place) if "_L" in where] != []


def test_what_is_duckdbs_only_says_so(flow):
    result = flow.run("wrong", inline=True)
    assert "con.sql is DuckDB's, and this table is in Snowflake. Mend: say it" in result.tasks["raw"].error["message"]
