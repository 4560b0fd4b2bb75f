"""Feature views in Snowflake's Feature Store: its own client joins them as `training_set` does, on the emulator."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from firnflow.errors import ConfigError, FeatureError
from firnflow.features import Entity, FeatureView, feature_view, training_set, window
from firnflow.features.feature_store import register
from firnflow.project import load_settings

pytest.importorskip("snowflake.ml.feature_store", reason="snowflake-ml-python is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from firnflow.project import Settings

START = dt.datetime.fromisoformat("2024-03-01")
CUSTOMER, PLACE = Entity("customer", "customer_id", "who buys"), Entity("place", ["canton", "town"])


@feature_view(
    source="orders",
    entities=[CUSTOMER],
    timestamp="at",
    known_at="known",
    ttl="10h",
    columns={"amount": 'of the order, it\'s "dollars"', "lately": ""},
)
def orders_of(orders):
    """The last order."""
    return orders.mutate(lately=window(orders.amount.sum(), time="known", by="customer_id", over="20h"))


PLANS = FeatureView(
    "plans",
    "contracts",
    [CUSTOMER],
    "signed",
    transform="SELECT customer_id, signed, upper(plan) AS plan, price + 1 AS price FROM contracts",
)
WEATHER = FeatureView("weather", "measured", [PLACE], "at", ttl="2h")
VIEWS = [orders_of, PLANS, WEATHER]


def hours(numbers: list[int]) -> list[dt.datetime]:
    return [START + dt.timedelta(hours=number) for number in numbers]


def tables() -> dict[str, pa.Table]:
    """Late rows, corrections, ties, nulls and lives that end; and rows that ask."""
    luck, rows = random.Random(3), range(300)
    happened = [luck.randint(0, 60) for _ in rows]
    customers = [luck.randint(1, 12) for _ in rows]
    asked, told = range(250), pa.timestamp("us")
    moments = hours([luck.randint(-2, 90) for _ in asked])
    at = pa.array(hours(happened), told)
    return {
        "orders": pa.table(
            {
                "customer_id": customers,
                "at": at,
                "known": pa.array(hours([each + luck.choice([0, 0, 3, 30]) for each in happened]), told),
                "amount": [luck.choice([None, 1.5, 2.0]) for _ in rows],
            }
        ),
        "contracts": pa.table(
            {
                "customer_id": customers,
                "signed": at,
                "plan": [luck.choice(["a", "Zürich", "it's"]) for _ in rows],
                "price": [luck.randint(1, 9) for _ in rows],
            }
        ),
        "measured": pa.table(
            {
                "canton": [luck.choice(["ZH", "BE"]) for _ in rows],
                "town": [luck.randint(1, 3) for _ in rows],
                "at": at,
                "rain": [luck.choice([None, 0, 1, 2]) for _ in rows],
            }
        ),
        "asked": pa.table(
            {
                "row": list(asked),
                "customer_id": [luck.choice([*range(1, 14), None]) for _ in asked],
                "canton": [luck.choice(["ZH", "BE"]) for _ in asked],
                "town": [luck.randint(1, 4) for _ in asked],
                "t": pa.array([at if luck.random() > 0.02 else None for at in moments], told),
            }
        ),
    }


class Account:
    """A schema with the tables, and Snowflake's own client of it."""

    def __init__(self, url: str, root: Path) -> None:
        import snowflake.connector
        from snowflake.ml.feature_store import CreationMode, FeatureStore
        from snowflake.snowpark import Session

        _, _, self.name, *place = url.split("/")
        self.root, self.place = root, dict(zip(("database", "schema"), place, strict=True))
        self.connection = snowflake.connector.connect(connection_name=self.name, **self.place)
        self.session = Session.builder.configs({"connection": self.connection}).create()
        how = {"default_warehouse": "COMPUTE_WH", "creation_mode": CreationMode.CREATE_IF_NOT_EXIST}
        self.store = FeatureStore(self.session, *place, **how)

    def fill(self, *names: str) -> None:
        """Make tables of these names, as people have them: all names in capitals."""
        from snowflake.connector.pandas_tools import write_pandas

        for name in names:
            frame = tables()[name].to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
            frame.columns = frame.columns.str.upper()
            write_pandas(self.connection, frame, name.upper(), auto_create_table=True, use_logical_type=True)

    def settings(self, more: str = "") -> Settings:
        named = "".join(f'{key} = "{value}"\n' for key, value in {"connection": self.name, **self.place}.items())
        section = f"[environments.local.snowflake]\n{named}{more}\n"
        (self.root / "firnflow.toml").write_text(f'[project]\nname = "shop"\n{section}')
        return load_settings(self.root)

    def register(self, views: list[FeatureView], more: str = "", **options: Any) -> list[str]:
        return [each.action for each in register(views, self.settings(more), self.root, **options)]


@pytest.fixture
def account(snowflake_url: str, tmp_path: Path) -> Iterator[Account]:
    made = Account(snowflake_url, tmp_path)
    yield made
    made.session.close()
    made.connection.close()


def test_a_training_set_of_snowflakes_client_is_ours_row_by_row(account: Account, connection: Any) -> None:
    account.fill(*tables())
    assert account.register(VIEWS) == ["new", "new", "new"]
    given = {name: connection.create_table(name, table, overwrite=True) for name, table in tables().items()}
    spine = given.pop("asked")
    ours = training_set(spine, VIEWS, time="t", sources=given).order_by("row").to_pyarrow().to_pylist()
    theirs = account.store.generate_training_set(
        account.session.table("ASKED"),
        [account.store.get_feature_view(view.name, view.version.upper()) for view in VIEWS],
        spine_timestamp_col="T",
    )
    found = [row.as_dict() for row in theirs.sort("ROW").collect()]
    named = {"AMOUNT": "orders_of__amount", "LATELY": "orders_of__lately", "RAIN": "weather__rain"}
    named |= {"PLAN": "plans__plan", "PRICE": "plans__price"}
    known = [tuple(row[name] for name in named.values()) for row in ours]
    assert [tuple(row[name] for name in named) for row in found] == known
    assert {row["ROW"] for row in found} == set(range(250))
    for column in range(len(named)):  # each feature is there, and is not there
        assert 20 < sum(row[column] is None for row in known) < 230


def test_what_is_registered_stays_and_is_described_anew(account: Account) -> None:
    account.fill("orders")
    assert account.register([orders_of], 'feature_lag = "1h"') == ["new"]
    there = account.store.get_feature_view("orders_of", orders_of.version.upper())
    assert (there.desc, there.refresh_freq) == ("The last order.", "60 minutes")
    assert there.feature_descs["AMOUNT"] == 'of the order, it\'s "dollars"'
    assert account.store.get_entity("customer").desc == "who buys"
    anna = replace(orders_of, owner="anna")
    assert account.register([anna], 'feature_lag = "2h"') == ["described anew"]
    there = account.store.get_feature_view("orders_of", orders_of.version.upper())
    assert (there.desc, there.refresh_freq) == ("The last order.\nOwner: anna", "120 minutes")
    before = account.store.read_feature_view(there).count()
    account.session.sql("INSERT INTO orders SELECT 99, at, known, amount FROM orders LIMIT 1").collect()
    account.store.refresh_feature_view(there)
    assert account.store.read_feature_view(there).count() > before
    with pytest.raises(FeatureError, match=r"is refreshed every 120 minutes in the Feature Store, which nobody can"):
        account.register([anna])
    with pytest.raises(ConfigError, match="warehouse = 'nosuch': there is none in Snowflake, or the role may not"):
        account.register([anna], 'warehouse = "nosuch"')
    shorter = replace(orders_of, ttl="1h")
    assert account.register([shorter], dry_run=True) == ["new"]
    assert account.store.list_feature_views().count() == 1


def test_what_cannot_be_there_is_said_before_anything_is_made(account: Account) -> None:
    account.fill("contracts", "measured")
    for view, said in (
        (replace(PLANS, source="nosuch"), "there is no NOSUCH in .*Mend: a table or view of that name"),
        (replace(WEATHER, entities=[]), "has no entity: Snowflake's Feature Store takes none such"),
        (replace(PLANS, transform="SELECT nosuch FROM contracts"), "its SELECT cannot be run in Snowflake"),
        (replace(WEATHER, entities=[Entity("p" * 33, "town")]), "its name has more than 32 characters"),
    ):
        with pytest.raises(FeatureError, match=said):
            account.register([view])
    assert account.store.list_feature_views().count() == 0
    assert account.register([PLANS]) == ["new"]
    other = replace(WEATHER, entities=[Entity("customer", "town")])
    with pytest.raises(FeatureError, match=r"entity 'customer' has the keys .*CUSTOMER_ID.* and town here"):
        account.register([other])
