"""Model monitors on Snowflake: the champion is watched, by a monitor that a promotion replaces and a rollback wakes."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from firnflow._crash import InjectedCrash
from firnflow.errors import ConfigError
from firnflow.models.registry import Registry
from firnflow.models.tracking import tracker_of
from firnflow.models.tracking.snowflake import SnowflakeTracker, monitors
from firnflow.stores.snowflake.account import Account

pytest.importorskip("snowflake.ml.registry", reason="snowflake-ml-python is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Desk
    from firnflow.project.monitors import Monitor

WATCHED = """
[monitors.credit]
table = "scores"
time = "said at"
key = ["id"]
score = "probability"
predicted = "predicted"
actual = "true"
version = "model version"
baseline = "scores_before"
segments = ["it's"]
every = "1h"
"""
COLUMNS = (
    '"id" INT, "said at" TIMESTAMP_NTZ, "x" FLOAT, "probability" FLOAT, "predicted" INT, "true" INT, "it\'s" VARCHAR'
)


class Watch:
    """Versions of `credit`, and what Snowflake says of their monitors."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.registry = desk, Registry(desk.state, desk.stores)
        settings = replace(desk.project.settings, warehouse="snowflake")  # only for the tracker: runs stay here
        self.tracker = tracker_of(settings, desk.root)
        self.sql = self.tracker._account.rows

    def train(self, depth: int) -> None:
        result = self.desk.run("flow", f"depth={depth}")
        self.registry.register("credit", result.outputs["train"], run=result.run, task="train", by="anna")

    def tables(self) -> None:
        self.sql(f'CREATE TABLE "FIRNFLOW_V$SCORES$1" ({COLUMNS}, "model version" INT)')
        self.publish(1)
        self.sql(f"CREATE TABLE scores_before ({COLUMNS})")

    def publish(self, number: int) -> None:
        """Show a version of the named table, as publishing does."""
        self.sql(f'CREATE OR REPLACE VIEW scores COPY GRANTS AS SELECT * FROM "FIRNFLOW_V$SCORES${number}"')

    def tell(self) -> list[str]:
        return self.desk.deliverer(self.tracker, "snowflake").deliver()

    def tell_dying(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """Tell by senders each of which dies one change later than the one before; return how many died."""
        real, left = Account.rows, 0

        def rows(account: Account, statement: str) -> Any:
            nonlocal left
            found = real(account, statement)
            left -= not statement.startswith(("SHOW", "SELECT"))
            if left < 0:
                raise InjectedCrash("here")
            return found

        monkeypatch.setattr(Account, "rows", rows)
        for died in range(30):
            left = died
            try:
                assert self.tell() == []
            except InjectedCrash:
                continue
            monkeypatch.undo()
            return died
        raise AssertionError("it never ends")

    def states(self) -> dict[str, str]:
        return {row["name"]: row["monitor_state"] for row in self.sql("SHOW MODEL MONITORS")}


@pytest.fixture
def watch(desk: Callable[..., Desk], snowflake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setenv("FIRNFLOW_TRACKING", "snowflake")
    _, _, connection, database, schema = snowflake_url.split("/")
    section = f'connection = "{connection}"\ndatabase = "{database}"\nschema = "{schema}"\nwarehouse = "compute_wh"'
    made = Watch(desk(settings=f"[environments.local.snowflake]\n{section}\n{WATCHED}"))
    yield made
    made.tracker.close()
    gc.collect()  # temporary folders that Snowflake's client forgets


def test_the_champion_is_watched_and_its_monitor_goes_with_promotions(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.train(1)
    watch.train(2)
    assert watch.tell() == []
    assert watch.states() == {}, "nobody is champion"
    watch.registry.promote("credit", 1, expected=None, reason="the first", by="anna")
    (said,) = watch.tell()
    assert said.startswith("credit/1 is not monitored: Snowflake refuses: ")
    assert "SCORES" in said
    assert "Mend: put that right; then `firnflow send`" in said
    watch.tables()
    assert watch.tell() == []
    assert watch.states() == {"CREDIT_V1": "ACTIVE"}
    watch.sql('CREATE TABLE "FIRNFLOW_V$SCORES$2" CLONE "FIRNFLOW_V$SCORES$1"')
    for version, score in ((1, 0.25), (2, 0.75)):
        watch.sql(
            'INSERT INTO "FIRNFLOW_V$SCORES$2" '
            "SELECT 1, SYSDATE() - INTERVAL '1 hour', 0.5, "
            f"{score}, {version - 1}, {version - 1}, 'a', {version}"
        )
    watch.publish(2)
    watch.sql("INSERT INTO scores_before SELECT 1, SYSDATE() - INTERVAL '9 days', 0.5, 0.5, 1, 1, 'a'")
    watch.sql("ALTER MODEL MONITOR credit_v1 SET BASELINE = 'SCORES_BEFORE'")
    metric = "SELECT metric_value FROM TABLE(MODEL_MONITOR_DRIFT_METRIC('CREDIT_V{}', '{}', '\"probability\"', 'ALL'))"
    assert watch.sql(metric.format(1, "DIFFERENCE_OF_MEANS")) == [{"metric_value": -0.25}], (
        "rows of version 2 count not"
    )
    told = watch.sql("DESCRIBE MODEL MONITOR credit_v1")[0]
    assert json.loads(told["columns"])["numerical_columns"] == ["x"]
    watch.registry.promote("credit", 2, expected=1, reason="better", by="anna")
    assert watch.tell_dying(monkeypatch) >= 3
    assert watch.tell() == []
    assert watch.states() == {"CREDIT_V1": "SUSPENDED", "CREDIT_V2": "ACTIVE"}
    assert watch.sql(metric.format(2, "DIFFERENCE_OF_MEANS")) == [{"metric_value": 0.25}]
    made = {row["name"]: row["created_on"] for row in watch.sql("SHOW MODEL MONITORS")}
    watch.registry.rollback("credit", reason="complaints", by="anna")
    assert watch.tell() == []
    assert watch.tell() == []
    assert watch.states() == {"CREDIT_V1": "ACTIVE", "CREDIT_V2": "SUSPENDED"}
    assert {row["name"]: row["created_on"] for row in watch.sql("SHOW MODEL MONITORS")} == made, "one was made anew"


def test_one_that_was_changed_is_made_anew_and_what_is_not_ours_stays(watch: Watch) -> None:
    watch.train(1)
    watch.tables()
    watch.registry.promote("credit", 1, expected=None, reason="the first", by="anna")
    assert watch.tell() == []
    watch.sql("DROP MODEL MONITOR credit_v1")
    assert watch.tell() == []
    assert watch.states() == {"CREDIT_V1": "ACTIVE"}, "it was dropped by hand"
    watch.tracker._monitors._wanted = {"credit": replace_of(watch.desk, every=7200.0)}
    assert watch.tell() == []
    assert [row["refresh_interval"] for row in watch.sql("SHOW MODEL MONITORS")] == ["7200 seconds"]
    watch.sql("ALTER MODEL MONITOR credit_v1 SET COMMENT = 'mine'")
    assert watch.tell() == ["model monitor CREDIT_V1 is not of this project, and was left alone"]
    watch.sql("DROP MODEL MONITOR credit_v1")
    assert watch.tell() == []
    watch.tracker._monitors._wanted = {}
    assert watch.tell() == []
    assert watch.states() == {}
    assert watch.sql("SHOW VIEWS LIKE 'CREDIT%'") == []


def replace_of(desk: Desk, **changes: Any) -> Monitor:
    return desk.project.settings.monitors["credit"].model_copy(update=changes)


def test_what_no_monitor_of_snowflake_can_be_is_named(desk: Callable[..., Desk]) -> None:
    made = desk(settings=f"[environments.local.snowflake]\nwarehouse = 'wh'\n{WATCHED}")
    settings = replace(made.project.settings, warehouse="snowflake")
    monitors.check(settings, made.root)
    for change, said in (
        ({"window": 43_200.0}, r"window: .* whole days\. Mend: window = '1d'"),
        ({"every": 30.0}, r"every: .* 60 seconds at the most\. Mend: every = '1h'"),
        ({"segments": tuple("abcdef")}, r"segments: .* 5 at the most\. Mend: leave some out"),
    ):
        changed = replace(settings, monitors={"credit": replace_of(made, **change)})
        with pytest.raises(ConfigError, match=rf"\[monitors\.credit\] {said}"):
            monitors.check(changed, made.root)
        with pytest.raises(ConfigError, match=rf"\[monitors\.credit\] {said}"):  # whatever runs the pipelines
            SnowflakeTracker(changed, made.root)
    with pytest.raises(ConfigError, match=r"'scores', which is not in Snowflake here\. Mend: warehouse = 'snowflake'"):
        monitors.check(made.project.settings, made.root)
    nowhere = settings.snowflake.model_copy(update={"warehouse": None})
    with pytest.raises(ConfigError, match=r"computed in a warehouse\. Mend: warehouse = 'wh'"):
        monitors.check(replace(settings, snowflake=nowhere), made.root)
