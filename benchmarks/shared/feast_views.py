"""The five views of the benchmark as Feast has them. Only for the environment in which Feast is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64
from feature_data import FEATURES, VIEWS

if TYPE_CHECKING:
    import datetime as dt


def definitions(folder: str, ttl: dt.timedelta | None) -> tuple[Entity, list[FeatureView]]:
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=name,
            entities=[customer],
            ttl=ttl,
            schema=[Field(name=f"f{f}", dtype=Float64) for f in range(FEATURES)],
            source=FileSource(
                name=name,
                path=f"{folder}/{name}.parquet",
                timestamp_field="happened",
                created_timestamp_column="known",
            ),
        )
        for name in (f"view{view}" for view in range(VIEWS))
    ]
    return customer, views
