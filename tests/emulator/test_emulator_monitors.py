"""Model monitors, driven by Snowflake's own client: what they refuse, and figures that others compute alike."""

from __future__ import annotations

import datetime as dt
import gc
import json
import re

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
FIRST = dt.datetime(2026, 3, 2)  # noqa: DTZ001 - TIMESTAMP_NTZ; a Monday


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Two weeks of predictions: a feature that moves in the second one, scores, labels that are late, a segment."""
    chance = np.random.default_rng(7)
    rows = 1_400
    day = np.arange(rows) // 100
    score = chance.random(rows)
    return pd.DataFrame(
        {
            "ID": np.arange(rows),
            "AT": [FIRST + dt.timedelta(days=int(each), minutes=number % 100) for number, each in enumerate(day)],
            "AMOUNT": chance.normal(50 + 20 * (day >= 7), 10),
            "PLAN": chance.choice(["basic", "pro"], rows, p=[0.7, 0.3]),
            "REGION": chance.choice(["north", "south"], rows),
            "SCORE": score,
            "SAID": (score > 0.5).astype(int),
            "TRUE_": [
                None if each > 12 else int(number < one)
                for each, number, one in zip(day, chance.random(rows), score, strict=True)
            ],
        }
    ).astype({"TRUE_": "Int64"})


@pytest.fixture(scope="module")
def registry(snow, data):
    """A registry with a model of each task, and the tables that are monitored."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from snowflake.ml.model import task
    from snowflake.ml.registry import Registry

    database = snow.get_current_database().strip('"')
    held = Registry(snow, database_name=database, schema_name="PUBLIC")
    rows = data[["AMOUNT", "SCORE"]]
    how = {"target_platforms": ["SNOWPARK_CONTAINER_SERVICES"], "pip_requirements": ["scikit-learn"]}
    both = LogisticRegression().fit(rows, data["SAID"])
    for name, version, model, of in (
        ("M", "V1", both, task.Task.TABULAR_BINARY_CLASSIFICATION),
        ("M", "V2", both, task.Task.TABULAR_BINARY_CLASSIFICATION),
        ("M", "V3", KMeans(2, n_init=1).fit(rows), task.Task.UNKNOWN),
        ("R", "V1", LinearRegression().fit(rows, data["SCORE"]), task.Task.TABULAR_REGRESSION),
    ):
        held.log_model(model, model_name=name, version_name=version, sample_input_data=rows, task=of, **how)
    snow.sql("CREATE WAREHOUSE IF NOT EXISTS watching").collect()
    snow.sql(
        "CREATE TABLE scores (id INT, at TIMESTAMP_NTZ, amount FLOAT, plan VARCHAR, region VARCHAR, score FLOAT, "
        "said INT, true_ INT)"
    ).collect()
    snow.write_pandas(data, "SCORES", use_logical_type=True)
    snow.sql("CREATE TABLE before AS SELECT * FROM scores WHERE at < '2026-03-09'").collect()
    gc.collect()  # temporary folders that the client forgets
    return held


def source(**more):
    from snowflake.ml.monitoring.entities.model_monitor_config import ModelMonitorSourceConfig

    given = {
        "source": "SCORES",
        "baseline": "BEFORE",
        "timestamp_column": "AT",
        "id_columns": ["ID"],
        "prediction_score_columns": ["SCORE"],
        "prediction_class_columns": ["SAID"],
        "actual_class_columns": ["TRUE_"],
        "segment_columns": ["REGION"],
    }
    return ModelMonitorSourceConfig(**{**given, **more})


def config(version, **more):
    from snowflake.ml.monitoring.entities.model_monitor_config import ModelMonitorConfig

    return ModelMonitorConfig(version, "predict", "WATCHING", **more)


@pytest.fixture(scope="module")
def watched(registry):
    """A monitor of the first version."""
    version = registry.get_model("M").version("V1")
    return registry.add_monitor("WATCH", source(), config(version))


def ask(snow, function, *given):
    args = ", ".join("NULL" if each is None else "'" + str(each).replace("'", "''") + "'" for each in given)
    return snow.sql(f"SELECT * FROM TABLE(MODEL_MONITOR_{function}_METRIC({args})) ORDER BY 1").collect()


def test_a_monitor_is_made_found_suspended_and_deleted_by_snowflakes_client(snow, registry, watched):
    version = registry.get_model("M").version("V2")
    made = registry.add_monitor("TWO", source(baseline=None, segment_columns=None), config(version))
    assert registry.get_monitor(name="TWO").name == made.name
    assert registry.get_monitor(model_version=version).name == made.name
    assert sorted(row["name"] for row in registry.show_model_monitors()) == ["TWO", "WATCH"]
    made.suspend()
    told = snow.sql("DESCRIBE MODEL MONITOR two").collect()[0].as_dict()
    assert (told["monitor_state"], told["model_task"], told["baseline"]) == (
        "SUSPENDED",
        "TABULAR_BINARY_CLASSIFICATION",
        None,
    )
    assert json.loads(told["columns"])["numerical_columns"] == ["AMOUNT"]
    assert json.loads(told["columns"])["string_columns"] == ["PLAN", "REGION"]
    made.resume()
    made.add_segment_column("PLAN")
    told = snow.sql("DESCRIBE MODEL MONITOR two").collect()[0].as_dict()
    assert json.loads(told["columns"])["segment_columns"] == ["PLAN"]
    assert set(json.loads(told["aggregation_status"])) >= {"SOURCE_AGGREGATED", "ACCURACY_AGGREGATED_PLAN"}
    made.drop_segment_column("PLAN")
    registry.delete_monitor("TWO")
    with pytest.raises(ValueError, match="Unable to find model monitor"):
        registry.get_monitor(name="TWO")


def test_what_no_monitor_can_be_is_refused(snow, registry, watched):
    two, three = (registry.get_model("M").version(name) for name in ("V2", "V3"))
    with pytest.raises(ValueError, match="must be logged with task"):
        registry.add_monitor("X", source(), config(three))
    with pytest.raises(ValueError, match="do not exist in source"):
        registry.add_monitor("X", source(id_columns=["NOSUCH"]), config(two))
    base = {
        "MODEL": "M",
        "VERSION": "'V2'",
        "FUNCTION": "'predict'",
        "SOURCE": "SCORES",
        "WAREHOUSE": "WATCHING",
        "REFRESH_INTERVAL": "'1 hour'",
        "AGGREGATION_WINDOW": "'1 day'",
        "TIMESTAMP_COLUMN": "AT",
        "PREDICTION_SCORE_COLUMNS": "('SCORE')",
    }
    for change, said in (
        ({"VERSION": "'V1'"}, "is monitored by"),
        ({"VERSION": "'V9'"}, "does not exist or not authorized"),
        ({"VERSION": "'V3'"}, "not supported by model monitors"),
        ({"MODEL": "NOSUCH"}, "does not exist or not authorized"),
        ({"FUNCTION": "'explain'"}, "Function 'EXPLAIN' does not exist"),
        ({"SOURCE": "NOSUCH"}, "does not exist or not authorized"),
        ({"WAREHOUSE": "NOSUCH"}, "does not exist or not authorized"),
        ({"WAREHOUSE": None}, "Missing option"),
        ({"REFRESH_INTERVAL": "'59 seconds'"}, "60 seconds at the least"),
        ({"AGGREGATION_WINDOW": "'12 hours'"}, "<num> days"),
        ({"TIMESTAMP_COLUMN": "ID"}, "must be of type TIMESTAMP_NTZ"),
        ({"PREDICTION_SCORE_COLUMNS": "('PLAN')"}, "must be of type NUMBER"),
        ({"PREDICTION_SCORE_COLUMNS": "()"}, "At least one prediction column"),
        ({"PREDICTION_SCORE_COLUMNS": "('SCORE', 'AMOUNT')"}, "at most one element"),
        ({"ACTUAL_SCORE_COLUMNS": "('AMOUNT')"}, "actuals must be classes"),
        ({"ID_COLUMNS": "('SCORE')"}, "specified once"),
        ({"SEGMENT_COLUMNS": "('ID')"}, "must be of type STRING"),
        ({"BASELINE": "NOSUCH"}, "does not exist or not authorized"),
        ({"PREDICTION_SCORES": "('SCORE')"}, "The emulator expects , or PREDICTION_CLASS_COLUMNS"),
    ):
        settings = " ".join(f"{key} = {value}" for key, value in {**base, **change}.items() if value is not None)
        with pytest.raises(Exception, match=re.escape(said)):
            snow.sql(f"CREATE MODEL MONITOR x WITH {settings}").collect()
    assert [row["name"] for row in registry.show_model_monitors()] == ["WATCH"]


def test_drift_is_what_others_compute(snow, data, watched):
    from scipy.stats import wasserstein_distance

    before = data[data["AT"] < FIRST + dt.timedelta(days=7)]
    after = data[data["AT"] >= FIRST + dt.timedelta(days=7)]
    given = ("1 WEEK", "2026-03-01", "2026-03-20")
    rows = ask(snow, "DRIFT", "WATCH", "WASSERSTEIN", "AMOUNT", *given)
    assert [row["EVENT_TIMESTAMP"] for row in rows] == [FIRST, FIRST + dt.timedelta(days=7)]
    assert rows[0]["METRIC_VALUE"] == 0
    assert rows[1]["METRIC_VALUE"] == pytest.approx(wasserstein_distance(before["AMOUNT"], after["AMOUNT"]))
    assert (rows[1]["COL_COUNT_USED"], rows[1]["BASELINE_COL_COUNT_USED"]) == (700, 700)
    means = ask(snow, "DRIFT", "WATCH", "DIFFERENCE_OF_MEANS", "AMOUNT", *given)
    assert means[1]["METRIC_VALUE"] == pytest.approx(after["AMOUNT"].mean() - before["AMOUNT"].mean())
    index = [
        ask(snow, "DRIFT", "WATCH", "POPULATION_STABILITY_INDEX", column, *given)[1]["METRIC_VALUE"]
        for column in ("AMOUNT", "PLAN", "SCORE")
    ]
    assert index[0] > 1
    assert max(index[1:]) < 0.1
    shares = [each["PLAN"].value_counts(normalize=True).sort_index().to_numpy() for each in (before, after)]
    assert index[1] == pytest.approx(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
    apart = ask(snow, "DRIFT", "WATCH", "JENSEN_SHANNON", "PLAN", *given)[1]["METRIC_VALUE"]
    middle = (shares[0] + shares[1]) / 2
    assert apart == pytest.approx(sum(np.sum(each * np.log2(each / middle)) for each in shares) / 2)


def test_performance_is_what_others_compute(snow, data, watched):
    from sklearn import metrics

    known = data[data["TRUE_"].notna()]
    true, given = known["TRUE_"].astype(int), ("ALL", "2026-03-01", "2026-03-20")
    for name, wanted in (
        ("ROC_AUC", metrics.roc_auc_score(true, known["SCORE"])),
        ("CLASSIFICATION_ACCURACY", metrics.accuracy_score(true, known["SAID"])),
        ("PRECISION", metrics.precision_score(true, known["SAID"])),
        ("RECALL", metrics.recall_score(true, known["SAID"])),
        ("F1_SCORE", metrics.f1_score(true, known["SAID"])),
    ):
        (row,) = ask(snow, "PERFORMANCE", "WATCH", name, *given)
        assert row["METRIC_VALUE"] == pytest.approx(wanted)
        assert (row["COUNT_USED"], row["COUNT_UNUSED"]) == (1_300, 100)
    north = known[known["REGION"] == "north"]
    segment = '{"SEGMENTS": [{"column": "REGION", "value": "north"}]}'
    (row,) = ask(snow, "PERFORMANCE", "WATCH", "RECALL", *given, segment)
    assert row["METRIC_VALUE"] == pytest.approx(metrics.recall_score(north["TRUE_"].astype(int), north["SAID"]))
    assert (row["SEGMENT_COLUMN"], row["SEGMENT_VALUE"]) == ("REGION", "north")
    rows = ask(snow, "STAT", "WATCH", "COUNT_NULL", "TRUE_", "1 DAY", *given[1:])
    assert [row["METRIC_VALUE"] for row in rows] == [0.0] * 13 + [100.0]


def test_regression_has_its_own_metrics(snow, data, registry):
    from sklearn import metrics

    only = {"segment_columns": None, "prediction_class_columns": None, "actual_class_columns": None}
    model = registry.get_model("R").version("V1")
    registry.add_monitor("LINE", source(baseline=None, actual_score_columns=["AMOUNT"], **only), config(model))
    for name, wanted in (
        ("RMSE", metrics.root_mean_squared_error(data["AMOUNT"], data["SCORE"])),
        ("MSE", metrics.mean_squared_error(data["AMOUNT"], data["SCORE"])),
        ("MAE", metrics.mean_absolute_error(data["AMOUNT"], data["SCORE"])),
        ("MAPE", metrics.mean_absolute_percentage_error(data["AMOUNT"], data["SCORE"])),
    ):
        (row,) = ask(snow, "PERFORMANCE", "LINE", name, "ALL", "2026-03-01", "2026-03-20")
        assert row["METRIC_VALUE"] == pytest.approx(wanted)
    for given, said in (
        (("PERFORMANCE", "LINE", "ROC_AUC"), "Invalid metric 'ROC_AUC' for TABULAR_REGRESSION"),
        (("DRIFT", "LINE", "WASSERSTEIN", "AMOUNT"), "has no baseline set"),
        (("DRIFT", "LINE", "PSI", "AMOUNT"), "Invalid metric 'PSI'"),
        (("STAT", "LINE", "COUNT", "NOSUCH"), "does not exist in model monitor"),
        (("STAT", "LINE", "COUNT", "AMOUNT", "1 HOUR"), "Invalid granularity"),
        (("STAT", "NOSUCH", "COUNT", "AMOUNT"), "does not exist or not authorized"),
    ):
        with pytest.raises(Exception, match=said):
            ask(snow, *given)
    registry.delete_monitor("LINE")


def test_the_baseline_is_kept_and_a_suspended_monitor_stands_still(snow, watched):
    def moved():
        found = ask(snow, "DRIFT", "WATCH", "DIFFERENCE_OF_MEANS", "AMOUNT", "ALL", "2026-03-01", "2026-03-20")
        return found[0]["METRIC_VALUE"], found[0]["COL_COUNT_USED"], found[0]["BASELINE_COL_COUNT_USED"]

    first = moved()
    watched.suspend()
    snow.sql(
        "INSERT INTO scores SELECT id + 5000, at, 1e6, plan, region, score, said, true_ FROM scores LIMIT 1"
    ).collect()
    snow.sql("DELETE FROM before WHERE id > 10").collect()
    assert moved() == first
    watched.resume()
    assert moved()[1:] == (first[1] + 1, first[2])
    snow.sql("ALTER MODEL MONITOR watch SET BASELINE = 'BEFORE'").collect()
    assert moved()[2] == 11
    snow.sql("ALTER MODEL MONITOR watch SET COMMENT = 'x' REFRESH_INTERVAL = '2 hours'").collect()
    (row,) = snow.sql("SHOW MODEL MONITORS LIKE 'WATCH'").collect()
    assert (row["comment"], row["refresh_interval"]) == ("x", "2 hours")
    snow.sql("DELETE FROM scores WHERE id >= 5000").collect()
    snow.sql("CREATE OR REPLACE TABLE before AS SELECT * FROM scores WHERE at < '2026-03-09'").collect()
    snow.sql("ALTER MODEL MONITOR watch SET BASELINE = 'BEFORE'").collect()


def test_a_monitor_needs_its_privileges(snow, server, watched):
    place = ".".join(part.strip('"') for part in (snow.get_current_database(), "PUBLIC"))
    for statement in (
        "CREATE ROLE IF NOT EXISTS watcher",
        "GRANT ROLE watcher TO USER emulator",
        f"GRANT USAGE ON DATABASE {place.partition('.')[0]} TO ROLE watcher",
        f"GRANT USAGE ON SCHEMA {place} TO ROLE watcher",
        "GRANT USAGE ON WAREHOUSE watching TO ROLE watcher",
    ):
        snow.sql(statement).collect()
    made = (
        f"CREATE MODEL MONITOR {place}.mine WITH MODEL = {place}.M VERSION = 'V2' FUNCTION = 'predict' "
        f"SOURCE = {place}.SCORES WAREHOUSE = WATCHING REFRESH_INTERVAL = '1 day' AGGREGATION_WINDOW = '1 day' "
        "TIMESTAMP_COLUMN = AT PREDICTION_SCORE_COLUMNS = ('SCORE')"
    )
    with server.connect(role="WATCHER", warehouse="WATCHING") as other, other.cursor() as cursor:
        cursor.execute("USE SECONDARY ROLES NONE")
        for grant, said in (
            (f"CREATE MODEL MONITOR ON SCHEMA {place}", "on schema 'PUBLIC'"),
            (f"USAGE ON MODEL {place}.M", "Model .* does not exist or not authorized"),
            (f"SELECT ON TABLE {place}.SCORES", "does not exist or not authorized"),
        ):
            with pytest.raises(Exception, match=said):
                cursor.execute(made)
            snow.sql(f"GRANT {grant} TO ROLE watcher").collect()
        cursor.execute(made)
        with pytest.raises(Exception, match="does not exist or not authorized"):
            cursor.execute(f"ALTER MODEL MONITOR {place}.watch SUSPEND")
        snow.sql(f"GRANT MODIFY ON MODEL MONITOR {place}.watch TO ROLE watcher").collect()
        cursor.execute(f"ALTER MODEL MONITOR {place}.watch SUSPEND")
        cursor.execute(f"ALTER MODEL MONITOR {place}.watch RESUME")
        cursor.execute(f"DROP MODEL MONITOR {place}.mine")
