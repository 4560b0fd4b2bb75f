"""The Model Registry, driven by Snowflake's own client: what is logged comes back, and a version is never replaced."""

from __future__ import annotations

import gc
import re

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _swept():
    """Collect the temporary folders that the client forgets: later they would be a warning in somebody else's test."""
    yield
    gc.collect()


def test_a_model_is_logged_versioned_and_loaded(snow):
    from sklearn.linear_model import LogisticRegression
    from snowflake.ml.registry import Registry
    from snowflake.snowpark.exceptions import SnowparkSQLException

    rows = pd.DataFrame({"A": np.arange(20.0), "B": np.arange(20.0) % 3})
    model = LogisticRegression().fit(rows, (rows["A"] > 10).astype(int))
    registry = Registry(snow, database_name=snow.get_current_database().strip('"'), schema_name="PUBLIC")
    how = {"target_platforms": ["SNOWPARK_CONTAINER_SERVICES"], "pip_requirements": ["scikit-learn"]}
    first = registry.log_model(
        model, model_name="M", version_name="V1", sample_input_data=rows, metrics={"auc": 0.9}, comment="first", **how
    )
    registry.log_model(model, model_name="M", version_name="V2", sample_input_data=rows, **how)
    with pytest.raises(ValueError, match="already existed"):
        registry.log_model(model, model_name="M", version_name="V1", sample_input_data=rows, **how)
    assert first.show_metrics() == {"auc": 0.9}
    assert first.comment == "first"
    assert "PREDICT" in {each["name"] for each in first.show_functions()}
    logged = registry.get_model("M")
    assert logged.default.version_name == "V1"
    logged.default = "V2"
    first.set_alias("champion")
    assert logged.version("champion").version_name == "V1"
    with pytest.raises(SnowparkSQLException, match="does not run in a warehouse"):
        snow.sql("SELECT MODEL(m)!predict(1, 2)").collect()
    loaded = logged.version("champion").load(force=True)
    assert list(loaded.predict(rows)) == list(model.predict(rows))
    snow.sql("CREATE TAG team").collect()
    logged.set_tag("team", "red")
    assert list(logged.show_tags().values()) == ["red"]
    logged.delete_version("V1")
    assert list(logged.show_versions()["name"]) == ["V2"]
    registry.delete_model("M")
    assert len(registry.show_models()) == 0


def test_a_model_runs_in_sql_with_its_own_code(snow):
    from sklearn.linear_model import LogisticRegression
    from snowflake.ml.model import custom_model
    from snowflake.ml.model.model_signature import infer_signature
    from snowflake.ml.registry import Registry
    from snowflake.snowpark.exceptions import SnowparkSQLException

    def predict(self, df):
        return pd.DataFrame({"MEAN": [df["A"].mean()]})

    predict.__annotations__ = {"df": pd.DataFrame, "return": pd.DataFrame}  # the client compares them with types
    own = type("Mean", (custom_model.CustomModel,), {"predict": custom_model.partitioned_api(predict)})
    rows = pd.DataFrame({"A": np.arange(20.0), "B": np.arange(20.0) % 3})
    model = LogisticRegression().fit(rows, (rows["A"] > 10).astype(int))
    registry = Registry(snow, database_name=snow.get_current_database().strip('"'), schema_name="PUBLIC")
    how = {"target_platforms": ["WAREHOUSE"]}
    needs = {**how, "conda_dependencies": ["scikit-learn"]}
    logged = registry.log_model(model, model_name="RUN", version_name="V1", sample_input_data=rows, **needs)
    found = logged.run(rows, function_name="predict_proba")
    np.testing.assert_allclose(found, model.predict_proba(rows), rtol=1e-12)
    snow.write_pandas(rows, "ROWS", auto_create_table=True)
    wanted = list(model.predict(rows))
    snow.sql("CREATE TABLE said AS WITH m AS MODEL run VERSION LAST SELECT a, m!predict(a, b) AS p FROM rows").collect()
    assert snow.sql("SELECT SUM(p:output_feature_0::INT) FROM said").collect()[0][0] == sum(wanted)
    signatures = {"predict": infer_signature(rows, pd.DataFrame({"MEAN": [1.0]}))}
    options = {"function_type": "TABLE_FUNCTION"}
    mean = registry.log_model(
        own(custom_model.ModelContext()),
        model_name="MEAN",
        version_name="V1",
        signatures=signatures,
        options=options,
        **how,
    )
    means = mean.run(snow.table("rows"), function_name="predict", partition_column="B").sort("B").collect()
    assert [(row["B"], row["MEAN"]) for row in means] == [(0, 9), (1, 10), (2, 9.5)]
    for query, said in (
        ("SELECT MODEL(run, v9)!predict(1, 2)", "Version 'V9' of model"),
        ("SELECT MODEL(run)!guess(1, 2)", "it has DECISION_FUNCTION, PREDICT"),
        ("SELECT MODEL(run)!predict(1)", "it takes (A DOUBLE, B DOUBLE)"),
        ("SELECT MODEL(nosuch)!predict(1)", "does not exist or not authorized"),
    ):
        with pytest.raises(SnowparkSQLException, match=re.escape(said)):
            snow.sql(query).collect()
    with pytest.raises(SnowparkSQLException, match="no service is run for a model"):
        logged.run(rows, function_name="predict", service_name="served")
    for each in registry.models():
        registry.delete_model(each.name)


def test_what_is_wrong_with_a_version_is_said(sql):
    sql("CREATE STAGE s")
    for statement, said in (
        ("CREATE MODEL m WITH VERSION v FROM @s", "No MANIFEST.yml"),
        ("ALTER MODEL nosuch SET DEFAULT_VERSION = v", "does not exist or not authorized"),
        ("SHOW VERSIONS IN MODEL nosuch", "does not exist or not authorized"),
        ("LIST 'snow://model/nosuch/versions/v/'", "does not exist or not authorized"),
        ("LIST 'snow://nosuch/x'", "Unsupported feature"),
    ):
        error = sql.refused(statement)
        assert said in str(error), f"{statement}: {error}"
    assert sql("SHOW MODELS") == []


def test_runs_of_an_experiment_are_logged_listed_and_closed(snow, tmp_path, monkeypatch):
    from snowflake.ml.experiment import ExperimentTracking

    monkeypatch.setattr(ExperimentTracking, "_instance", None)  # it is one for all of a process
    runs = ExperimentTracking(snow, database_name=snow.get_current_database().strip('"'), schema_name="PUBLIC")
    runs.set_experiment("churn")
    file = tmp_path / "note.txt"
    file.write_text("hello")
    with runs.start_run("first"):
        runs.log_params({"depth": 3, "kind": "it's"})
        for step, loss in enumerate((0.5, 0.25)):
            runs.log_metrics({"loss": loss}, step=step)
        runs.log_artifact(str(file), "notes")
    with pytest.raises(ZeroDivisionError), runs.start_run("second"):
        runs.log_metric("loss", 1 / 0)
    assert runs.list_params("FIRST").collect()[0].as_dict() == {"run_name": "FIRST", "depth": "3", "kind": "it's"}
    assert {row["run_name"]: row["loss"] for row in runs.list_metrics().collect()} == {"FIRST": 0.25, "SECOND": None}
    assert [tuple(row)[:3] for row in runs.get_metric_history("first").collect()] == [
        ("loss", 0, 0.5),
        ("loss", 1, 0.25),
    ]
    assert [each.name for each in runs.list_artifacts("first")] == ["notes/note.txt"]
    runs.download_artifacts("first", target_path=str(tmp_path / "back"))
    assert (tmp_path / "back" / "notes" / "note.txt").read_text() == "hello"
    with pytest.raises(RuntimeError, match="no longer running"):
        runs.start_run("first")
    with pytest.raises(Exception, match="is committed and cannot be altered"):
        snow.sql("ALTER EXPERIMENT churn MODIFY RUN first ADD PARAMETERS=$$[]$$").collect()
    states = [(row["name"], row["metadata"]) for row in snow.sql("SHOW RUNS IN EXPERIMENT churn").collect()]
    assert [(name, '"status": "FAILED"' in about) for name, about in states] == [("FIRST", False), ("SECOND", True)]
    runs.delete_run("second")
    assert len(snow.sql("SHOW RUNS IN EXPERIMENT churn").collect()) == 1
    runs.delete_experiment("churn")
    assert snow.sql("SHOW EXPERIMENTS").collect() == []
