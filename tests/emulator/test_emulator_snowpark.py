"""Snowpark and the Feature Store, with nothing of ours between: what they compute is right."""

from __future__ import annotations

import datetime as dt
import io

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def rows(snow):
    frame = snow.create_dataframe([[1, "a", 1.5], [2, "b", 2.5], [3, None, 3.5]], schema=["id", "name", "x"])
    frame.write.save_as_table("rows", mode="overwrite")
    return snow.table("rows")


def test_frames_are_saved_read_and_changed(snow, rows):
    from snowflake.snowpark import functions as f

    rows.write.save_as_table("copy", mode="overwrite")
    rows.write.save_as_table("copy", mode="append")
    copy = snow.table("copy")
    assert copy.count() == 6
    assert copy.delete(f.col("id") == 3).rows_deleted == 2
    assert copy.update({"name": f.lit("z")}, f.col("id") == 2).rows_updated == 2
    source = snow.create_dataframe([[1, "A"], [9, "new"]], schema=["k", "v"])
    clauses = [
        f.when_matched().update({"name": source["v"]}),
        f.when_not_matched().insert({"id": source["k"], "name": source["v"]}),
    ]
    merged = copy.merge(source, copy["id"] == source["k"], clauses)
    assert (merged.rows_inserted, merged.rows_updated) == (1, 2)
    assert [tuple(row) for row in copy.select("id", "name").distinct().sort("id").collect()] == [
        (1, "A"),
        (2, "z"),
        (9, "new"),
    ]


def test_queries_group_join_and_look_back(rows):
    from snowflake.snowpark import Window
    from snowflake.snowpark import functions as f

    running = f.sum("x").over(Window.order_by("id").rows_between(Window.UNBOUNDED_PRECEDING, Window.CURRENT_ROW))
    assert [row[0] for row in rows.select(running.alias("r")).sort("r").collect()] == [1.5, 4.0, 7.5]
    other = rows.filter(f.col("id") > 1).select(f.col("id").alias("i2"))
    assert rows.join(other, f.col("id") == f.col("i2"), "left").filter(f.col("i2").is_null()).count() == 1
    assert rows.na.fill({"name": "?"}).filter("name = '?'").count() == 1
    frame = rows.group_by("name").agg(f.avg("x").alias("m")).sort("name").to_pandas()
    assert list(frame["M"]) == [3.5, 1.5, 2.5]
    assert len(rows.filter("id > 99").to_pandas()) == 0
    assert len(rows.collect_nowait().result()) == 3


def test_many_rows_are_bound_at_once(snow):
    moments = [dt.datetime(2020, 1, 1) + dt.timedelta(hours=hour) for hour in range(2_000)]  # noqa: DTZ001 - NTZ
    frame = snow.create_dataframe([[at, str(at), moment] for at, moment in enumerate(moments)], schema=["a", "b", "c"])
    assert tuple(frame.agg({"a": "sum", "c": "max"}).collect()[0]) == (1_999_000, moments[-1])


def test_files_go_through_streams(snow, tmp_path):
    snow.sql("CREATE STAGE files").collect()
    snow.file.put_stream(io.BytesIO(b"1,a\n2,b\n"), "@files/in/rows.csv", auto_compress=False)
    assert snow.file.get_stream("@files/in/rows.csv").read() == b"1,a\n2,b\n"
    from snowflake.snowpark.types import LongType, StringType, StructField, StructType

    schema = StructType([StructField("a", LongType()), StructField("b", StringType())])
    read = snow.read.schema(schema).csv("@files/in")
    assert [tuple(row) for row in read.sort("a").collect()] == [(1, "a"), (2, "b")]
    read.write.copy_into_location("@files/out/", file_format_type="parquet", header=True)
    assert snow.read.parquet("@files/out").count() == 2


def test_the_feature_store_joins_at_points_in_time(snow):
    from snowflake.ml.feature_store import CreationMode, Entity, FeatureStore, FeatureView
    from snowflake.snowpark import functions as f

    database = snow.get_current_database().strip('"')
    snow.sql(
        f"CREATE TABLE {database}.PUBLIC.raw (id INT, amt FLOAT, ts TIMESTAMP_NTZ) AS SELECT column1, column2, column3 "
        "FROM VALUES (1, 1.0, '2020-01-01'), (1, 2.0, '2020-01-03'), (2, 5.0, '2020-01-02')"
    ).collect()
    store = FeatureStore(
        snow, database, "FS", default_warehouse="COMPUTE_WH", creation_mode=CreationMode.CREATE_IF_NOT_EXIST
    )
    customer = store.register_entity(Entity("CUST", ["ID"]))
    raw = snow.table(f"{database}.PUBLIC.raw")
    amounts = FeatureView("AMOUNTS", [customer], raw, timestamp_col="ts", refresh_freq="1 hour")
    managed = store.register_feature_view(amounts, "V1")
    counts = FeatureView("COUNTS", [customer], raw.group_by("id").agg(f.count("amt").alias("n")))
    plain = store.register_feature_view(counts, "V1")
    assert {row["NAME"] for row in store.list_feature_views().collect()} == {"AMOUNTS", "COUNTS"}
    days = [[1, dt.datetime(2020, 1, 2)], [1, dt.datetime(2020, 1, 4)], [2, dt.datetime(2020, 1, 1)]]  # noqa: DTZ001
    spine = snow.create_dataframe(days, schema=["ID", "TS"])
    made = store.generate_training_set(spine, [managed, plain], spine_timestamp_col="TS", save_as="TRAIN")
    assert [tuple(row)[2:] for row in made.sort("ID", "TS").collect()] == [(1.0, 2), (2.0, 2), (None, 1)]
    held = store.generate_dataset("sets", spine, [managed], version="v1", spine_timestamp_col="TS", desc="it's")
    assert (held.list_versions(), held.selected_version.comment) == (["v1"], "it's")
    assert sorted(row["AMT"] or 0 for row in held.read.to_snowpark_dataframe().collect()) == [0, 1, 2]
    assert len(held.read.to_pandas()) == 3  # by addresses of its files
    assert [view.name for view in store.load_feature_views_from_dataset(held)] == ["AMOUNTS"]
    with pytest.raises(Exception, match="already exists"):
        store.generate_dataset("sets", spine, [managed], version="v1", spine_timestamp_col="TS")
    snow.sql(f"INSERT INTO {database}.PUBLIC.raw VALUES (2, 7.0, '2020-01-05')").collect()
    assert store.read_feature_view(managed).count() == 3
    store.refresh_feature_view(managed)
    assert store.read_feature_view(managed).count() == 4
    for view in (managed, plain):
        store.delete_feature_view(view)
    store.delete_entity("CUST")
    assert store.list_entities().count() == 0
