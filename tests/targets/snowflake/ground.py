"""A schema of the emulator's, and a project that is deployed there as users do it."""

from __future__ import annotations

import contextlib
import functools
import json
import uuid
from typing import TYPE_CHECKING, Any
from unittest import mock

from firnflow.project import Project, load_settings
from firnflow.stores.snowflake import connection, patience
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.plan import plan_apply, plan_destroy
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.target import SnowflakeTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.targets.plan import Plan


def waits_nothing(tries: int) -> Iterator[int]:
    """The patience of connections, which `waits` ends by its own error, without its waiting."""
    yield from [0] * tries
    with mock.patch.object(patience, "PATIENCE", -1.0):
        yield from patience.waits()


class Ground:
    """A schema of the emulator's of its own, and a project that is deployed there.

    Args:
        root: of the project.
        port: of the emulator.
        section: TOML of the project with an environment in a schema `prod`.
        schema: its name, as it is written in SQL.
        more: TOML of the section.
    """

    def __init__(self, root: Path, port: int, section: str, schema: str = "", more: str = "") -> None:
        self.root, self.port = root, port
        self.schema = schema or f"S{uuid.uuid4().hex[:12].upper()}"
        section = section.replace('schema = "prod"', f"schema = {json.dumps(self.schema)}")
        root.mkdir(exist_ok=True)
        (root / "firnflow.toml").write_text(section + more)
        (root / "pipelines.py").write_text("# the code\n")
        self.opened: list[Any] = []
        self.admin = self.connect().cursor()
        for made in ("DATABASE", "ML"), ("SCHEMA", f"ML.{self.schema}"), ("WAREHOUSE", "WH"):
            self.admin.execute(f"CREATE {made[0]} IF NOT EXISTS {made[1]}")
        pool = "CREATE COMPUTE POOL IF NOT EXISTS TEAM_POOL MIN_NODES=1 MAX_NODES=1 INSTANCE_FAMILY=CPU_X64_S"
        self.admin.execute(pool)
        self.state = State(f"sqlite:///{root}/applied.db")
        self.deployments = Deployments(self.state, "shop", "prod", "snowflake")

    def connect(self, port: int | None = None, tries: int = 5) -> Any:
        """Return a connection as targets make it, to the emulator or what stands before it.

        What is cut is sent again at once, so many times at most.
        """
        import snowflake.connector as snowflake

        where = {"protocol": "http", "host": "127.0.0.1", "port": port or self.port, "account": "emulator"}
        where |= {
            "connection_name": None,
            "user": "EMULATOR",
            "password": "x",
            "backoff_policy": functools.partial(waits_nothing, tries),
        }
        real = snowflake.connect
        with mock.patch.object(snowflake, "connect", lambda **asked: real(**{**asked, **where})):
            self.opened.append(connection.connect(load_settings(self.root, "prod"), self.root)[0])
        return self.opened[-1]

    def target(self, *pipelines: Any, connect: Callable[[], Any] | None = None) -> SnowflakeTarget:
        """Return the target of some pipelines."""
        made = Project(self.root, load_settings(self.root, "prod"), {each.name: each for each in pipelines}, {})
        return SnowflakeTarget(made, Account(connect or self.connect))

    def apply(self, *pipelines: Any, connect: Callable[[], Any] | None = None) -> Plan:
        """Plan and apply; without pipelines all is taken away."""
        target = self.target(*pipelines, connect=connect)
        plan = (plan_apply if pipelines else plan_destroy)(target, self.deployments)
        apply_plan(plan, target, self.deployments, "me@here")
        return plan

    def there(self) -> dict[str, Any]:
        """Return what lies in the schema, without the times at which it was made."""
        found: dict[str, Any] = {}
        for what in ("TASKS", "STAGES", "PROCEDURES"):
            self.admin.execute(f"SHOW {what} IN SCHEMA ML.{self.schema}")
            names = [each.name for each in self.admin.description]
            for row in (dict(zip(names, each, strict=True)) for each in self.admin.fetchall()):
                name = row["name"].replace(self.schema, "…")
                changing = {"created_on", "id", "last_committed_on", "last_suspended_on", "schema_name"}
                found[f"{what} {name}"] = {
                    key: str(value).replace(self.schema, "…") for key, value in row.items() if key not in changing
                }
        if any(each.startswith("STAGES") for each in found):
            self.admin.execute(f"LIST @ML.{self.schema}.FIRNFLOW")
            found["files"] = sorted((name, size) for name, size, *_ in self.admin.fetchall())
        return found

    def close(self) -> None:
        """Drop the schema, and close all."""
        self.state.close()
        self.admin.execute(f"DROP SCHEMA IF EXISTS ML.{self.schema}")
        self.admin.execute("DROP COMPUTE POOL IF EXISTS SMALL")
        for each in self.opened:
            with contextlib.suppress(Exception):
                each.close()
