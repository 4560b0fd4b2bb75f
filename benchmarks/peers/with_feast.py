"""A training set in Feast; the result is written to Parquet.

python with_feast.py duckdb|dask FOLDER RESULT
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from pathlib import Path

import ibis
import pandas as pd
import pyarrow.parquet as pq
from feast import FeatureStore, RepoConfig
from feast_views import definitions
from feature_data import FEATURES, TTL_DAYS


def main(store: str, folder: str, result: str) -> None:
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(Path.cwd() / "registry.db"),
        offline_store={"type": store},
        online_store=None,
        entity_key_serialization_version=3,
    )
    if store == "duckdb":  # Feast lets nobody say how much DuckDB may hold
        ibis.set_backend(ibis.duckdb.connect(memory_limit="4GB", threads=2, temp_directory="spill"))
    features = FeatureStore(config=config)
    customer, views = definitions(folder, dt.timedelta(days=TTL_DAYS))
    features.apply([customer, *views])
    spine = pd.read_parquet(f"{folder}/spine.parquet").rename(columns={"at": "event_timestamp"})
    wanted = [f"{view.name}:f{f}" for view in views for f in range(FEATURES)]
    job = features.get_historical_features(spine, features=wanted, full_feature_names=True)
    pq.write_table(job.to_arrow(), result, compression="zstd", compression_level=1)


if __name__ == "__main__":
    began = time.perf_counter()
    main(*sys.argv[1:])
    print(json.dumps({"inside": time.perf_counter() - began}))
