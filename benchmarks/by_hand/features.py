"""A training set: by hand as as-of joins in SQL, or by Firnflow; the result is written to Parquet.

python features.py by_event|firnflow FOLDER RESULT

`by_event` joins by when things happened alone: what is usually written, and wrong where rows come late.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import ibis
from feature_data import FEATURES, TTL_DAYS, VIEWS

WRITTEN = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
MEMORY = "4GB"


def connect() -> Any:
    return ibis.duckdb.connect(memory_limit=MEMORY, threads=2, temp_directory="spill")


def by_event(folder: str, result: str) -> None:
    query = f"FROM '{folder}/spine.parquet'"
    for view in range(VIEWS):
        alive = f"v.happened > s.at - INTERVAL {TTL_DAYS} DAY"
        found = ", ".join(f"CASE WHEN {alive} THEN v.f{f} END AS view{view}__f{f}" for f in range(FEATURES))
        query = (
            f"SELECT s.*, {found} FROM ({query}) s ASOF LEFT JOIN '{folder}/view{view}.parquet' v "
            "ON s.customer_id = v.customer_id AND s.at >= v.happened"
        )
    connect().con.execute(f"COPY ({query}) TO '{result}' ({WRITTEN})")


def firnflow(folder: str, result: str) -> None:
    from firnflow.features import Entity, FeatureView, training_set

    con = connect()
    customer = Entity("customer", "customer_id")
    views = [
        FeatureView(name, con.read_parquet(f"{folder}/{name}.parquet"), customer, "happened", "known", f"{TTL_DAYS}d")
        for name in (f"view{view}" for view in range(VIEWS))
    ]
    rows = training_set(con.read_parquet(f"{folder}/spine.parquet"), views)
    con.con.execute(f"COPY ({con.compile(rows)}) TO '{result}' ({WRITTEN})")


if __name__ == "__main__":
    began = time.perf_counter()
    {"by_event": by_event, "firnflow": firnflow}[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"inside": time.perf_counter() - began}))
