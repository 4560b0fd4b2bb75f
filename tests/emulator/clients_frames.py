"""What users of frames, sessions, files and own functions of Snowpark do on the emulator, each tried by itself."""

# ruff: noqa: DTZ001, PD010 - the client's TIMESTAMP_NTZ, and its frames
from __future__ import annotations

import contextlib
import datetime as dt
import io
import json

NOON = dt.datetime(2020, 2, 29, 12, 30, 15)


def one(frame):
    """Return the only value of a frame."""
    ((value,),) = frame.collect()
    return value


def frames(w):
    """Yield the operations of DataFrame, Session, readers and writers."""
    import pandas as pd
    from snowflake.snowpark import Row
    from snowflake.snowpark import functions as f
    from snowflake.snowpark.types import (
        ArrayType,
        BinaryType,
        BooleanType,
        DateType,
        DecimalType,
        DoubleType,
        IntegerType,
        MapType,
        StringType,
        StructField,
        StructType,
        TimestampType,
        VariantType,
    )

    s = w.session
    t = s.create_dataframe([[1, "a", 1.5], [2, "b", 2.5], [3, None, 3.5]], schema=["n", "s", "x"])
    t.write.save_as_table("frames", mode="overwrite")
    kinds = {
        "i": IntegerType(),
        "s": StringType(),
        "d": DateType(),
        "b": BooleanType(),
        "f": DoubleType(),
        "y": BinaryType(),
        "m": TimestampType(),
        "k": DecimalType(10, 2),
        "v": VariantType(),
        "a": ArrayType(),
        "o": MapType(),
    }
    given = [1, "it's", dt.date(2020, 1, 2), True, 0.5, b"\x00x", NOON, 1.25, {"a": 1}, [1, "x"], {"k": "v"}]
    all_kinds = StructType([StructField(name, kind) for name, kind in kinds.items()])
    yield (
        "create_dataframe of all types",
        lambda: (
            [type(each).__name__ for each in s.create_dataframe([given], schema=all_kinds).collect()[0]]
            == ["int", "str", "date", "bool", "float", "bytes", "datetime", "Decimal", "str", "str", "str"]
        ),
    )
    yield (
        "create_dataframe of rows and dicts",
        lambda: (
            (s.create_dataframe([Row(a=1, b="x")]).columns, s.create_dataframe([{"a": 1}, {"a": None}]).count())
            == (["A", "B"], 2)
        ),
    )
    yield "create_dataframe of values", lambda: s.create_dataframe([1, 2, 3], schema=["a"]).count() == 3
    yield (
        "schema",
        lambda: (
            [field.name for field in s.table("frames").schema.fields] == ["N", "S", "X"]
            and isinstance(s.table("frames").schema.fields[2].datatype, DoubleType)
        ),
    )
    yield (
        "dtypes, columns, print_schema",
        lambda: dict(t.dtypes)["S"].startswith("string") and "N" in printed(t.print_schema),
    )
    yield (
        "head, first, take",
        lambda: (t.sort("n").first()[0], len(t.sort("n").first(2)), t.sort("n").take(1)[0][0]) == (1, 2, 1),
    )
    yield "row as_dict", lambda: t.filter("n = 1").collect()[0].as_dict() == {"N": 1, "S": "a", "X": 1.5}
    yield "col access by name and attribute", lambda: t.select(t["n"], t.s, t.col("x")).columns == ["N", "S", "X"]
    yield (
        "quoted columns",
        lambda: s.create_dataframe([[1]], schema=['"a b"']).select(f.col('"a b"')).columns == ['"a b"'],
    )
    yield "to_df, rename of several", lambda: t.to_df("a", "b", "c").rename({"a": "z"}).columns == ["Z", "B", "C"]
    yield (
        "alias and qualified columns",
        lambda: (
            t.alias("l")
            .join(t.alias("r"), f.col("l", "n") == f.col("r", "n"))
            .select(f.col("l", "n"), f.col("r", "s").alias("other"))
            .count()
            == 3
        ),
    )
    yield (
        "join with suffixes",
        lambda: t.join(t.select("n", "x"), "n", lsuffix="_l", rsuffix="_r").columns == ["N", "S", "X_L", "X_R"],
    )
    yield "natural_join", lambda: t.natural_join(t.select("n", f.lit(1).alias("q"))).count() == 3
    yield (
        "lateral flatten",
        lambda: (
            s.create_dataframe([[[1, 2]], [[3]]], schema=["a"]).join_table_function("flatten", f.col("a")).count() == 3
        ),
    )
    yield (
        "split_to_table",
        lambda: (
            [row["VALUE"] for row in s.table_function("split_to_table", f.lit("a b"), f.lit(" ")).collect()]
            == ["a", "b"]
        ),
    )
    yield "flatten of a frame", lambda: s.create_dataframe([[[1, 2]]], schema=["a"]).flatten("a").count() == 2
    yield "sample by fraction", lambda: 0 <= t.sample(frac=0.5).count() <= 3
    yield "sample_by", lambda: t.sample_by("s", {"a": 1.0, "b": 0.0}).count() == 1
    yield "na.drop with a threshold", lambda: (t.na.drop(how="all").count(), t.na.drop(thresh=3).count()) == (3, 2)
    yield "na.fill by a value", lambda: t.na.fill("?", subset="s").filter("s = '?'").count() == 1
    yield "na.replace", lambda: t.na.replace({1: 9}, subset=["n"]).filter("n = 9").count() == 1
    yield "approx_quantile", lambda: [round(each, 6) for each in t.stat.approx_quantile("x", [0.5])] == [2.5]
    yield "stat.cov, sample_by", lambda: round(t.stat.cov("n", "x"), 9) == 1
    yield (
        "group_by several aggregates by dict",
        lambda: t.group_by("s").agg({"n": "max", "x": "sum"}).columns == ["S", '"MAX(N)"', '"SUM(X)"'],
    )
    yield (
        "group_by pivot",
        lambda: t.group_by("n").pivot("s", ["a", "b"]).sum("x").sort("n").collect()[0][:] == (1, 1.5, None),
    )
    yield "pivot without values", lambda: t.select("s", "n").filter("s IS NOT NULL").pivot("s").sum("n").count() == 1
    yield "group_by_grouping_sets", lambda: grouping(t) == 7
    yield (
        "sort by several, nulls first",
        lambda: (
            [row[0] for row in t.sort(f.col("s").asc_nulls_first(), f.col("n").desc()).select("s").collect()]
            == [None, "a", "b"]
        ),
    )
    yield (
        "limit with an offset",
        lambda: [row[0] for row in t.sort("n").limit(1, offset=1).select("n").collect()] == [2],
    )
    yield (
        "union_all_by_name with missing columns",
        lambda: t.union_all_by_name(t.select("n"), allow_missing_columns=True).count() == 6,
    )
    yield "except and subtract", lambda: t.subtract(t.filter("n > 1")).count() == 1
    yield (
        "with_columns that replace",
        lambda: [row[0] for row in t.with_column("n", f.col("n") * 10).sort("n").select("n").collect()] == [10, 20, 30],
    )
    yield (
        "to_pandas types",
        lambda: (
            str(
                s.sql("SELECT 1::INT AS a, 1.5::FLOAT AS b, TRUE AS c, '2020-01-02'::DATE AS d").to_pandas().dtypes["B"]
            )
            == "float64"
        ),
    )
    yield "to_arrow", lambda: t.to_arrow().num_rows == 3
    yield "describe of texts", lambda: t.describe().columns == ["SUMMARY", "N", "S", "X"]
    yield "cache_result and drop", lambda: cached(t)
    yield "count with block=False", lambda: t.count(block=False).result() == 3
    yield "queries", lambda: len(t.queries["queries"]) >= 1
    yield "col_regex, exclude", lambda: t.drop(f.col("s")).columns == ["N", "X"]
    yield "transform", lambda: t.filter(f.col("n").between(1, 2)).filter(~f.col("s").is_null()).count() == 2
    yield (
        "column operators",
        lambda: (
            t.select(
                (f.col("n") + 1) * 2 - f.col("x") / 2,
                -f.col("n"),
                f.col("n") % 2,
                (f.col("n") > 1) & (f.col("x") < 3) | f.col("n").is_null(),
            ).count()
            == 3
        ),
    )
    yield "case_when, in a frame", lambda: t.filter(f.col("n").in_(t.select("n").filter("n > 1"))).count() == 2
    yield "within_group listagg", lambda: one(t.select(f.listagg("s", ",").within_group(f.col("s").desc()))) == "b,a"
    yield (
        "create_or_replace_view",
        lambda: (s.table("frames").select("n").create_or_replace_view("framed"), s.table("framed").count() == 3)[1],
    )
    yield (
        "save_as_table temporary",
        lambda: (t.write.save_as_table("temp_frames", table_type="temporary"), s.table("temp_frames").count() == 3)[1],
    )
    yield (
        "save_as_table transient, clustered",
        lambda: (
            t.write.save_as_table("tra", table_type="transient", clustering_keys=["n"], mode="overwrite", comment="c"),
            s.table("tra").count() == 3,
        )[1],
    )
    yield (
        "save_as_table by column names",
        lambda: (
            t.select("x", "s", "n").write.save_as_table("frames", mode="append", column_order="name"),
            s.table("frames").count() == 6,
        )[1],
    )
    yield "write.csv, json, parquet", lambda: written(s, t)
    yield "read options", lambda: options(s)
    yield "read.option infer_schema", lambda: inferred(s)
    yield (
        "read with metadata columns",
        lambda: (
            (
                s.read.schema(StructType([StructField("a", StringType())]))
                .with_metadata("METADATA$FILENAME")
                .csv("@fst/opt")
                .count()
            )
            == 3
        ),
    )
    yield "copy_into_table with a transformation", lambda: transformed(s)
    yield "file.list, remove", lambda: (len(s.sql("LIST @fst").collect()) >= 1, s.sql("REMOVE @fst/opt").collect())[0]
    yield (
        "session.table of a qualified name",
        lambda: s.table([s.get_current_database(), "PUBLIC", "frames"]).count() == 6,
    )
    yield (
        "session.sql with named results",
        lambda: s.sql('SELECT n AS "Mixed" FROM frames LIMIT 1').columns == ['"Mixed"'],
    )
    yield "session.call", lambda: called(s)
    yield "stored procedure with arguments and a frame", lambda: procedure(s, f, IntegerType, StringType)
    yield (
        "stored procedure that returns a table",
        lambda: table_procedure(s, StructType([StructField("n", IntegerType())])),
    )
    yield (
        "udf with default arguments and None",
        lambda: (
            one(
                t.limit(1).select(
                    f.udf(
                        lambda a, b=2: a + b,
                        return_type=IntegerType(),
                        input_types=[IntegerType(), IntegerType()],
                        session=s,
                    )(f.lit(1), f.lit(3))
                )
            )
            == 4
        ),
    )
    yield (
        "udf of variants and arrays",
        lambda: (
            json.loads(
                one(
                    t.limit(1).select(
                        f.udf(lambda v: [len(v), *v], return_type=ArrayType(), input_types=[ArrayType()], session=s)(
                            f.array_construct(f.lit(1), f.lit(2))
                        )
                    )
                )
            )
            == [2, 1, 2]
        ),
    )
    yield (
        "udf of dates",
        lambda: (
            one(
                t.limit(1).select(
                    f.udf(lambda d: d.year, return_type=IntegerType(), input_types=[DateType()], session=s)(
                        f.lit(dt.date(2020, 1, 2))
                    )
                )
            )
            == 2020
        ),
    )
    yield "udf with imports and packages", lambda: imported(s, f, IntegerType)
    yield "udtf with partitions", lambda: partitions(s, f, t)
    yield "udaf", lambda: aggregated(s, f, t, IntegerType)
    yield (
        "pandas_udtf, apply_in_pandas",
        lambda: (
            sorted(
                row[0]
                for row in t.group_by("n")
                .apply_in_pandas(
                    lambda df: pd.DataFrame({"a": df.iloc[:, 2] * 2}),
                    output_schema=StructType([StructField("a", DoubleType())]),
                )
                .collect()
            )
            == [3, 5, 7]
        ),
    )
    yield "map, map_in_pandas", lambda: sorted(row[0] for row in mapped(t, IntegerType)) == [2, 4, 6]
    yield "query_history, last query id", lambda: history(s)
    yield "async job", lambda: s.create_async_job(t.collect_nowait().query_id).result()[0] is not None
    yield "session parameters, timezone", lambda: (s.sql("ALTER SESSION SET TIMEZONE = 'UTC'").collect(), True)[1]
    yield "get_fully_qualified_current_schema", lambda: s.get_fully_qualified_current_schema().endswith('."PUBLIC"')
    yield "catalog", lambda: "FRAMES" in {each.name for each in s.catalog.list_tables()}
    yield (
        "lineage-free: to_snowpark of pandas",
        lambda: (
            s.write_pandas(
                pd.DataFrame({"a": [1, 2], "when": pd.to_datetime(["2020-01-01", "2020-01-02"])}),
                "PD",
                auto_create_table=True,
                overwrite=True,
            ).count()
            == 2
        ),
    )
    yield (
        "write_pandas appends and quotes",
        lambda: (
            s.write_pandas(pd.DataFrame({"a b": [1]}), "PQ", auto_create_table=True, quote_identifiers=True).columns
            == ['"a b"']
        ),
    )
    yield "merge with conditions", lambda: merged(s, f)
    yield "table.update from a frame", lambda: updated(s, f)
    yield (
        "table.truncate, is_temp",
        lambda: (
            s.table("pd").truncate() if hasattr(s.table("pd"), "truncate") else s.sql("TRUNCATE TABLE pd").collect(),
            s.table("pd").count() == 0,
        )[1],
    )
    yield (
        "dataframe to a dynamic table and back",
        lambda: (
            s.table("frames")
            .group_by("s")
            .agg(f.sum("n").alias("k"))
            .create_or_replace_dynamic_table("dyf", warehouse="COMPUTE_WH", lag="1 minute"),
            s.table("dyf").count() == 3,
        )[1],
    )
    yield "time travel of a table", lambda: s.table("frames", time_travel_mode="at", offset=0).count() == 6


def printed(what):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        what()
    return said.getvalue()


def grouping(t):
    from snowflake.snowpark import GroupingSets

    return t.group_by_grouping_sets(GroupingSets([t["n"]], [t["s"]], [])).count().count()


def cached(t):
    kept = t.cache_result()
    with kept:
        return kept.count() == 3


def written(s, t):
    s.sql("CREATE STAGE IF NOT EXISTS fst").collect()
    t.write.csv("@fst/csv/", overwrite=True, header=True, single=True)
    t.select(f_object()).write.json("@fst/json/", overwrite=True)
    t.write.parquet("@fst/parquet/", overwrite=True, header=True)
    return (s.read.parquet("@fst/parquet/").count(), s.read.json("@fst/json/").count()) == (3, 3)


def f_object():
    from snowflake.snowpark import functions as f

    return f.object_construct(f.lit("a"), f.col("n"))


def options(s):
    from snowflake.snowpark.types import IntegerType, StringType, StructField, StructType

    s.file.put_stream(io.BytesIO(b"a|b\n1|'x|y'\n2|\n"), "@fst/opt/a.csv", auto_compress=False)
    schema = StructType([StructField("a", IntegerType()), StructField("b", StringType())])
    given = {"field_delimiter": "|", "skip_header": 1, "field_optionally_enclosed_by": "'"}
    found = s.read.options(given).schema(schema).csv("@fst/opt").sort("a").collect()
    return [row[:] for row in found] == [(1, "x|y"), (2, None)]


def inferred(s):
    given = {"field_delimiter": "|", "parse_header": True, "infer_schema": True, "field_optionally_enclosed_by": "'"}
    return [each.strip('"').upper() for each in s.read.options(given).csv("@fst/opt").columns] == ["A", "B"]


def transformed(s):
    from snowflake.snowpark import functions as f
    from snowflake.snowpark.types import IntegerType, StringType, StructField, StructType

    s.sql("CREATE OR REPLACE TABLE into_it (n INT)").collect()
    schema = StructType([StructField("a", IntegerType()), StructField("b", StringType())])
    frame = s.read.options({"field_delimiter": "|", "skip_header": 1}).schema(schema).csv("@fst/opt")
    frame.copy_into_table("into_it", transformations=[f.col("$1").cast("int") * 2])
    return sorted(row[0] for row in s.table("into_it").collect()) == [2, 4]


def called(s):
    s.sql(
        "CREATE OR REPLACE PROCEDURE twice(n INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        "PACKAGES = ('snowflake-snowpark-python') HANDLER = 'go' AS 'def go(s, n): return n * 2'"
    ).collect()
    return s.call("twice", 21) == 42


def procedure(s, f, number, text):
    def count(session, name, least):
        return session.table(name).filter(f.col("n") >= least).count()

    made = f.sproc(
        count, session=s, return_type=number(), input_types=[text(), number()], packages=["snowflake-snowpark-python"]
    )
    return made("frames", 2, session=s) >= 2


def table_procedure(s, schema):
    def rows(session):
        return session.sql("SELECT 7 AS n")

    made = s.sproc.register(rows, return_type=schema, input_types=[], packages=["snowflake-snowpark-python"])
    return made(session=s).collect()[0][0] == 7


def imported(s, f, number):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "helped.py").write_text("def more(n):\n    return n + 100\n")
        s.add_import(f"{folder}/helped.py")
        try:

            def add(n):
                import helped

                return helped.more(n)

            made = f.udf(add, return_type=number(), input_types=[number()], session=s, packages=["numpy"])
            return one(s.range(1).select(made(f.lit(1)))) == 101
        finally:
            s.clear_imports()


def partitions(s, f, t):
    from snowflake.snowpark.types import IntegerType, StructField, StructType

    class Total:
        def __init__(self):
            self.total = 0

        def process(self, n):
            self.total += n

        def end_partition(self):
            yield (self.total,)

    made = f.udtf(
        Total, output_schema=StructType([StructField("a", IntegerType())]), input_types=[IntegerType()], session=s
    )
    found = t.select("s", "n").union_all(t.select("s", "n")).join_table_function(made("n").over(partition_by="s"))
    return sorted(row[-1] for row in found.collect()) == [2, 4, 6]


def aggregated(s, f, t, number):
    class Total:
        def __init__(self):
            self.total = 0

        @property
        def aggregate_state(self):
            return self.total

        def accumulate(self, n):
            self.total += n

        def merge(self, other):
            self.total += other

        def finish(self):
            return self.total

    total = f.udaf(Total, return_type=number(), input_types=[number()], session=s)
    twice = t.select("s", "n").union_all(t.select("s", "n")).group_by("s").agg(total("n"))
    return one(t.select(total("n"))) == 6 and sorted(row[-1] for row in twice.collect()) == [2, 4, 6]


def mapped(t, number):
    from snowflake.snowpark.dataframe import map as over

    return over(t.select("n"), lambda row: row[0] * 2, output_types=[number()]).collect()


def history(s):
    with s.query_history() as kept:
        s.sql("SELECT 1").collect()
    return len(kept.queries) == 1 and kept.queries[0].query_id.count("-") == 4


def merged(s, f):
    s.create_dataframe([[1, "a"], [2, "b"]], schema=["k", "v"]).write.save_as_table("merging", mode="overwrite")
    source = s.create_dataframe([[1, "x"], [2, "drop"], [3, "new"]], schema=["k", "v"])
    target = s.table("merging")
    clauses = [
        f.when_matched(source["v"] == "drop").delete(),
        f.when_matched().update({"v": source["v"]}),
        f.when_not_matched(source["k"] > 2).insert({"k": source["k"], "v": source["v"]}),
    ]
    done = target.merge(source, target["k"] == source["k"], clauses)
    return (done.rows_inserted, done.rows_updated, done.rows_deleted) == (1, 1, 1)


def updated(s, f):
    source = s.create_dataframe([[3, "z"]], schema=["k", "w"])
    target = s.table("merging")
    return target.update({"v": source["w"]}, target["k"] == source["k"], source).rows_updated == 1
