"""Models in Snowflake's Model Registry, runs in its experiments: told by us, read by Snowflake's own clients."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import subprocess
import sys
import sysconfig
import textwrap
import threading
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import firnflow as ff
from firnflow import models
from firnflow._crash import InjectedCrash
from firnflow.errors import FirnflowError, StoreError
from firnflow.models.registry import Registry
from firnflow.models.tracking import tracker_of
from firnflow.models.tracking.send import TrackingDeliverer
from firnflow.models.tracking.snowflake import packing
from firnflow.stores.delivery import deliver
from firnflow.stores.snowflake.account import Account
from firnflow.stores.state import State, schema
from firnflow.values.files import is_pickle
from firnflow.values.model import Document

pytest.importorskip("snowflake.ml.registry", reason="snowflake-ml-python is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from conftest import Desk
    from firnflow.stores.delivery import Delivery

FLOW = """
    class FlowParams(ff.Params):
        depth: int = 1

    @ff.task
    def train(depth: int) -> ff.Model:
        from sklearn.tree import DecisionTreeClassifier

        ff.log_metric("loss", 0.5 / depth, 0)
        ff.log_metric("loss", 0.25 / depth, 1)
        ff.log_metric("a$$;'b", 1.0)
        ff.log_metric("nothing", float("nan"))
        return ff.Model(DecisionTreeClassifier(max_depth=depth, random_state=0).fit([[0.0], [1.0]], [0, 1]), ("x",))

    @ff.pipeline(params=FlowParams)
    def flow(p):
        train(p.depth)
"""


class Shop:
    """Versions of `credit`, told to Snowflake, and Snowflake's client that looks at them."""

    def __init__(self, desk: Desk, database: str, schema: str) -> None:
        self.desk, self.place = desk, {"database_name": database, "schema_name": schema}
        self.registry = Registry(desk.state, desk.stores)
        self.tracker = tracker_of(desk.project.settings, desk.root)
        self.session = self.tracker._account.session

    def train(self, depth: int) -> None:
        result = self.desk.run("flow", f"depth={depth}")
        about = {"run": result.run, "task": "train", "by": "anna"}
        figures = {"metrics": {"auc": 0.9, "by_group": {"a": 1}}}
        self.registry.register("credit", result.outputs["train"], **about, metadata=figures, tags={"team": "x'y\\"})

    def deliverer(self) -> TrackingDeliverer:
        return self.desk.deliverer(self.tracker, "snowflake")

    def tell(self) -> list[str]:
        deliverer = self.deliverer()
        said = deliverer.deliver()
        assert deliverer.waiting() == []
        return said

    @property
    def client(self) -> Any:
        """Snowflake's own."""
        from snowflake.ml.registry import Registry as Client

        return Client(self.session, **self.place)

    @property
    def there(self) -> Any:
        return self.client.get_model("credit")

    def aliases(self) -> dict[str, str]:
        """Those that somebody has set."""
        rows = self.there.show_versions()
        found = {alias: row["name"] for _, row in rows.iterrows() for alias in json.loads(row["aliases"])}
        return {alias: name for alias, name in found.items() if alias not in ("DEFAULT", "FIRST", "LAST")}

    def runs(self) -> Any:
        """Snowflake's own client of experiments, which is one for all of a process."""
        from snowflake.ml.experiment import ExperimentTracking

        ExperimentTracking._instance = None
        found = ExperimentTracking(self.session, **self.place)
        found.set_experiment("LAB_FLOW")
        return found


@pytest.fixture
def shop(desk: Callable[..., Desk], snowflake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("FIRNFLOW_TRACKING", "snowflake")
    _, _, connection, database, schema = snowflake_url.split("/")
    section = f'connection = "{connection}"\ndatabase = "{database}"\nschema = "{schema}"'
    made = Shop(desk(FLOW, f"[environments.local.snowflake]\n{section}"), database, schema)
    yield made
    made.tracker.close()
    gc.collect()  # temporary folders that Snowflake's client forgets


def test_a_promotion_and_a_rollback_are_what_snowflakes_client_sees(shop: Shop, tmp_path: Path) -> None:
    shop.train(1)
    shop.train(2)
    shop.registry.promote("credit", 1, expected=None, reason="the first", by="anna")
    assert shop.tell() == []
    model = shop.there
    first = model.version("champion")
    assert (first.version_name, model.default.version_name) == ("V1", "V1")
    assert model.version("V2").show_metrics() == {"auc": 0.9}
    assert "| auc | 0.9 |" in first.comment
    assert "**promote** version 1 as `champion`" in model.comment
    rows = pd.DataFrame({"x": [0.0, 1.0, 0.3]})
    ours = models.predict(shop.registry.load("credit/1"), rows).to_pandas()
    assert first.load(force=True).predict(rows).equals(ours)
    (function,) = first.show_functions()
    assert [each.name for each in function["signature"].inputs] == ["x"]
    assert [each.name for each in function["signature"].outputs] == ["probability", "predicted"]
    assert not [
        file for file in _files(first, tmp_path / "all") if is_pickle(file) or file.suffix in (".pkl", ".pickle")
    ]

    shop.registry.promote("credit", 2, expected=1, reason="better", by="bert")
    shop.registry.set_alias("credit", "challenger", 1, reason="to compare", by="bert")
    assert shop.tell() == []
    assert shop.there.default.version_name == "V2"
    assert shop.aliases() == {"CHAMPION": "V2", "CHALLENGER": "V1"}
    shop.registry.rollback("credit", reason="2 is slow", by="anna")
    shop.registry.set_alias("credit", "challenger", None, reason="done", by="anna")
    assert shop.deliverer().waiting() == ["model credit"]
    assert shop.tell() == []
    assert (shop.there.default.version_name, shop.aliases()) == ("V1", {"CHAMPION": "V1"})
    shop.registry.set_alias("credit", "to-come", 2, reason="soon", by="anna")
    assert shop.tell() == ["credit@to-come: Snowflake takes no alias of this name"]
    assert shop.aliases() == {"CHAMPION": "V1"}


def test_a_sender_that_dies_at_any_statement_doubles_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.train(1)
    shop.registry.promote("credit", 1, expected=None, reason="the first", by="anna")
    send, left = Account.rows, 0

    def rows(account: Account, statement: str) -> Any:
        nonlocal left
        if not statement.startswith(("SHOW", "SELECT")):
            left -= 1
            if left < 0:
                raise InjectedCrash("here")
        return send(account, statement)

    monkeypatch.setattr(Account, "rows", rows)
    deaths = 0
    for allowed in range(30):
        left = allowed
        try:
            assert shop.tell() == []
            break
        except InjectedCrash:
            deaths += 1
    assert deaths > 8
    monkeypatch.undo()
    assert list(shop.there.show_versions()["name"]) == ["V1"]
    assert (shop.aliases(), shop.there.default.version_name) == ({"CHAMPION": "V1"}, "V1")
    (run,) = shop.runs().list_params().collect()
    assert run["firnflow.status"] == "succeeded"
    with shop.desk.state.engine.begin() as connection:  # it died before it had written down what it told
        connection.execute(schema.tracked.delete())
    assert shop.tell() == []
    assert list(shop.there.show_versions()["name"]) == ["V1"]


def test_what_was_changed_by_hand_is_said_and_set_back(shop: Shop) -> None:
    for depth in (1, 2, 3):
        shop.train(depth)
    shop.registry.promote("credit", 3, expected=None, reason="good", by="anna")
    shop.registry.register("other", shop.registry.load("credit/1"), by="anna")
    assert shop.tell() == []
    there = shop.there
    there.version("V3").unset_alias("champion")
    there.version("V1").set_alias("champion")
    there.version("V2").set_alias("theirs")
    there.default = "V2"
    there.version("V1").set_metric("auc", 1.0)
    there.version("V1").set_metric("their_own", 2.0)
    there.comment = "mine"
    there.delete_version("V3")
    assert {line.partition(": ")[2] for line in shop.tell()} == {
        "its comment was changed by hand. It was set back",
        "what is said of version V1 was changed by hand. It was set back",
        "the alias CHAMPION was moved to version V1 by hand. The state says version 3: it was set back",
        "the alias THEIRS was set by hand. It is not ours, and was left alone",
        "the default version was set to V2 by hand. The champion is version 3: it was set back",
        "version V3 was deleted by hand. It was made again",
    }
    assert shop.aliases() == {"CHAMPION": "V3", "THEIRS": "V2"}
    assert shop.there.default.version_name == "V3"
    assert shop.there.version("V1").show_metrics() == {"auc": 0.9, "their_own": 2.0}
    assert [line.partition(": ")[2][:9] for line in shop.tell()] == ["the alias"]

    shop.registry.archive("credit", 1, reason="old", by="anna")
    shop.registry.delete("credit", 2, reason="never used", by="anna")
    shop.registry.delete("other", 1, reason="a mistake", by="anna")
    shop.tell()
    assert sorted(shop.there.show_versions()["name"]) == ["V1", "V3"]
    assert [each.name for each in shop.client.models()] == ["CREDIT"]


def test_a_model_that_is_not_ours_is_not_touched_and_holds_up_no_other(shop: Shop) -> None:
    shop.train(1)
    shop.registry.register("mine-2", shop.registry.load("credit/1"), by="anna")
    shop.registry.register("rules", ff.Model(Document({"limit": 1})), by="anna")
    other = shop.desk.deliverer(shop.tracker, "snowflake")
    shop.tracker._mark = "firnflow project=another environment=prod"
    (left_out,) = other.deliver()
    assert left_out.startswith("rules/1 is not in Snowflake's registry: ")
    before = shop.there.show_versions()
    shop.tracker._mark = "firnflow project=lab environment=local"
    shop.registry.register("new", shop.registry.load("credit/1"), by="anna")
    with shop.desk.state.engine.begin() as connection:
        connection.execute(schema.tracked.delete())
    with pytest.raises(StoreError, match="version V1 of model CREDIT is not credit/1 of this project: somebody else"):
        shop.deliverer().deliver()
    assert shop.there.show_versions().equals(before)
    assert sorted(each.name for each in shop.client.models()) == ['"mine-2"', "CREDIT", "NEW"]
    assert sorted(shop.deliverer().waiting()) == ["model credit", "model mine-2"]


def test_a_role_that_may_not_and_a_schema_that_is_not_there_are_named(shop: Shop) -> None:
    database, schema = shop.place.values()
    for statement in (
        f"CREATE ROLE {schema}",
        f"GRANT ROLE {schema} TO USER EMULATOR",
        f"GRANT USAGE ON DATABASE {database} TO ROLE {schema}",
        f"GRANT USAGE ON SCHEMA {database}.{schema} TO ROLE {schema}",
        f"GRANT CREATE EXPERIMENT ON SCHEMA {database}.{schema} TO ROLE {schema}",
    ):
        shop.session.sql(statement).collect()
    shop.train(1)
    settings = shop.desk.project.settings
    for changes, said in (
        ({"role": schema}, rf"access control.* Mend: GRANT CREATE MODEL ON SCHEMA {database}.{schema} TO ROLE"),
        ({"schema_": "nosuch"}, r"schema = 'nosuch': there is none in Snowflake, or the role \w+ may not use it"),
        ({"database": None, "schema_": None}, r"says not which schema of Snowflake is its own. Mend: database = 'ml'"),
    ):
        section = settings.snowflake.model_copy(update=changes)
        tracker = tracker_of(replace(settings, snowflake=section), shop.desk.root)
        with pytest.raises(FirnflowError, match=said):
            shop.desk.deliverer(tracker, "snowflake").deliver()
        tracker.close()


def test_two_senders_at_once_make_one_version(shop: Shop) -> None:
    shop.train(1)
    found: list[list[Delivery]] = []

    def send() -> None:
        state = State(shop.desk.project.settings.state.reveal())
        tracker = tracker_of(shop.desk.project.settings, shop.desk.root)
        made = TrackingDeliverer(tracker, "snowflake", shop.desk.project.settings, state, shop.desk.stores.artifacts)
        found.append(deliver([made], state.engine))
        made.close()
        state.close()

    both = [threading.Thread(target=send) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [(each.waiting, each.error, each.said) for (each,) in found] == [(0, None, ()), (0, None, ())]
    assert list(shop.there.show_versions()["name"]) == ["V1"]
    assert len(shop.runs().list_params().collect()) == 1


def test_a_run_its_metrics_and_files_are_in_an_experiment(shop: Shop, tmp_path: Path) -> None:
    shop.train(2)
    assert shop.tell() == []
    runs = shop.runs()
    (params,) = runs.list_params().collect()
    name = params["run_name"]
    (run,) = shop.desk.state.runs(limit=1)
    assert name == run.id.upper().replace("-", "_")
    assert (params["depth"], params["firnflow.run"], params["firnflow.project"]) == ("2", run.id, "lab")
    history = [(row["name"], row["step"], row["value"]) for row in runs.get_metric_history(name).collect()]
    assert history == [("train/a$$;'b", 0, 1.0), ("train/loss", 0, 0.25), ("train/loss", 1, 0.125)]
    assert sorted(each.name for each in runs.list_artifacts(name)) == ["models/train.zip", "run.json"]
    runs.download_artifacts(name, "run.json", str(tmp_path))
    assert json.loads((tmp_path / "run.json").read_text())["params"] == {"depth": "2"}
    with pytest.raises(RuntimeError, match="no longer running"):
        runs.start_run(name)


def test_where_no_firnflow_is_installed_a_version_brings_its_own(tmp_path: Path) -> None:
    from sklearn.tree import DecisionTreeClassifier

    model = ff.Model(DecisionTreeClassifier(random_state=0).fit([[0.0], [1.0]], [0, 1]), ("x",))
    digest = models.save(model, tmp_path / "model.zip")
    named = tmp_path / f"{digest}.zip"
    (tmp_path / "model.zip").rename(named)
    installed = _with_needs(each.partition("==")[0] for each in packing.requirements(models.Predictor(model)))
    of = {module: {_canonical(name) for name in names} for module, names in packages_distributions().items()}
    absent = [module for module, names in of.items() if not names & installed and "mlflow-skinny" not in names]
    with packing._folder(named, "M", "mark") as folder:
        code = f"""
            import json, sys

            from importlib.machinery import PathFinder

            class Others(PathFinder):
                @classmethod
                def find_spec(cls, name, path=None, target=None):
                    return None if name.partition(".")[0] in absent else super().find_spec(name, path, target)

            absent = frozenset({absent!r})
            sys.path.append({sysconfig.get_path("purelib")!r})
            sys.meta_path[sys.meta_path.index(PathFinder)] = Others
            import mlflow.pyfunc, pandas as pd
            found = mlflow.pyfunc.load_model({str(folder)!r}).predict(pd.DataFrame({{"x": [0.0, 1.0]}}))
            print(json.dumps([sys.modules["firnflow"].__file__, found.values.tolist()]))
        """
        code = textwrap.dedent(code)
        done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    place, found = json.loads(done.stdout.splitlines()[-1])
    assert place.endswith("firnflow.zip/firnflow/__init__.py")
    assert found == [[0.0, 0.0], [1.0, 1.0]]


def _with_needs(names: Iterable[str]) -> set[str]:
    """Return distributions with all that they need themselves."""
    found: set[str] = set()
    left = [*map(_canonical, names)]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            with contextlib.suppress(PackageNotFoundError):
                needs = [each for each in requires(name) or () if "extra ==" not in each]
                left += [_canonical(re.match(r"[\w.-]+", each)[0]) for each in needs]
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files(version: Any, folder: Path) -> list[Path]:
    from snowflake.ml.model import ExportMode

    folder.mkdir()
    version.export(str(folder), export_mode=ExportMode.FULL)
    return [path for path in folder.rglob("*") if path.is_file()]


def test_decimals_are_read_as_doubles_and_what_no_model_reads_is_named() -> None:
    kinds = {"decimal(15, 1)": "DOUBLE", "!int64": "INT64", "timestamp(6)": "TIMESTAMP_NTZ", "string": "STRING"}
    assert {given: packing._kind("x", given) for given in kinds} == kinds
    with pytest.raises(packing.NotPredictingError, match="its column 'x' is a array<int64>, which no model"):
        packing._kind("x", "array<int64>")
