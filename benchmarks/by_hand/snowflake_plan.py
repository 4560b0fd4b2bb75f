"""Compiles, plans and applies a pipeline of N tasks for Snowflake, twice; prints the seconds, and what was sent.

python snowflake_plan.py N
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import firnflow as ff
from firnflow.project import Project, load_settings
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.plan import plan_apply
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.grammar import parse, render_expression, render_name
from firnflow.targets.snowflake.target import SnowflakeTarget

ASKED = re.compile(r"SYSTEM\$GET_TAG\('([^']+)', '([^']+)', '([^']+)'\) AS (T\d+)")
"""Read without our grammar, whose speed is none of an account's."""
LIMITS = ("USER_TASK_TIMEOUT_MS", "SUSPEND_TASK_AFTER_NUM_FAILURES")
TOML = """
[project]
name = "bench"
[environments.prod]
orchestrator = "snowflake"
artifacts = "s3://bench"
[environments.prod.snowflake]
database = "ml"
schema = "prod"
warehouse = "wh"
pool = "small"
pools.small = {}
variables = { FIRNFLOW_STATE = "elsewhere" }
"""


@ff.task
def step(x: int) -> int:
    return x


class Kept(Account):
    """An account in memory: tasks, and the names of what else was made."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.tasks: dict[str, dict[str, Any]] = {}
        self.made: dict[tuple[str, str], dict[str, Any]] = {}
        self.tags: dict[tuple[str, str], dict[str, str]] = {}
        self.paths: list[str] = []
        self.sent: list[str] = []

    def _send(self, text: str) -> list[dict[str, Any]]:  # noqa: PLR0911 - one for each kind of statement
        if text.startswith("SHOW TASKS"):
            return list(self.tasks.values())
        if text.startswith("SHOW PARAMETERS"):
            own = self.tasks[text.rpartition(".")[2].strip('"')]["limits"]
            return [{"key": key, "value": str(value), "level": "TASK"} for key, value in own.items()]
        if text.startswith("SHOW"):
            return [row for (kind, _), row in self.made.items() if text.split()[1].startswith(kind)]
        if text.startswith("LIST"):
            return [{"name": name, "last_modified": ""} for name in self.paths]
        if text.startswith("SELECT CURRENT_ROLE"):
            return [{"role": "ACCOUNTADMIN"}]
        if text.startswith("SELECT SYSTEM$GET_TAG"):
            return [{column.lower(): self._tag(tag, name, kind) for tag, name, kind, column in ASKED.findall(text)}]
        self.sent.append(text)
        self._keep(parse(text))
        return []

    def _tag(self, tag: str, name: str, kind: str) -> str | None:
        return self.tags.get((kind, _last(name.partition("(")[0])), {}).get(_last(tag))

    def _keep(self, statement: Any) -> None:
        if getattr(statement, "action", None) == "SET TAG":
            said = {name.last: value for name, value in statement.value.entries}
            self.tags[statement.kind, statement.name.last] = said
        elif type(statement).__name__ == "Put":
            name = statement.file.text.rpartition("/")[2]
            self.paths.append(f"firnflow/{statement.stage.path}/{name}")
        elif type(statement).__name__ == "Select":
            for row in self.tasks.values():
                row["state"] = "started"
        elif type(statement).__name__ == "Alter":
            self.tasks[statement.name.last]["state"] = "started" if statement.action == "RESUME" else "suspended"
        elif statement.kind != "TASK":
            comment = statement.get("COMMENT")
            self.made[statement.kind, statement.name.last] = {
                "name": statement.name.last,
                "comment": comment,
                "description": comment,
            }
        else:
            when, config, ends = statement.get("WHEN"), statement.get("CONFIG"), statement.get("FINALIZE")
            self.tasks[statement.name.last] = {
                "name": statement.name.last,
                "comment": statement.get("COMMENT"),
                "warehouse": "WH",
                "schedule": statement.get("SCHEDULE"),
                "config": config.text if config is not None else None,
                "predecessors": json.dumps([render_name(name) for name in statement.get("AFTER", ())]),
                "condition": render_expression(when) if when is not None else None,
                "definition": statement.get("AS").text,
                "task_relations": {"FinalizedRootTask": render_name(ends)} if ends is not None else {},
                "state": "suspended",
                "limits": {key: value for key in LIMITS if (value := statement.get(key)) is not None},
            }


def _last(name: str) -> str:
    return name.rpartition(".")[2].strip('"')


def main(count: int, root: Path) -> None:
    @ff.pipeline
    def flow() -> None:
        x = step.options(name="n0")(1)
        for index in range(1, count - 2):
            x = step.options(name=f"n{index}")(x)

    (root / "firnflow.toml").write_text(TOML)
    account, state = Kept(), State(f"sqlite:///{root}/state.db")
    deployments = Deployments(state, "bench", "prod", "snowflake")
    project = Project(root, load_settings(root, "prod"), {"flow": flow}, {})

    at = [time.perf_counter()]
    first = SnowflakeTarget(project, account)
    plan = plan_apply(first, deployments)
    at.append(time.perf_counter())
    apply_plan(plan, first, deployments, "bench")
    sent = len(account.sent)
    account.sent.clear()
    at.append(time.perf_counter())
    again = SnowflakeTarget(project, account)
    plan = plan_apply(again, deployments)
    at.append(time.perf_counter())
    apply_plan(plan, again, deployments, "bench")
    state.close()
    assert len(account.tasks) == count
    said = {"inside": at[1] - at[0], "again": at[3] - at[2], "sent_first": sent, "sent_again": len(account.sent)}
    print(json.dumps(said))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(int(sys.argv[1]), Path(folder))
