"""Online look-ups by Firnflow: 100 customers × 5 views in one call.

python online.py sqlite|redis FOLDER
"""

from __future__ import annotations

import datetime as dt
import sys
import uuid

import ibis
import online_data
from feature_data import VIEWS

from firnflow.features import Entity, FeatureView, online_features
from firnflow.features.materializing import fill
from firnflow.features.place import Online
from firnflow.stores.online import connect


def main(store: str, folder: str) -> None:
    url = f"redis://127.0.0.1:{online_data.start_redis()}/0" if store == "redis" else "sqlite:///online.db"
    con = ibis.duckdb.connect(threads=2)
    customer = Entity("customer", "customer_id")
    views = [
        FeatureView(name, con.read_parquet(f"{folder}/{name}.parquet"), customer, "happened", "known")
        for name in (f"view{view}" for view in range(VIEWS))
    ]
    online = Online(connect(url), uuid.uuid4().hex)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    online_data.run(
        folder,
        lambda: [fill(online, view, {}, now, digests={}) for view in views],
        lambda customers: online_features(views, {"customer_id": customers}, online=online),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
