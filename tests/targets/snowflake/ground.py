"""A schema of the emulator's, and a project that is deployed there as users do it."""

from __future__ import annotations

import contextlib
import functools
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
    """A schema of the emulator's, and a project that is deployed there.

    Args:
        root: of the project.
        port: of the emulator.
        text: its TOML.
        schema: the full name of the schema, as it is written in SQL.

    Attributes:
        admin: a cursor that may do everything.
    """

    def __init__(self, root: Path, port: int, text: str, schema: str) -> None:
        import snowflake.connector as snowflake

        self.root, self.port, self.schema = root, port, schema
        root.mkdir(exist_ok=True)
        (root / "firnflow.toml").write_text(text)
        (root / "pipelines.py").write_text("# the code\n")
        self._where = {"protocol": "http", "host": "127.0.0.1", "account": "emulator"}
        self._where |= {"user": "EMULATOR", "password": "x"}
        self.opened: list[Any] = [snowflake.connect(**self._where, port=port)]
        self.admin = self.opened[0].cursor()
        for made in ("DATABASE", "ML"), ("SCHEMA", schema), ("WAREHOUSE", "WH"):
            self.admin.execute(f"CREATE {made[0]} IF NOT EXISTS {made[1]}")
        self.state = State(f"sqlite:///{root}/applied.db")
        self.deployments = Deployments(self.state, "shop", "prod", "snowflake")

    def connect(self, port: int | None = None, tries: int = 5) -> Any:
        """Return a connection as targets make it, to the emulator or what stands before it.

        What is cut is sent again at once, so many times at most.
        """
        import snowflake.connector as snowflake

        where = {**self._where, "port": port or self.port, "connection_name": None}
        where["backoff_policy"] = functools.partial(waits_nothing, tries)
        real = snowflake.connect
        with mock.patch.object(snowflake, "connect", lambda **asked: real(**{**asked, **where})):
            self.opened.append(connection.connect(load_settings(self.root, "prod"), self.root)[0])
        return self.opened[-1]

    def project(self, *pipelines: Any) -> Project:
        """Return the project, with some pipelines."""
        return Project(self.root, load_settings(self.root, "prod"), {each.name: each for each in pipelines}, {})

    def target(self, *pipelines: Any, connect: Callable[[], Any] | None = None) -> SnowflakeTarget:
        """Return the target of some pipelines."""
        return SnowflakeTarget(self.project(*pipelines), Account(connect or self.connect))

    def apply(self, *pipelines: Any, connect: Callable[[], Any] | None = None) -> Plan:
        """Plan and apply; without pipelines all is taken away."""
        target = self.target(*pipelines, connect=connect)
        plan = (plan_apply if pipelines else plan_destroy)(target, self.deployments)
        apply_plan(plan, target, self.deployments, "me@here")
        return plan

    def shown(self, what: str) -> list[dict[str, Any]]:
        """Return the rows of SHOW in the schema."""
        self.admin.execute(f"SHOW {what} IN SCHEMA {self.schema}")
        names = [each.name for each in self.admin.description]
        return [dict(zip(names, each, strict=True)) for each in self.admin.fetchall()]

    def there(self) -> dict[str, Any]:
        """Return what lies in the schema, without the times at which it was made."""
        changing = {"created_on", "id", "last_committed_on", "last_suspended_on"}
        found: dict[str, Any] = {
            f"{what} {row['name']}": {key: str(value) for key, value in row.items() if key not in changing}
            for what in ("TASKS", "STAGES", "PROCEDURES")
            for row in self.shown(what)
        }
        if "STAGES FIRNFLOW" in found:
            self.admin.execute(f"LIST @{self.schema}.FIRNFLOW")
            found["files"] = sorted((name, size) for name, size, *_ in self.admin.fetchall())
        return found

    def close(self) -> None:
        """Drop the schema, and close all."""
        self.state.close()
        self.admin.execute(f"DROP SCHEMA IF EXISTS {self.schema}")
        self.admin.execute("DROP COMPUTE POOL IF EXISTS SMALL")
        for each in self.opened:
            with contextlib.suppress(Exception):
                each.close()
