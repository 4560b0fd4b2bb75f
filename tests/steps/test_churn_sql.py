"""The benchmark's hand-written SQL does the same as the steps: else comparing their speed would mean nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from firnflow import steps
from firnflow.stores.warehouse import DuckDBWarehouse

ROOT = Path(__file__).parents[2]
ROWS = 20_000


@pytest.fixture
def by_hand(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "churn"))
    spec = importlib.util.spec_from_file_location("churn_sql", ROOT / "benchmarks" / "churn_sql.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before = set(sys.modules)
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "churn" and name not in before]:
        del sys.modules[name]


@pytest.mark.slow
def test_every_table_is_equal(by_hand, tmp_path):
    from churn.pipelines import ChurnParams, generate_demographics, generate_transactions
    from churn.preprocess import preprocess

    p = ChurnParams(customers=ROWS)
    hand, ours = tmp_path / "hand", tmp_path / "ours"
    hand.mkdir()
    ours.mkdir()
    connection = by_hand.connect()
    by_hand.generate(connection, hand, ROWS)
    by_hand.preprocess(connection, hand)
    by_hand.split(connection, hand)
    by_hand.features(connection, hand, by_hand.fit(connection, hand))

    warehouse = DuckDBWarehouse(None, 2, tmp_path)

    def keep(name, table):
        if not hasattr(table, "execute"):
            table = warehouse.connection.create_table(name, table.read_all())
        warehouse.write_parquet(table, ours / f"{name}.parquet")
        return warehouse.read_parquet(ours / f"{name}.parquet")

    arguments = (p.customers, p.churn_rate, p.seed, p.as_of)
    transactions = keep("transactions", generate_transactions(*arguments))
    demographics = keep("demographics", generate_demographics(*arguments))
    customers = keep("customers", preprocess(transactions, demographics, p.columns, p.joining, p.cleaning, p.as_of))
    parts = steps.split(customers, p.columns, p.splitting)
    train, test = keep("train", parts.train), keep("test", parts.test)
    found = steps.impute(train, p.columns, p.imputing)
    found = steps.cap_outliers(train, p.columns, p.capping, found)
    found = steps.derive(train, p.columns, p.deriving, found)
    found = steps.encode(train, p.columns, p.encoding, found)
    features = keep("train_features", steps.transform(train, found))
    keep("test_features", steps.transform(test, found))
    assert len(features.columns) - 2 >= 40

    for file in sorted(hand.glob("*.parquet")):
        first, second = (connection.read_parquet(str(folder / file.name)) for folder in (hand, ours))
        assert first.columns == second.columns, file.name
        assert first.types == second.types, file.name
        assert len(first) == len(second) > 0, file.name
        assert connection.sql("FROM first EXCEPT ALL FROM second").fetchall() == [], file.name
