"""Pipelines of tables that others keep in the account: started by their changes, each once, and none lost."""

from __future__ import annotations

import contextlib
import re
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from firnflow.engine.request import RunRequest
from firnflow.engine.run import run
from firnflow.errors import UsageError
from firnflow.project import load_project
from firnflow.stores import Stores
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.plan import plan_apply, plan_destroy
from firnflow.targets.snowflake.operator import SnowflakeOperator
from firnflow.targets.snowflake.target import SnowflakeTarget
from firnflow.values import load
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SETTINGS = """
[project]
name = "shop"
pipelines = ["{module}"]
[environments.here]
snowflake = {{ connection = "{connection}", database = "{database}", schema = "{schema}" }}
[environments.there]
inherits = "here"
warehouse = "snowflake"
[environments.prod]
inherits = "there"
orchestrator = "snowflake"
tracking = "none"
state = "snowflake"
artifacts = "snowflake"
snowflake.warehouse = "COMPUTE_WH"
snowflake.stage = "code"
"""
CATALOG = """
[orders]
table = '{outside}."Orders; of é"'
columns.N = {{ type = "int", null = false }}
[sales]
view = "{outside}.sales"
"""
PIPELINES = """
import time
import ibis
import firnflow as ff

@ff.task
def sums(orders: ibis.Table) -> ibis.Table:
    time.sleep(1.5)
    return orders.group_by("K").agg(total=orders["N"].sum(), n=orders.count())

@ff.pipeline(schedule=ff.OnUpdate(source="orders") | ff.OnUpdate(source="sales"))
def shop():
    sums(ff.source("orders"))
"""
ORDERS = 'OUTSIDE."Orders; of é"'


class Shop:
    """A project over a schema in which somebody else keeps tables."""

    def __init__(self, root: Path, url: str) -> None:
        import snowflake.connector

        connection, database, schema = url.removeprefix("snowflake://").split("/")
        self.root, self.name = root, f"flows_{uuid.uuid4().hex[:12]}"
        text = SETTINGS.format(module=self.name, connection=connection, database=database, schema=schema)
        (root / "firnflow.toml").write_text(text)
        (root / "catalog.toml").write_text(CATALOG.format(outside=f"Outside_{schema}"))
        (root / f"{self.name}.py").write_text(PIPELINES)
        self.schema, self._outside = f"{database}.{schema}", f"{database}.OUTSIDE_{schema}"
        self._connection = snowflake.connector.connect(connection_name=connection, database=database, schema=schema)
        self(f"CREATE SCHEMA {self._outside}", f"CREATE TABLE {ORDERS} (K VARCHAR, N INT)")
        self(f"INSERT INTO {ORDERS} VALUES ('a', 1), ('a', 2), ('b', 3)")
        self("CREATE TABLE OUTSIDE.BOOKED (N INT)", "CREATE VIEW OUTSIDE.SALES AS SELECT N FROM OUTSIDE.BOOKED")

    def __call__(self, *statements: str) -> list[Any]:
        with self._connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each.replace("OUTSIDE.", f"{self._outside}."))
            return cursor.fetchall()

    def close(self) -> None:
        self(f"DROP SCHEMA {self._outside}")
        self._connection.close()

    def as_role(self, role: str) -> None:
        path = self.root / "firnflow.toml"
        path.write_text(f'{path.read_text()}snowflake.role = "{role}"\n')

    def project(self, environment: str = "prod") -> Any:
        sys.modules.pop(self.name, None)
        return load_project(self.root, environment)

    @contextlib.contextmanager
    def deploying(self) -> Iterator[tuple[SnowflakeTarget, Deployments]]:
        with contextlib.closing(State(f"sqlite:///{self.root}/applied.db")) as state:
            yield SnowflakeTarget(self.project()), Deployments(state, "shop", "prod", "snowflake")

    def plan(self, make: Any = plan_apply, *, apply: bool = False) -> list[str]:
        with self.deploying() as (target, deployments):
            plan = make(target, deployments)
            if apply:
                apply_plan(plan, target, deployments, "me@here")
            return [f"{type(each).__name__} {each.address}" for each in plan.actions]

    def runs(self, count: int) -> list[Any]:
        """Wait until so many runs have ended, and a little longer; return all there are."""
        operator, until = SnowflakeOperator(self.root, self.project().settings), time.monotonic() + 200
        found = operator.runs(["shop"], 10)
        while sum(each.is_over for each in found) < count:
            assert time.monotonic() < until, found
            time.sleep(0.2)
            found = operator.runs(["shop"], 10)
        assert {each.status for each in found if each.is_over} <= {"succeeded"}, found
        return found

    def sums(self, environment: str, ref: Ref) -> list[dict[str, Any]]:
        project = self.project(environment)
        with contextlib.closing(Stores.open(project.settings, self.root)) as stores:
            found: pa.Table = load(ref, pa.Table, stores)
            return sorted(found.to_pylist(), key=repr)

    def committed(self, run_id: str) -> list[dict[str, Any]]:
        with contextlib.closing(State(self.project().settings.state.reveal())) as state:
            (done,) = [each for each in state.attempts(run_id) if each.task == "sums"]
        return self.sums("prod", Ref.from_json(done.outputs["result"]))


@pytest.fixture
def shop(snowflake_url: str, tmp_path: Path) -> Iterator[Shop]:
    with contextlib.closing(Shop(tmp_path, snowflake_url)) as made:
        yield made


def test_a_change_starts_the_graph_once_and_the_rows_are_those_that_runs_here_read(shop: Shop) -> None:
    made = shop.plan(apply=True)
    assert [each for each in made if "stream" in each or "trigger" in each] == [
        "Create stream SHOP$ON$ORDERS",
        "Create stream SHOP$ON$SALES",
        "Create trigger shop",
    ]
    assert shop.plan() == []
    shop(f"INSERT INTO {ORDERS} VALUES ('b', 4)")
    while not shop.runs(0):
        time.sleep(0.1)
    for number in range(2):  # while that runs: one run more, for both
        shop(f"INSERT INTO OUTSIDE.BOOKED VALUES ({number})")
        time.sleep(0.7)
    first = shop.runs(1)[-1]
    right = [{"K": "a", "total": 3, "n": 2}, {"K": "b", "total": 7, "n": 2}]
    assert shop.committed(first.id) == right
    for environment in ("here", "there"):
        done = run(shop.project(environment), RunRequest("shop", inline=True))
        assert shop.sums(environment, done.outputs["sums"]) == right
    time.sleep(1.2)
    assert len(shop.runs(1)) == 2  # the second one is under way, and nothing has changed since
    shop(f"SELECT SYSTEM$USER_TASK_CANCEL_ONGOING_EXECUTIONS('{shop.schema}.SHOP')")


def test_a_paused_pipeline_stays_so_where_streams_are_to_start_it_from_now_on(shop: Shop) -> None:
    module = shop.root / f"{shop.name}.py"
    on_update = module.read_text()
    module.write_text(re.sub(r"schedule=.*\)", 'schedule=ff.Cron("0 6 1 1 *"))', on_update))
    for table in (ORDERS, "OUTSIDE.BOOKED"):
        shop(f"ALTER TABLE {table} SET CHANGE_TRACKING = TRUE")
    shop("ALTER VIEW OUTSIDE.SALES SET CHANGE_TRACKING = TRUE")
    shop.plan(apply=True)
    operator = SnowflakeOperator(shop.root, shop.project().settings)
    assert operator.pause("shop", paused=True)
    module.write_text(on_update)
    assert "Create trigger shop" in shop.plan(apply=True)
    assert shop.plan() == []
    shop(f"INSERT INTO {ORDERS} VALUES ('b', 4)")
    states = {row[1]: "started" in row for row in shop(f"SHOW TASKS IN SCHEMA {shop.schema}")}
    assert [name for name, is_started in states.items() if not is_started] == ["SHOP", "_ON_UPDATE$SHOP"]
    assert operator.pause("shop", paused=False)
    assert len(shop.runs(1)) == 1


def test_a_plan_says_what_the_role_may_not_read_or_follow_and_streams_are_found_changed_and_dropped(shop: Shop) -> None:
    role = f"R{uuid.uuid4().hex[:12]}".upper()
    shop.as_role(role)
    script = [each.removesuffix(";") for each in SnowflakeTarget(shop.project()).grants()]
    selects = [each for each in script if each.startswith("GRANT SELECT")]
    assert [each.split(" TO ")[0].split("_")[0] for each in selects] == [
        *("GRANT SELECT ON TABLE TESTS.OUTSIDE", "GRANT SELECT ON VIEW TESTS.OUTSIDE"),
    ]
    database = shop.schema.split(".")[0]
    shop(*(each for each in script if each not in selects), f"GRANT ROLE {role} TO USER EMULATOR")
    shop(f"GRANT ROLE {role} TO ROLE ACCOUNTADMIN")
    with pytest.raises(UsageError) as caught:
        shop.plan()
    assert f'GRANT SELECT ON TABLE Outside_{shop.schema.split(".")[1]}."Orders; of é" TO ROLE {role}' in str(
        caught.value
    )
    assert "sales: there is no view" in str(caught.value)
    shop(*selects)
    for name, of in (("orders", "TABLE"), ("sales", "VIEW")):
        with pytest.raises(
            UsageError, match=f"source '{name}': nobody tracks the changes of {of.lower()} .*CHANGE_TRACKING"
        ):
            shop.plan()
        shop(f"ALTER {of} {ORDERS if of == 'TABLE' else 'OUTSIDE.SALES'} SET CHANGE_TRACKING = TRUE")
    assert "Create stream SHOP$ON$SALES" in shop.plan(apply=True)
    assert shop.plan() == []
    shop(f"DROP STREAM {shop.schema}.SHOP$ON$SALES", f"ALTER TASK {shop.schema}._ON_UPDATE$SHOP SUSPEND")
    assert shop.plan(apply=True) == ["Create stream SHOP$ON$SALES", "Change trigger shop"]
    catalog = shop.root / "catalog.toml"
    catalog.write_text(catalog.read_text().replace('"Orders; of é"', "booked"))
    shop(
        "ALTER TABLE OUTSIDE.BOOKED SET CHANGE_TRACKING = TRUE", "GRANT SELECT ON TABLE OUTSIDE.BOOKED TO ROLE " + role
    )
    assert "Change stream SHOP$ON$ORDERS" in shop.plan(apply=True)
    operator = SnowflakeOperator(shop.root, shop.project().settings)
    assert (operator.pause("shop", paused=True), operator.pause("shop", paused=True)) == (True, False)
    assert shop.plan() == []
    shop("INSERT INTO OUTSIDE.BOOKED VALUES (1)")
    time.sleep(1.2)
    assert operator.runs(["shop"], 10) == []
    assert [row[1] for row in shop(f"SHOW STREAMS IN SCHEMA {shop.schema}") if row[1].startswith("SHOP$")] == [
        "SHOP$ON$ORDERS",
        "SHOP$ON$SALES",
    ]
    shop(f"CREATE STREAM {shop.schema}.SHOP$ON$OTHERS ON TABLE OUTSIDE.BOOKED")
    shop.plan(plan_destroy, apply=True)
    assert [row[1] for row in shop(f"SHOW STREAMS IN SCHEMA {shop.schema}")] == ["SHOP$ON$OTHERS"]
    assert shop(f"SHOW TASKS IN SCHEMA {shop.schema}") == []
    shop(f"DROP ROLE {role}", f"USE DATABASE {database}")
