"""MLflow's registry is kept like ours; what somebody changes there is noticed, said and set back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from firnflow.models.registry import Registry
from firnflow.stores.state import schema

pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Desk
    from firnflow.models.tracking.mlflow import MLflowTracker
    from firnflow.models.tracking.send import TrackingDeliverer


class Shop:
    """Three versions of `credit`, told to MLflow."""

    def __init__(self, desk: Desk, tracker: MLflowTracker) -> None:
        from mlflow import MlflowClient

        self.desk, self.tracker = desk, tracker
        self.registry = Registry(desk.state, desk.stores)
        self.client = MlflowClient(f"sqlite:///{desk.root}/.firnflow/mlflow.db")

    def train(self, depth: int) -> None:
        """Train and register a model in a run."""
        result = self.desk.run("flow", f"depth={depth}")
        about = {"run": result.run, "task": "train", "by": "anna"}
        figures = {"metrics": {"auc": 0.9}}
        self.registry.register("credit", result.outputs["train"], **about, metadata=figures, tags={"team": "x"})

    def deliverer(self) -> TrackingDeliverer:
        return self.desk.deliverer(self.tracker, "mlflow")

    def tell(self) -> list[str]:
        """Tell, as a sender does that has just been started, and return what people should know."""
        deliverer = self.deliverer()
        said = deliverer.deliver()
        assert deliverer.waiting() == []
        return said

    def aliases(self) -> dict[str, int]:
        found = self.client.get_registered_model("credit").aliases
        return {alias: int(version) for alias, version in found.items()}

    def versions(self) -> dict[int, Any]:
        return {int(each.version): each for each in self.client.search_model_versions("name = 'credit'")}


@pytest.fixture
def shop(desk: Callable[..., Desk], mlflow_at: Callable[[Path], MLflowTracker]) -> Shop:
    pytest.importorskip("sklearn")
    lab = desk()
    made = Shop(lab, mlflow_at(lab.root))
    for depth in (1, 2, 3):
        made.train(depth)
    made.registry.promote("credit", 1, expected=None, reason="the first", by="anna")
    made.registry.promote("credit", 3, expected=1, reason="better by 0.1", by="bert")
    made.registry.set_alias("credit", "challenger", 2, reason="to compare", by="bert")
    assert made.tell() == []
    return made


def test_versions_aliases_tags_and_the_audit_are_there(shop: Shop) -> None:
    versions = shop.versions()
    assert sorted(versions) == [1, 2, 3]
    assert shop.aliases() == {"champion": 3, "challenger": 2}
    newest = shop.registry.get("credit/3")
    tags = versions[3].tags
    assert (tags["firnflow.version"], tags["firnflow.digest"], tags["firnflow.run"]) == ("3", newest.digest, newest.run)
    assert (tags["team"], tags["firnflow.status"], tags["firnflow.by"]) == ("x", "registered", "anna")
    assert "| auc | 0.9 |" in versions[3].description
    story = shop.client.get_registered_model("credit").description.splitlines()
    assert "**promote** version 3 as `champion`, before: version 1, by bert: better by 0.1" in story[1]
    run = shop.client.get_run(versions[3].run_id)
    assert run.info.run_name == newest.run
    assert versions[3].source == f"runs:/{run.info.run_id}/models/train"


def test_telling_again_changes_nothing(shop: Shop) -> None:
    before = [vars(each) for each in shop.versions().values()]
    assert shop.tell() == []
    assert [vars(each) for each in shop.versions().values()] == before
    with shop.desk.state.engine.begin() as connection:  # the sender died before it had written down what it told
        connection.execute(schema.tracked.delete())
    assert shop.tell() == []
    assert [vars(each) for each in shop.versions().values()] == before


def test_a_rollback_a_tag_and_an_alias_that_goes_are_told(shop: Shop) -> None:
    shop.registry.rollback("credit", reason="3 is slow", by="anna")
    shop.registry.set_alias("credit", "challenger", None, reason="done", by="anna")
    assert shop.deliverer().waiting() == ["model credit"]
    assert shop.tell() == []
    assert shop.aliases() == {"champion": 1}
    assert "**rollback** version 1" in shop.client.get_registered_model("credit").description


def test_archived_and_deleted_versions_are_told(shop: Shop) -> None:
    shop.registry.set_alias("credit", "challenger", None, reason="done", by="anna")
    shop.registry.archive("credit", 1, reason="old", by="anna")
    shop.registry.delete("credit", 2, reason="never used", by="anna")
    assert shop.tell() == []
    versions = shop.versions()
    assert sorted(versions) == [1, 3]
    assert versions[1].tags["firnflow.status"] == "archived"
    assert shop.tell() == []


def test_a_version_that_was_deleted_before_it_was_told_keeps_its_number(shop: Shop) -> None:
    shop.train(4)
    shop.train(5)
    shop.registry.delete("credit", 4, reason="a mistake", by="anna")
    assert shop.tell() == []
    assert sorted(shop.versions()) == [1, 2, 3, 5]


def test_what_was_changed_by_hand_is_said_and_set_back(shop: Shop) -> None:
    client = shop.client
    client.set_registered_model_alias("credit", "champion", "1")
    client.delete_registered_model_alias("credit", "challenger")
    client.set_model_version_tag("credit", "3", "team", "y")
    client.delete_model_version_tag("credit", "2", "firnflow.run")
    client.update_registered_model("credit", "mine")
    said = shop.tell()
    assert shop.aliases() == {"champion": 3, "challenger": 2}
    versions = shop.versions()
    assert versions[3].tags["team"] == "x"
    assert versions[2].tags["firnflow.run"] == shop.registry.get("credit/2").run
    assert client.get_registered_model("credit").description != "mine"
    place = "model credit in MLflow at sqlite:///.firnflow/mlflow.db: "
    assert set(said) == {
        f"{place}its description was changed by hand. It was set back",
        f"{place}the tag 'team' of version 3 was changed by hand. It was set back",
        f"{place}the tag 'firnflow.run' of version 2 was changed by hand. It was set back",
        f"{place}the alias 'champion' was moved to version 1 by hand. The state says version 3: it was set back",
        f"{place}the alias 'challenger' was removed by hand. The state says version 2: it was set back",
    }
    assert shop.tell() == []


def test_what_is_not_ours_is_said_and_left_alone(shop: Shop) -> None:
    client = shop.client
    client.create_model_version("credit", shop.versions()[1].source, shop.versions()[1].run_id)
    client.set_registered_model_alias("credit", "theirs", "4")
    client.set_model_version_tag("credit", "3", "note", "mine")
    said = shop.tell()
    assert [line.partition(": ")[2] for line in said] == [
        "version 4 was made by hand. It is not ours, and was left alone",
        "the alias 'theirs' was set by hand. It is not ours, and was left alone",
    ]
    assert shop.aliases() == {"champion": 3, "challenger": 2, "theirs": 4}
    assert shop.versions()[3].tags["note"] == "mine"
    shop.train(4)
    said = shop.tell()
    assert "credit/4 is version 5 in MLflow at sqlite:///.firnflow/mlflow.db" in said
    shop.registry.promote("credit", 4, expected=3, reason="better", by="anna")
    shop.tell()
    assert shop.aliases()["champion"] == 5


def test_a_version_or_model_that_was_deleted_there_is_said(shop: Shop) -> None:
    shop.client.delete_model_version("credit", "1")
    assert [line.partition(": ")[2] for line in shop.tell()] == [
        "version 1 was deleted by hand. There is no way to set that back"
    ]
    assert shop.tell() == []
    shop.client.delete_registered_model("credit")
    assert [line.partition(": ")[2] for line in shop.tell()] == ["it was deleted by hand. It was made again"]
    assert sorted(shop.versions()) == [1, 2, 3]
    assert shop.aliases() == {"champion": 3, "challenger": 2}


def test_a_model_of_no_run_gets_a_run_of_its_own(shop: Shop) -> None:
    shop.registry.register("other", shop.registry.load("credit/1"), by="anna")
    assert shop.tell() == []
    (version,) = shop.client.search_model_versions("name = 'other'")
    assert shop.client.get_run(version.run_id).info.run_name == "other/1"
    assert version.source == f"runs:/{version.run_id}/models/other"


def test_mlflow_loads_the_champion_and_it_predicts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow.pyfunc")
    pandas = pytest.importorskip("pandas")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shop.desk.root}/.firnflow/mlflow.db")
    model = mlflow.load_model("models:/credit@champion")
    found = model.predict(pandas.DataFrame({"x": [0.0, 1.0]}))
    assert list(found["predicted"]) == [0, 1]


def test_a_model_file_that_was_changed_in_mlflow_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from firnflow.errors import DamagedArtifactError

    mlflow = pytest.importorskip("mlflow.pyfunc")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shop.desk.root}/.firnflow/mlflow.db")
    for path in (shop.desk.root / ".firnflow/mlflow-artifacts").rglob("*.zip"):
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DamagedArtifactError, match="is not what was written"):
        mlflow.load_model("models:/credit@champion")
