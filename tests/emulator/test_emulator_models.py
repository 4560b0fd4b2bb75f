"""The Model Registry, driven by Snowflake's own client: what is logged comes back, and a version is never replaced."""

from __future__ import annotations

import gc

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
    loaded = logged.version("champion").load(force=True)
    assert list(loaded.predict(rows)) == list(model.predict(rows))
    snow.sql("CREATE TAG team").collect()
    logged.set_tag("team", "red")
    assert list(logged.show_tags().values()) == ["red"]
    logged.delete_version("V1")
    assert list(logged.show_versions()["name"]) == ["V2"]
    registry.delete_model("M")
    assert len(registry.show_models()) == 0


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
