"""The bridge to Feast: what is written is a repository that the real Feast applies, and answers the same from."""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import json
import random
import subprocess
import sys

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firnflow.errors import FeatureError, UsageError
from firnflow.features import Entity, FeatureView, training_set
from firnflow.features.feast_repository import export_feast
from firnflow.stores.warehouse import DuckDBWarehouse

START = dt.datetime.fromisoformat("2024-03-01")
MOMENT = pa.timestamp("us")
HOSTILE = 'says "no" \\ \n\'\'\' """ {x} %s ü'
CUSTOMER, PLACE = Entity("customer", "customer_id", HOSTILE), Entity("place", ["canton", "town"])

ASKED = """
import json, os, sys
os.chdir(sys.argv[1])
from feast import FeatureStore
from feast.cli.cli import cli
import pandas as pd
cli(["apply"], standalone_mode=False)
store = FeatureStore(repo_path=".")
spine = pd.read_parquet("../spine.parquet")
wanted = ["spending:amount", "spending:town", "plans:price", "weather:rain"]
found = store.get_historical_features(spine, wanted, full_feature_names=True).to_df()
view = store.get_feature_view("spending")
told = {"owner": view.owner, "tags": dict(view.tags), "description": view.description, "ttl": view.ttl.total_seconds()}
told["fields"] = {field.name: field.description for field in view.features}
told["rows"] = json.loads(found.to_json(orient="records"))
print(json.dumps(told))
"""


def hours(numbers: list[int]) -> pa.Array:
    return pa.array([START + dt.timedelta(hours=number) for number in numbers], MOMENT)


@pytest.fixture
def warehouse(tmp_path):
    opened = DuckDBWarehouse(None, 2, tmp_path / "spill")
    yield opened
    opened.close()


def table(warehouse, **columns) -> ibis.Table:
    return warehouse.connection.create_table(ibis.util.gen_name("t"), pa.table(columns))


def three_views(warehouse, luck: random.Random) -> list[FeatureView]:
    """Late rows, corrections, ties and lives that end, of customers and of places."""
    rows = range(400)
    happened = [luck.randint(0, 60) for _ in rows]
    customers = pa.array([luck.randint(1, 12) for _ in rows], pa.int32())
    spending = table(
        warehouse,
        customer_id=customers,
        at=hours(happened),
        known=hours([each + luck.choice([0, 0, 3, 30]) for each in happened]),
        amount=[luck.choice([None, 1.5, 2.0]) for _ in rows],
        town=[luck.choice(["Zürich", "x"]) for _ in rows],
    )
    plans = table(
        warehouse,
        customer_id=customers,
        at=hours(happened),
        price=pa.array([decimal.Decimal(luck.randint(1, 9)) / 4 for _ in rows], pa.decimal128(6, 2)),
    )
    weather = table(
        warehouse,
        canton=[luck.choice(["ZH", "BE"]) for _ in rows],
        town=[luck.randint(1, 3) for _ in rows],
        at=hours(happened),
        rain=[luck.randint(0, 9) for _ in rows],
    )
    said = {
        "description": HOSTILE,
        "owner": "Zoë",
        "tags": {"team'": HOSTILE},
        "columns": {"amount": HOSTILE, "town": ""},
    }
    return [
        FeatureView("spending", spending, [CUSTOMER], "at", "known", "10h", **said),
        FeatureView("plans", plans, [CUSTOMER], "at"),
        FeatureView("weather", weather, [PLACE], "at", ttl="2h"),
    ]


@pytest.mark.slow
def test_feast_applies_the_repository_and_answers_as_a_training_set(warehouse, tmp_path):
    pytest.importorskip("feast")
    luck = random.Random(3)
    views = three_views(warehouse, luck)
    counts = export_feast(views, tmp_path / "repo", "my-shop", {}, warehouse)
    assert set(counts) == {"spending", "plans", "weather"}
    spine = pa.table(
        {
            "row": list(range(300)),
            "event_timestamp": hours(list(range(100)) * 3),  # each whole hour, so that ends of lives are hit exactly
            "customer_id": pa.array([luck.randint(0, 12) for _ in range(300)], pa.int32()),
            "canton": [luck.choice(["ZH", "BE"]) for _ in range(300)],
            "town": [luck.randint(1, 3) for _ in range(300)],
        }
    )
    pq.write_table(spine, tmp_path / "spine.parquet")
    command = [sys.executable, "-W", "ignore", "-c", ASKED, str(tmp_path / "repo")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert (told["owner"], told["description"], told["ttl"]) == ("Zoë", HOSTILE, 36_000)
    assert told["tags"] == {"team'": HOSTILE, "firnflow_version": views[0].version}
    assert told["fields"] == {"amount": HOSTILE, "town": ""}
    ours = training_set(table(warehouse, **{n: spine[n] for n in spine.column_names}), views, time="event_timestamp")
    expected = ours.order_by("row").to_pyarrow().to_pylist()
    names = ["spending__amount", "spending__town", "plans__price", "weather__rain"]
    mine = [[None if row[name] is None else row[name] for name in names] for row in expected]
    theirs = [[row[name] for name in names] for row in sorted(told["rows"], key=lambda row: row["row"])]
    assert [[float(v) if isinstance(v, decimal.Decimal) else v for v in row] for row in mine] == theirs
    assert sum(row[0] is not None for row in mine) > 50
    assert sum(row[3] is None for row in mine) > 50


def test_what_is_written_is_code_whatever_words_stand_in_it(warehouse, tmp_path):
    (view, *_) = three_views(warehouse, random.Random(1))
    export_feast([view], tmp_path / "repo", "shop", {}, warehouse)
    tree = ast.parse((tmp_path / "repo" / "definitions.py").read_text())
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert set(calls) == {"Entity", "FeatureView", "Field", "FileSource", "timedelta"}
    with pytest.raises(UsageError, match=r"is not empty. Mend: name a new folder"):
        export_feast([view], tmp_path / "repo", "shop", {}, warehouse)
    export_feast([view], tmp_path / "repo", "shop", {}, warehouse, force=True)


@pytest.mark.parametrize(
    ("column", "key", "message"),
    [
        (pa.array([{"deep": 1}]), "a", "is struct<.*, for which Feast has no type. Mend: cast it"),
        (pa.array([1]), "sure", "Feast takes whole numbers and texts as keys"),
    ],
)
def test_what_feast_cannot_hold_is_said_before_anything_is_written(warehouse, tmp_path, column, key, message):
    rows = table(warehouse, a=[1], sure=[True], at=hours([0]), x=column)
    view = FeatureView("v", rows, Entity("thing", key), "at", columns={"x": ""})
    with pytest.raises(FeatureError, match=message):
        export_feast([view], tmp_path / "repo", "shop", {}, warehouse)
    assert not (tmp_path / "repo").exists()
