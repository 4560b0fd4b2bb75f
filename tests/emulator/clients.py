"""What Snowflake's own clients can do on the emulator, each operation tried by itself and what it gives looked at.

Called as a program it writes the counts into docs/emulator.md, and says which operations fail and why.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
from clients_frames import frames
from clients_functions import functions
from clients_ml import quickstarts, submitted

DOCUMENT = Path(__file__).parents[2] / "docs" / "emulator.md"
HEAD = "| client | operations that pass | those that do not |\n|---|---|---|\n"
DAY = dt.datetime(2020, 1, 2)  # noqa: DTZ001 - the client's TIMESTAMP_NTZ
PACKAGES = ["snowflake-snowpark-python"]


def values(frame):
    """Return the first column of a frame, in order."""
    return sorted((row[0] for row in frame.collect()), key=str)


def snowpark(w):
    """Yield (what is tried, what has to be true) of Snowpark."""
    from snowflake.snowpark import Window
    from snowflake.snowpark import functions as f
    from snowflake.snowpark.types import IntegerType, LongType, PandasSeriesType, StringType, StructField, StructType

    s = w.session
    w.t = s.create_dataframe([[1, "a", 1.5, DAY], [2, "b", 2.5, DAY], [3, None, 3.5, DAY]], schema=["n", "s", "x", "d"])
    by = Window.order_by("n")
    schema = StructType([StructField("a", LongType()), StructField("b", StringType())])
    yield "create_dataframe", lambda: w.t.count() == 3
    yield "create_dataframe of pandas", lambda: s.create_dataframe(w.t.to_pandas()).count() == 3
    yield "write_pandas", lambda: s.write_pandas(w.t.to_pandas(), "WP", auto_create_table=True).count() == 3
    yield "save_as_table", lambda: (w.t.write.save_as_table("t", mode="overwrite"), s.table("t").count() == 3)[1]
    yield "save_as_table append", lambda: (w.t.write.save_as_table("t", mode="append"), s.table("t").count() == 6)[1]
    yield "save_as_table errorifexists", lambda: refused(lambda: w.t.write.save_as_table("t", mode="errorifexists"))
    yield "save_as_table ignore", lambda: (w.t.write.save_as_table("t", mode="ignore"), s.table("t").count() == 6)[1]
    yield (
        "save_as_table truncate",
        lambda: (w.t.write.save_as_table("t", mode="truncate"), s.table("t").count() == 3)[1],
    )
    yield "insert_into", lambda: (s.table("t").limit(1).write.insert_into("t"), s.table("t").count() == 4)[1]
    yield "table.update", lambda: s.table("t").update({"s": f.lit("z")}, f.col("n") == 2).rows_updated == 1
    yield "table.delete", lambda: s.table("t").delete(f.col("n") == 3).rows_deleted >= 1
    yield "table.merge", lambda: merged(s, f)
    yield "table.sample", lambda: s.table("t").sample(n=1).count() == 1
    yield "table.drop_table", lambda: (s.table("t").drop_table(), refused(lambda: s.table("t").count()))[1]
    yield "cache_result", lambda: w.t.cache_result().count() == 3
    yield "sql with binds", lambda: s.sql("SELECT ? + 1 AS a", params=[41]).collect()[0][0] == 42
    yield "range", lambda: values(s.range(3)) == [0, 1, 2]
    yield "generator", lambda: s.generator(f.seq4(), rowcount=5).count() == 5
    yield "select", lambda: values(w.t.select(f.col("n") + 1)) == [2, 3, 4]
    yield "select_expr", lambda: values(w.t.select_expr("n * 2")) == [2, 4, 6]
    yield "filter", lambda: w.t.filter("n > 1").count() == 2
    yield "with_column", lambda: w.t.with_column("y", f.col("n") * 2).columns[-1] == "Y"
    yield "with_columns", lambda: len(w.t.with_columns(["y", "z"], [f.lit(1), f.lit(2)]).columns) == 6
    yield "rename", lambda: "M" in w.t.with_column_renamed("n", "m").columns
    yield "drop", lambda: w.t.drop("s", "x").columns == ["N", "D"]
    yield "distinct", lambda: w.t.select("d").distinct().count() == 1
    yield "drop_duplicates", lambda: w.t.drop_duplicates("d").count() == 1
    yield "sort and limit", lambda: w.t.sort(f.col("n").desc()).limit(1).collect()[0][0] == 3
    yield "union and union_all", lambda: (w.t.union(w.t).count(), w.t.union_all(w.t).count()) == (3, 6)
    yield "union_by_name", lambda: w.t.union_by_name(w.t).count() == 3
    yield "intersect and except", lambda: (w.t.intersect(w.t).count(), w.t.except_(w.t).count()) == (3, 0)
    yield "join", lambda: w.t.join(w.t.select(f.col("n").alias("m")), f.col("n") == f.col("m")).count() == 3
    yield "join left", lambda: w.t.join(w.t.filter("n > 1").select("n", "x"), "n", "left").count() == 3
    yield "join outer", lambda: w.t.join(w.t.filter("n > 1").select("n"), "n", "outer").count() == 3
    yield (
        "join semi and anti",
        lambda: [w.t.join(w.t.filter("n > 1").select("n"), "n", how).count() for how in ("semi", "anti")] == [2, 1],
    )
    yield "cross_join", lambda: w.t.select("n").cross_join(w.t.select(f.col("x").alias("y"))).count() == 9
    yield "asof join", lambda: asof(w, f)
    yield "group_by", lambda: w.t.group_by("s").agg(f.sum("n"), f.avg("x")).count() == 3
    yield "group_by count, min, max", lambda: w.t.agg(f.count("n"), f.min("n"), f.max("n")).collect()[0][:] == (3, 1, 3)
    yield "median, stddev", lambda: w.t.agg(f.median("n"), f.stddev("n")).collect()[0][0] == 2
    yield "approx_percentile", lambda: w.t.agg(f.approx_percentile("x", 0.5)).collect()[0][0] == 2.5
    yield "count_distinct", lambda: w.t.agg(f.count_distinct("d")).collect()[0][0] == 1
    yield "array_agg, listagg", lambda: w.t.agg(f.array_agg("n"), f.listagg("s", ",")).count() == 1
    yield "pivot", lambda: w.t.select("s", "n").pivot("s", ["a", "b"]).sum("n").collect()[0][:] == (1, 2)  # noqa: PD010
    yield "unpivot", lambda: w.t.select("n", "x").unpivot("v", "k", ["x"]).count() == 3
    yield (
        "window sum",
        lambda: (
            values(w.t.select(f.sum("n").over(by.rows_between(Window.UNBOUNDED_PRECEDING, 0))))
            == [
                1,
                3,
                6,
            ]
        ),
    )
    yield "window row_number", lambda: values(w.t.select(f.row_number().over(by))) == [1, 2, 3]
    yield "window lag", lambda: values(w.t.select(f.lag("n").over(by))) == [1, 2, None]
    yield "window rank, ntile", lambda: values(w.t.select(f.rank().over(by) + f.ntile(f.lit(1)).over(by))) == [2, 3, 4]
    yield "qualify", lambda: s.sql("SELECT 1 AS a QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1").count() == 1
    yield (
        "fillna and dropna",
        lambda: (w.t.fillna({"s": "?"}).filter("s = '?'").count(), w.t.dropna().count()) == (1, 2),
    )
    yield "replace", lambda: values(w.t.replace("a", "z", subset=["s"]).select("s"))[-1] == "z"
    yield (
        "when",
        lambda: values(w.t.select(f.when(f.col("n") > 1, f.lit("b")).otherwise(f.lit("a")))) == ["a", "b", "b"],
    )
    yield "cast", lambda: values(w.t.select(f.col("n").cast("string"))) == ["1", "2", "3"]
    yield "text functions", lambda: values(w.t.select(f.upper(f.concat("s", f.lit("x"))))) == ["AX", "BX", None]
    yield "regexp", lambda: w.t.filter(f.col("s").rlike("[ab]")).count() == 2
    yield "split", lambda: '"b"' in str(s.sql("SELECT 'a,b' AS v").select(f.split("v", f.lit(","))).collect()[0][0])
    yield (
        "dateadd of a date",
        lambda: values(w.t.select(f.dateadd("day", f.lit(1), f.to_date("d"))))[0] == dt.date(2020, 1, 3),
    )
    yield "datediff, date_trunc", lambda: values(w.t.select(f.datediff("day", f.date_trunc("month", "d"), "d")))[0] == 1
    yield "to_char of a date", lambda: values(w.t.select(f.to_char("d", "YYYY-MM")))[0] == "2020-01"
    yield (
        "parse_json",
        lambda: str(s.sql("SELECT PARSE_JSON('{\"a\": 1}') AS v").select(f.col("v")["a"]).collect()[0][0]) == "1",
    )
    yield "flatten", lambda: s.sql("SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[1, 2]')))").count() == 2
    yield "object_construct", lambda: w.t.select(f.object_construct(f.lit("n"), "n")).count() == 3
    yield "describe", lambda: w.t.describe("n").count() == 5
    yield (
        "stat.corr, crosstab",
        lambda: abs(w.t.stat.corr("n", "x") - 1) < 1e-9 and w.t.stat.crosstab("n", "s").count() == 3,
    )
    yield "random_split", lambda: sum(part.count() for part in w.t.random_split([0.5, 0.5], seed=1)) == 3
    yield "to_pandas", lambda: list(w.t.to_pandas().columns) == ["N", "S", "X", "D"]
    yield "to_pandas_batches", lambda: sum(map(len, w.t.to_pandas_batches())) == 3
    yield "to_local_iterator", lambda: len(list(w.t.to_local_iterator())) == 3
    yield "collect_nowait", lambda: len(w.t.collect_nowait().result()) == 3
    yield "show", lambda: '"N"' in printed(w.t.show)
    yield "explain", lambda: "explained" not in printed(w.t.explain)
    yield (
        "create_or_replace_view",
        lambda: (
            w.t.select("n").create_or_replace_view("v"),
            s.table("v").count() == 3,
        )[1],
    )
    yield (
        "create_or_replace_temp_view",
        lambda: (
            w.t.select("n").create_or_replace_temp_view("tv"),
            s.table("tv").count() == 3,
        )[1],
    )
    yield "create_or_replace_dynamic_table", lambda: dynamic(w)
    yield "stage", lambda: s.sql("CREATE STAGE st").collect()[0][0].endswith("successfully created.")
    yield "file.put and get", lambda: put_and_get(s)
    yield (
        "file.put_stream and get_stream",
        lambda: (
            s.file.put_stream(io.BytesIO(b"1,a\n"), "@st/in/a.csv", auto_compress=False),
            s.file.get_stream("@st/in/a.csv").read() == b"1,a\n",
        )[1],
    )
    yield "read.csv", lambda: s.read.schema(schema).csv("@st/in").collect()[0][:] == (1, "a")
    yield "copy_into_location", lambda: w.t.write.copy_into_location("@st/o/", file_format_type="parquet", header=True)
    yield "read.parquet", lambda: s.read.parquet("@st/o").count() == 3
    yield (
        "copy_into_table",
        lambda: (
            s.read.schema(schema).csv("@st/in").copy_into_table("copied"),
            s.table("copied").count() == 1,
        )[1],
    )
    yield (
        "read.json",
        lambda: (
            s.file.put_stream(io.BytesIO(b'{"a": 7}'), "@st/j/a.json", auto_compress=False),
            str(s.read.json("@st/j").collect()[0][0]).count("7") == 1,
        )[1],
    )
    yield (
        "udf",
        lambda: (
            values(
                w.t.select(
                    f.udf(lambda n: n + 1, return_type=IntegerType(), input_types=[IntegerType()], session=s)("n")
                )
            )
            == [2, 3, 4]
        ),
    )
    yield "udf, permanent", lambda: permanent(s, f, w)
    yield "pandas_udf", lambda: vectorised(s, f, w, PandasSeriesType, LongType)
    yield "udtf", lambda: udtf(s, f)
    yield "sproc", lambda: sproc(s, StringType)
    yield "sproc, temporary, with a frame", lambda: sproc(s, StringType, temporary=True)
    yield "transaction", lambda: transaction(s)
    yield "query tag", lambda: (setattr(s, "query_tag", "x"), s.query_tag == "x")[1]
    yield (
        "use role, warehouse, schema",
        lambda: (
            s.use_role("ACCOUNTADMIN"),
            s.use_warehouse("COMPUTE_WH"),
            s.use_schema("PUBLIC"),
            s.get_current_role() == '"ACCOUNTADMIN"',
        )[-1],
    )
    yield (
        "sequence",
        lambda: (s.sql("CREATE SEQUENCE q").collect(), s.sql("SELECT q.NEXTVAL AS a").collect()[0][0] == 1)[1],
    )
    yield "clone of a table", lambda: (s.sql("CREATE TABLE c CLONE copied").collect(), s.table("c").count() == 1)[1]


def refused(what):
    """Whether something raises an error of Snowpark's."""
    from snowflake.snowpark.exceptions import SnowparkClientException

    try:
        what()
    except SnowparkClientException:
        return True
    return False


def printed(what):
    """Return what something prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        what()
    return said.getvalue()


def merged(s, f):
    source, target = s.create_dataframe([[1, "A"], [9, "new"]], schema=["k", "v"]), s.table("t")
    clauses = [
        f.when_matched().update({"s": source["v"]}),
        f.when_not_matched().insert({"n": source["k"], "s": source["v"]}),
    ]
    return target.merge(source, target["n"] == source["k"], clauses).rows_inserted == 1


def asof(w, f):
    right = w.t.select(f.col("n").alias("m"), f.col("x").alias("y"))
    found = w.t.join(right, how="asof", match_condition=f.col("x") >= f.col("y"))
    return found.count() == 3


def dynamic(w):
    w.t.write.save_as_table("base", mode="overwrite")
    frame = w.session.table("base").select("n")
    frame.create_or_replace_dynamic_table("dyn", warehouse="COMPUTE_WH", lag="1 hour")
    return w.session.table("dyn").count() == 3


def put_and_get(s):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.txt").write_text("it")
        s.file.put(f"{folder}/a.txt", "@st/f", auto_compress=False)
        s.file.get("@st/f/a.txt", f"{folder}/got")
        return (Path(folder) / "got" / "a.txt").read_text() == "it"


def permanent(s, f, w):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joined.py"
        path.write_text("def joined(n: int, s: str) -> str:\n    return f'{n}{s}'\n")
        s.udf.register_from_file(
            str(path), "joined", name="joined", is_permanent=True, stage_location="@st", replace=True
        )
    return values(w.t.select(f.call_udf("joined", f.col("n"), f.col("s")))) == ["1a", "2b", "3None"]


def vectorised(s, f, w, series, kind):
    types = {"return_type": series(kind()), "input_types": [series(kind())]}
    half = f.pandas_udf(lambda n: n * 2, **types, packages=["pandas"], session=s)
    return values(w.t.select(half("n"))) == [2, 4, 6]


def udtf(s, f):
    from snowflake.snowpark.types import IntegerType, StructField, StructType

    class Twice:
        def process(self, n):
            yield (n,)
            yield (n,)

    schema = StructType([StructField("a", IntegerType())])
    twice = f.udtf(Twice, output_schema=schema, input_types=[IntegerType()], session=s)
    return s.table_function(twice(f.lit(3))).count() == 2


def sproc(s, kind, *, temporary=False):
    from snowflake.snowpark import functions as f

    def here(session):
        return session.sql("SELECT 'it' AS a").collect()[0][0]

    where = {} if temporary else {"is_permanent": True, "stage_location": "@st", "name": "here", "replace": True}
    made = f.sproc(here, session=s, return_type=kind(), input_types=[], packages=PACKAGES, **where)
    return made(session=s) == "it"


def transaction(s):
    s.sql("CREATE OR REPLACE TABLE tx (a INT)").collect()
    s.sql("BEGIN").collect()
    s.sql("INSERT INTO tx VALUES (1)").collect()
    s.sql("ROLLBACK").collect()
    return s.table("tx").count() == 0


def features(w):
    """Yield the operations of the Feature Store."""
    from snowflake.ml.dataset import Dataset
    from snowflake.ml.feature_store import CreationMode, Entity, FeatureStore, FeatureView
    from snowflake.snowpark import functions as f

    s, home = w.session, w.session.get_current_database().strip('"')
    s.sql(
        "CREATE TABLE raw (id INT, amt FLOAT, ts TIMESTAMP_NTZ) AS SELECT 1, 1.0, '2020-01-01'::TIMESTAMP_NTZ"
    ).collect()
    s.sql("INSERT INTO raw VALUES (1, 2.0, '2020-01-03'), (2, 5.0, '2020-01-02')").collect()
    raw = s.table(f"{home}.PUBLIC.raw")
    spine = s.create_dataframe([[1, DAY], [1, DAY + dt.timedelta(2)]], schema=["ID", "TS"])
    known = {"spine_timestamp_col": "TS"}

    def store(mode):
        return FeatureStore(s, home, "FS", default_warehouse="COMPUTE_WH", creation_mode=mode)

    def keep(name, made):
        setattr(w, name, made)
        return made

    yield "create", lambda: keep("fs", store(CreationMode.CREATE_IF_NOT_EXIST)) is not None
    yield "connect", lambda: store(CreationMode.FAIL_IF_NOT_EXIST) is not None
    yield "register_entity", lambda: keep("entity", w.fs.register_entity(Entity("CUST", ["ID"], desc="d"))) is not None
    yield "list_entities", lambda: w.fs.list_entities().count() == 1
    yield "get_entity", lambda: [str(each).strip('"') for each in w.fs.get_entity("CUST").join_keys] == ["ID"]
    yield "update_entity", lambda: w.fs.update_entity("CUST", desc="other").desc == "other"
    yield (
        "register managed view",
        lambda: (
            keep(
                "managed",
                w.fs.register_feature_view(
                    FeatureView("AMOUNTS", [w.entity], raw, timestamp_col="ts", refresh_freq="1 hour"), "V1"
                ),
            ).version
            == "V1"
        ),
    )
    counts = raw.group_by("id").agg(f.count("amt").alias("n"))
    yield (
        "register view",
        lambda: (
            keep("plain", w.fs.register_feature_view(FeatureView("COUNTS", [w.entity], counts), "V1")).version == "V1"
        ),
    )
    yield "list_feature_views", lambda: w.fs.list_feature_views().count() == 2
    yield "get_feature_view", lambda: str(w.fs.get_feature_view("AMOUNTS", "V1").name) == "AMOUNTS"
    yield "read_feature_view", lambda: w.fs.read_feature_view(w.managed).count() == 3
    yield "refresh_feature_view", lambda: (w.fs.refresh_feature_view(w.managed), True)[1]
    yield "get_refresh_history", lambda: w.fs.get_refresh_history(w.managed).count() >= 1
    yield (
        "suspend and resume",
        lambda: (
            str(w.fs.suspend_feature_view(w.managed).status)[-9:] == "SUSPENDED"
            and w.fs.resume_feature_view(w.fs.get_feature_view("AMOUNTS", "V1")) is not None
        ),
    )
    yield "update_feature_view", lambda: w.fs.update_feature_view("AMOUNTS", "V1", desc="new").desc == "new"
    yield (
        "retrieve_feature_values",
        lambda: w.fs.retrieve_feature_values(spine, [w.managed, w.plain], **known).count() == 2,
    )
    yield (
        "generate_training_set",
        lambda: (
            [row["AMT"] for row in w.fs.generate_training_set(spine, [w.managed], **known).sort("TS").collect()]
            == [1, 2]
        ),
    )
    yield (
        "generate_dataset",
        lambda: (
            keep("set", w.fs.generate_dataset("sets", spine, [w.managed], version="v1", **known)).list_versions()
            == ["v1"]
        ),
    )
    yield (
        "read a dataset as frames of both kinds",
        lambda: w.set.read.to_snowpark_dataframe().count() == len(w.set.read.to_pandas()) == 2,
    )
    yield (
        "load and select a dataset",
        lambda: Dataset.load(s, f"{home}.FS.sets").select_version("v1").selected_version.name == "v1",
    )
    yield "load_feature_views_from_dataset", lambda: len(w.fs.load_feature_views_from_dataset(w.set)) == 1
    yield "delete a dataset's version", lambda: (w.set.delete_version("v1"), w.set.list_versions() == [])[1]
    yield (
        "delete_feature_view",
        lambda: (
            [w.fs.delete_feature_view(each) for each in (w.managed, w.plain)],
            w.fs.list_feature_views().count() == 0,
        )[1],
    )
    yield "delete_entity", lambda: (w.fs.delete_entity("CUST"), w.fs.list_entities().count() == 0)[1]


def registry(w):
    """Yield the operations of the Model Registry."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from snowflake.ml.registry import Registry

    rows = pd.DataFrame({"A": np.arange(20.0), "B": np.arange(20.0) % 3})
    model = LogisticRegression().fit(rows, (rows["A"] > 10).astype(int))
    made = Registry(w.session, database_name=w.session.get_current_database().strip('"'), schema_name="PUBLIC")
    how = {"target_platforms": ["SNOWPARK_CONTAINER_SERVICES"], "pip_requirements": ["scikit-learn"]}

    warehouse = {"model_name": "R", "version_name": "V1", "sample_input_data": rows, "target_platforms": ["WAREHOUSE"]}
    warehouse["conda_dependencies"] = ["scikit-learn"]

    def log(version, **more):
        return made.log_model(model, model_name="M", version_name=version, sample_input_data=rows, **how, **more)

    def twice():
        try:
            log("V1")
        except ValueError:
            return True
        return False

    yield "log_model", lambda: log("V1", metrics={"auc": 0.9}, comment="c").version_name == "V1"
    yield "log a second version", lambda: log("V2").version_name == "V2"
    yield "a version twice is refused", twice
    yield "models, show_models", lambda: (len(made.models()), len(made.show_models())) == (1, 1)
    yield "get_model", lambda: made.get_model("M").name == "M"
    yield "versions, show_versions", lambda: sorted(made.get_model("M").show_versions()["name"]) == ["V1", "V2"]
    yield (
        "default, and another one",
        lambda: (
            setattr(made.get_model("M"), "default", "V2"),
            made.get_model("M").default.version_name == "V2",
        )[1],
    )
    yield "comment", lambda: (setattr(made.get_model("M"), "comment", "it's"), made.get_model("M").comment == "it's")[1]
    yield "version's comment", lambda: made.get_model("M").version("V1").comment == "c"
    yield "metrics", lambda: made.get_model("M").version("V1").show_metrics() == {"auc": 0.9}
    yield (
        "set and delete a metric",
        lambda: (
            made.get_model("M").version("V1").set_metric("f1", 0.5),
            made.get_model("M").version("V1").delete_metric("auc"),
            made.get_model("M").version("V1").show_metrics() == {"f1": 0.5},
        )[-1],
    )
    yield (
        "set_alias",
        lambda: (
            made.get_model("M").version("V1").set_alias("champion"),
            made.get_model("M").version("champion").version_name == "V1",
        )[1],
    )
    yield "unset_alias", lambda: (made.get_model("M").version("V1").unset_alias("champion"), True)[1]
    yield (
        "first and last",
        lambda: [made.get_model("M").first().version_name, made.get_model("M").last().version_name] == ["V1", "V2"],
    )
    yield (
        "show_functions",
        lambda: "PREDICT" in {each["name"] for each in made.get_model("M").version("V1").show_functions()},
    )
    yield (
        "load",
        lambda: list(made.get_model("M").version("V1").load(force=True).predict(rows)) == list(model.predict(rows)),
    )
    yield "export", lambda: exported(made)
    yield (
        "tags",
        lambda: (
            w.session.sql("CREATE TAG team").collect(),
            made.get_model("M").set_tag("team", "red"),
            list(made.get_model("M").show_tags().values()) == ["red"],
        )[-1],
    )
    yield "log_model for a warehouse", lambda: keep(w, made.log_model(model, **warehouse)).version_name == "V1"
    yield (
        "run in SQL",
        lambda: list(w.runs.run(rows, function_name="predict")["output_feature_0"]) == list(model.predict(rows)),
    )
    yield (
        "run in SQL on a frame",
        lambda: w.runs.run(w.session.create_dataframe(rows), function_name="predict_proba").count() == 20,
    )
    yield (
        "MODEL(name, version)!predict",
        lambda: in_sql(w, "SELECT MODEL(R, V1)!predict(1, 2):output_feature_0::INT") == 0,
    )
    yield (
        "WITH m AS MODEL",
        lambda: in_sql(w, "WITH m AS MODEL R VERSION LAST SELECT m!predict(19, 0):output_feature_0::INT") == 1,
    )
    yield (
        "run of one that is logged for containers is refused",
        lambda: said(
            ValueError,
            lambda: made.get_model("M").version("V1").run(rows, function_name="predict"),
            "not logged for inference in Warehouse",
        ),
    )
    yield "run on a service", lambda: len(w.runs.run(rows, function_name="predict", service_name="SERVED")) == 20
    yield (
        "create_service",
        lambda: w.runs.create_service(service_name="SERVED", service_compute_pool="COMPUTE_WH") is not None,
    )
    yield "list_services", lambda: len(w.runs.list_services()) == 0
    yield "delete the model that ran", lambda: (made.delete_model("R"), len(made.models()) == 1)[1]
    yield "rename", lambda: (made.get_model("M").rename("N"), made.get_model("N").name == "N")[1]
    yield (
        "delete_version",
        lambda: (
            made.get_model("N").delete_version("V1"),
            list(made.get_model("N").show_versions()["name"]) == ["V2"],
        )[1],
    )
    yield "delete_model", lambda: (made.delete_model("N"), len(made.show_models()) == 0)[1]


def monitors(w):
    """Yield the operations of model monitors."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from snowflake.ml.model.task import Task
    from snowflake.ml.monitoring.entities.model_monitor_config import ModelMonitorConfig, ModelMonitorSourceConfig
    from snowflake.ml.registry import Registry

    made = Registry(w.session, database_name=w.session.get_current_database().strip('"'), schema_name="PUBLIC")
    rows = pd.DataFrame({"A": [0.0, 1.0, 2.0, 3.0]})
    version = made.log_model(
        LogisticRegression().fit(rows, [0, 0, 1, 1]),
        model_name="M",
        version_name="V1",
        sample_input_data=rows,
        task=Task.TABULAR_BINARY_CLASSIFICATION,
        target_platforms=["SNOWPARK_CONTAINER_SERVICES"],
        pip_requirements=["scikit-learn"],
    )
    w.session.sql(
        "CREATE TABLE said AS SELECT seq4() AS id, DATEADD('day', -1, SYSDATE())::TIMESTAMP_NTZ AS at, "
        "seq4() / 20::FLOAT AS score, IFF(seq4() > 10, 1, 0) AS label, 'north' AS region, 'x' AS plan "
        "FROM TABLE(GENERATOR(ROWCOUNT => 20))"
    ).collect()

    def add(name):
        source = ModelMonitorSourceConfig(
            source="SAID",
            baseline="SAID",
            timestamp_column="AT",
            id_columns=["ID"],
            prediction_score_columns=["SCORE"],
            actual_class_columns=["LABEL"],
            segment_columns=["REGION"],
        )
        return made.add_monitor(name, source, ModelMonitorConfig(version, "predict", "COMPUTE_WH"))

    def metric(function, *given):
        arguments = ", ".join(f"'{each}'" for each in given)
        return w.session.sql(f"SELECT metric_value FROM TABLE(MODEL_MONITOR_{function}_METRIC({arguments}))").collect()[
            0
        ][0]

    state = "SHOW MODEL MONITORS LIKE 'WATCH'"
    yield "add_monitor", lambda: add("WATCH").name == "WATCH"
    yield "one monitor a version", lambda: refused(lambda: add("TWICE"))
    yield "get_monitor by name", lambda: made.get_monitor(name="WATCH").name == "WATCH"
    yield "get_monitor by version", lambda: made.get_monitor(model_version=version).name == "WATCH"
    yield "show_model_monitors", lambda: [row["name"] for row in made.show_model_monitors()] == ["WATCH"]
    yield "drift of a monitor", lambda: metric("DRIFT", "WATCH", "WASSERSTEIN", "SCORE") == 0
    yield "performance of a monitor", lambda: metric("PERFORMANCE", "WATCH", "ROC_AUC") == 1
    yield "counts of a monitor", lambda: metric("STAT", "WATCH", "COUNT", "SCORE") == 20
    yield (
        "suspend and resume a monitor",
        lambda: (
            made.get_monitor(name="WATCH").suspend(),
            w.session.sql(state).collect()[0]["monitor_state"] == "SUSPENDED",
            made.get_monitor(name="WATCH").resume(),
        )[1],
    )
    yield (
        "add and drop a segment",
        lambda: (
            made.get_monitor(name="WATCH").add_segment_column("PLAN"),
            made.get_monitor(name="WATCH").drop_segment_column("PLAN"),
            True,
        )[-1],
    )
    yield "delete_monitor", lambda: (made.delete_monitor("WATCH"), made.show_model_monitors() == [])[1]


def keep(w, version):
    w.runs = version
    return version


def in_sql(w, query):
    return w.session.sql(query).collect()[0][0]


def said(kind, what, text):
    try:
        what()
    except kind as error:
        return text in str(error)
    return False


def exported(made):
    with tempfile.TemporaryDirectory() as folder:
        made.get_model("M").version("V1").export(folder)
        return any(Path(folder).rglob("*"))


def graphs(w):
    """Yield the operations of task graphs: `snowflake.core.task.dagv1`, and of single tasks."""
    from snowflake.core import CreateMode, Root
    from snowflake.core.exceptions import ConflictError, NotFoundError
    from snowflake.core.task import Cron, Task
    from snowflake.core.task.dagv1 import DAG, DAGOperation, DAGTask

    home = w.session.get_current_database().strip('"')
    schema = Root(w.session).databases[home].schemas["PUBLIC"]
    operation, tasks = DAGOperation(schema), schema.tasks
    w.session.sql("CREATE TABLE done (a VARCHAR)").collect()
    with DAG("g", warehouse="COMPUTE_WH", config={"go": "left"}) as dag:
        first = DAGTask("first", "CALL SYSTEM$SET_RETURN_VALUE('left')")
        asked = "SYSTEM$GET_PREDECESSOR_RETURN_VALUE('G$FIRST')"
        left = DAGTask("left", "INSERT INTO done VALUES ('left')", condition=f"{asked} = 'left'")
        right = DAGTask("right", "INSERT INTO done VALUES ('right')", condition=f"{asked} = 'right'")
        late = DAGTask("late", "INSERT INTO later VALUES ('late')")
        DAGTask("end", "CREATE TABLE IF NOT EXISTS later (a VARCHAR)", is_finalizer=True)
        first >> [left, right]
        left >> late

    def fails(kind, what):
        try:
            what()
        except kind:
            return True
        return False

    def states(count):
        until = time.monotonic() + 60
        while len(found := operation.get_complete_dag_runs("g", error_only=False)) < count:
            assert time.monotonic() < until
            time.sleep(0.2)
        return [each.state for each in found]

    yield "deploy", lambda: (operation.deploy(dag), True)[1]
    yield "deploy twice is refused", lambda: fails(ConflictError, lambda: operation.deploy(dag))
    yield "iter_dags", lambda: operation.iter_dags(like="g") == ["G"]
    yield "run, with a branch and a failure", lambda: (operation.run(dag), states(1) == ["FAILED"])[1]
    yield "a branch that is not taken", lambda: values(w.session.table("done")) == ["left"]
    yield "finalizer", lambda: w.session.table("later").count() == 0
    yield "retry_last", lambda: (operation.run(dag, retry_last=True), states(2) == ["SUCCEEDED", "FAILED"])[1]
    yield (
        "a retry does again what failed",
        lambda: [values(w.session.table(name)) for name in ("done", "later")] == [["left"], ["late"]],
    )
    yield "complete runs", lambda: len(operation.get_complete_dag_runs(dag, error_only=True)) == 1
    yield (
        "deploy or_replace, with a schedule",
        lambda: (
            setattr(dag, "schedule", Cron("0 6 * * *", "Europe/Zurich")),
            operation.deploy(dag, CreateMode.or_replace),
            tasks["g"].fetch().schedule == dag.schedule,
        )[-1],
    )
    yield "current runs", lambda: [each.state for each in operation.get_current_dag_runs(dag)] == ["SCHEDULED"]
    yield "drop", lambda: (operation.drop(dag, drop_finalizer=True), operation.iter_dags(like="%") == [])[1]
    yield (
        "task create",
        lambda: (
            tasks.create(Task("t", "SELECT 1", warehouse="COMPUTE_WH", schedule=dt.timedelta(minutes=5))) is not None
        ),
    )
    yield (
        "task resume, suspend",
        lambda: (
            tasks["t"].resume(),
            tasks["t"].suspend(),
            tasks["t"].fetch().state == "suspended",
        )[-1],
    )
    yield (
        "task create_or_alter",
        lambda: (
            tasks["t"].create_or_alter(Task("t", "SELECT 2", warehouse="COMPUTE_WH", comment="c")),
            tasks["t"].fetch().comment == "c",
        )[1],
    )
    yield "task iter", lambda: [each.name for each in tasks.iter(like="T%")] == ["T"]
    yield "task execute", lambda: (tasks["t"].execute(), True)[1]
    yield "task drop", lambda: (tasks["t"].drop(), fails(NotFoundError, tasks["t"].fetch))[1]


def jobs(w):
    """Yield the operations of ML Jobs."""
    from snowflake.ml import jobs as ml

    s = w.session
    pool = "CREATE COMPUTE POOL IF NOT EXISTS jobs_pool MIN_NODES=1 MAX_NODES=2 INSTANCE_FAMILY=CPU_X64_S"
    s.sql(pool).collect()
    s.sql("CREATE STAGE payload").collect()

    @ml.remote("jobs_pool", stage_name="PAYLOAD", target_instances=2, session=s)
    def add(left: int, right: int) -> object:
        import os

        print("at work")
        return {"sum": left + right, "count": os.environ["SNOWFLAKE_JOBS_COUNT"]}

    @ml.remote("jobs_pool", stage_name="PAYLOAD", session=s)
    def fail() -> None:
        raise ValueError("no")

    def failure():
        try:
            w.failed.result()
        except RuntimeError as error:
            return "ValueError" in str(error)
        return False

    def keep(name, made):
        setattr(w, name, made)
        return made

    yield "@remote on two instances", lambda: keep("job", add(40, right=2)).wait(60) == "DONE"
    yield "result", lambda: w.job.result() == {"sum": 42, "count": "2"}
    yield "get_logs", lambda: "at work" in w.job.get_logs()
    yield "status", lambda: w.job.status == "DONE"
    yield (
        "get_job, list_jobs",
        lambda: ml.get_job(w.job.id, session=s).id == w.job.id and len(ml.list_jobs(session=s)) == 1,
    )
    yield "a failure is one", lambda: keep("failed", fail()).wait(60) == "FAILED"
    yield "a failure's result", failure
    yield "delete_job", lambda: (ml.delete_job(w.job.id, session=s), len(ml.list_jobs(session=s)) == 1)[1]


CLIENTS = {
    "Snowpark": snowpark,
    "Snowpark's functions": functions,
    "Snowpark's frames and sessions": frames,
    "Feature Store": features,
    "Feature Store's quickstarts": quickstarts,
    "Model Registry": registry,
    "Model monitors": monitors,
    "Task graphs (`dagv1`)": graphs,
    "ML Jobs (`@remote`)": jobs,
    "ML Jobs (`submit_file` …)": submitted,
}


def count(session, client) -> tuple[int, dict[str, str]]:
    """Try all operations of a client; return how many there were, and those that do not pass, with why."""
    failed, tried = {}, 0
    for name, run in client(SimpleNamespace(session=session)):
        tried += 1
        try:
            said = "" if run() else "another answer"
        except Exception as error:  # noqa: BLE001 - it is what is counted
            said = f"{type(error).__name__}: {error}"
        if said:
            failed[name] = said
    return tried, failed


def counted(port: int, name: str) -> tuple[int, dict[str, str]]:
    """Try a client in a database of its own, on the emulator at a port; return what `count` does."""
    from snowflake.snowpark import Session

    place = {"protocol": "http", "host": "127.0.0.1", "port": port, "account": "emulator"}
    session = Session.builder.configs({**place, "user": "EMULATOR", "password": "any"}).create()
    try:
        session.sql("CREATE OR REPLACE DATABASE counted").collect()
        found = count(session, CLIENTS[name])
        session.sql("DROP DATABASE counted").collect()
    finally:
        session.close()
    return found


def row(name: str, tried: int, failed) -> str:
    """Return a client's row of the table."""
    return f"| {name} | {tried - len(failed)} of {tried} | {', '.join(failed)} |\n"


def main() -> None:
    """Write the table into the document."""
    import warnings

    from conftest import Server

    warnings.simplefilter("ignore")
    server, made = Server(), ""
    try:
        for name in CLIENTS:
            tried, failed = counted(server.port, name)
            made += row(name, tried, failed)
            for operation, said in failed.items():
                print(f"{name}: {operation}: {said[:300]}")
    finally:
        server.stop()
    text = DOCUMENT.read_text()
    before, _, after = text.partition(HEAD)
    DOCUMENT.write_text(before + HEAD + made + after[after.index("\n\n") + 1 :])


if __name__ == "__main__":
    main()
