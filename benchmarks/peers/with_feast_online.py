"""Online look-ups by Feast: 100 customers × 5 views in one call.

python with_feast_online.py sqlite|redis FOLDER
"""

from __future__ import annotations

import datetime as dt
import sys

import online_data
from feast import FeatureStore, RepoConfig
from feast_views import definitions
from feature_data import FEATURES


def main(store: str, folder: str) -> None:
    online: dict[str, object] = {"type": "sqlite", "path": "online.db"}
    if store == "redis":
        online = {"type": "redis", "connection_string": f"127.0.0.1:{online_data.start_redis()}"}
    config = RepoConfig(
        project="bench",
        provider="local",
        registry="registry.db",
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
    )
    features = FeatureStore(config=config)
    customer, views = definitions(folder, ttl=None)
    features.apply([customer, *views])
    wanted = [f"{view.name}:f{f}" for view in views for f in range(FEATURES)]

    def look_up(customers: list[int]) -> dict[str, list[object]]:
        rows = [{"customer_id": customer} for customer in customers]
        return features.get_online_features(wanted, rows, full_feature_names=True).to_dict()

    def fill() -> None:
        features.materialize(
            dt.datetime(2023, 1, 1, tzinfo=dt.UTC), dt.datetime.now(dt.UTC), disable_event_timestamp=False
        )

    online_data.run(folder, fill, look_up)


if __name__ == "__main__":
    main(*sys.argv[1:])
