"""A project with an environment on Snowflake, and an account that keeps what it is told."""

from __future__ import annotations

import contextlib
import email.utils
import json
import re
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.errors import StoreError
from firnflow.project import Project, load_settings
from firnflow.targets.snowflake.compile.jobs import Jobs
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.compile.tasks import compile_graph
from firnflow.targets.snowflake.grammar import parse, read_name, render_name
from firnflow.targets.snowflake.grammar import statements as st
from firnflow.targets.snowflake.grammar import values as v
from firnflow.targets.snowflake.shown import LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ground import Ground

    from firnflow.targets.snowflake.compile.tasks import TaskGraph

sys.path.insert(0, str(Path(__file__).parent))
SECTION = """
[project]
name = "shop"

[environments.prod]
orchestrator = "snowflake"
warehouse = "duckdb"
state = "postgresql://db/state"
artifacts = "s3://models/shop"

[environments.prod.snowflake]
connection = "shop"
database = "ml"
schema = "prod"
warehouse = "wh"
pool = "small"
pools.small = { family = "CPU_X64_S" }
pools.big = { name = "team_pool" }
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Return what makes a project of pipelines, with more TOML in the environment's section."""

    def make(*pipelines: Any, more: str = "") -> Project:
        (tmp_path / "firnflow.toml").write_text(SECTION + more)
        (tmp_path / "pipelines.py").write_text("# the code\n")
        return Project(tmp_path, load_settings(tmp_path, "prod"), {each.name: each for each in pipelines}, {})

    return make


@pytest.fixture
def compiled(project: Callable[..., Project]) -> Callable[..., TaskGraph]:
    """Return what compiles a pipeline."""

    def compile_one(pipeline: Any, defaults: dict[str, Any] | None = None, more: str = "") -> TaskGraph:
        made = project(pipeline, more=more)
        place = place_of(made)
        return compile_graph(pipeline.build(), place, Jobs(made, place, "0123456789abcdef"), defaults or {})

    return compile_one


NOW = email.utils.formatdate(usegmt=True)
GRANTED = [
    ("USAGE", "DATABASE", "ML"),
    ("OWNERSHIP", "SCHEMA", "ML.PROD"),
    ("CREATE TASK", "SCHEMA", "ML.PROD"),
    ("CREATE STAGE", "SCHEMA", "ML.PROD"),
    ("CREATE PROCEDURE", "SCHEMA", "ML.PROD"),
    ("CREATE SERVICE", "SCHEMA", "ML.PROD"),
    ("CREATE TAG", "SCHEMA", "ML.PROD"),
    ("USAGE", "WAREHOUSE", "WH"),
    ("EXECUTE TASK", "ACCOUNT", "XY12345"),
    ("CREATE COMPUTE POOL", "ACCOUNT", "XY12345"),
    ("USAGE", "COMPUTE_POOL", "TEAM_POOL"),
]


class Told:
    """An account as far as deploying asks it: it takes what the grammar takes, and keeps tasks as SHOW tells them."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.tags: dict[tuple[str, str], dict[str, str]] = {}
        self.files: dict[str, str] = {}
        self.grants = [{"privilege": one, "granted_on": kind, "name": name} for one, kind, name in GRANTED]
        self.said: list[str] = []
        self.fails: Callable[[str], bool] = lambda _: False

    def send(self, text: str) -> list[dict[str, Any]]:
        self.said.append(text)
        if self.fails(text):
            raise StoreError("Snowflake refuses: told to")
        if text == "SELECT CURRENT_ROLE()":
            return [{"current_role()": "DEPLOYER"}]
        if text.startswith("SELECT SYSTEM$GET_TAG"):
            return [self.tags_of(text)]
        statement = parse(text)
        return getattr(self, f"on_{type(statement).__name__.lower()}")(statement) or []

    def on_create(self, made: st.Create) -> None:
        said = {each.name: each.value for each in made.properties}
        if made.kind != "TASK":
            row = {"name": made.name.last, "comment": said.get("COMMENT"), "description": said.get("COMMENT")}
            row |= {"instance_family": getattr(said.get("INSTANCE_FAMILY"), "text", None)}
            row |= {name.lower(): said.get(name) for name in ("MIN_NODES", "MAX_NODES", "AUTO_SUSPEND_SECS")}
            if not (made.if_not_exists and (made.kind, made.name.last) in self.objects):
                self.objects[made.kind, made.name.last] = row
                self.tags.pop((made.kind, made.name.last), None)
            if made.kind == "TAG":
                self.grants.append({"privilege": "OWNERSHIP", "granted_on": "TAG", "name": render_name(made.name)})
            return
        root = said.get("FINALIZE") or made.name
        for name in [*(each.last for each in said.get("AFTER", ())), *([root.last] if "FINALIZE" in said else [])]:
            if name not in self.tasks:
                raise StoreError(f"no task {name}")
            if not self.tasks[name]["predecessors"] and self.tasks[name]["state"] == "started":
                raise StoreError("Unable to update graph with root task since that root task is not suspended")
        condition = text_of(made, "WHEN")
        self.tasks[made.name.last] = {
            "name": made.name.last,
            "comment": said["COMMENT"],
            "warehouse": said["WAREHOUSE"].last,
            "schedule": said.get("SCHEDULE"),
            "config": said["CONFIG"].text if "CONFIG" in said else None,
            "predecessors": json.dumps([render_name(each) for each in said.get("AFTER", ())]),
            "condition": condition,
            "definition": said["AS"].text,
            "state": self.tasks.get(made.name.last, {"state": "suspended"})["state"],
            "allow_overlapping_execution": str(said.get("OVERLAP_POLICY") == v.Word("ALLOW_ALL_OVERLAP")).lower(),
            "task_relations": json.dumps({"FinalizedRootTask": render_name(root)} if "FINALIZE" in said else {}),
            "parameters": {name: said[name] for name in LIMITS.values() if name in said},
        }

    def on_alter(self, alter: st.Alter) -> None:
        if alter.action == "SET TAG":
            found = self.tags.setdefault((alter.kind, alter.name.last), {})
            found |= {name.last: value for name, value in alter.value.entries}
        elif alter.kind == "TASK" and alter.name.last in self.tasks:
            states = {"RESUME": "started", "SUSPEND": "suspended"}
            self.tasks[alter.name.last]["state"] = states[alter.action]
        elif alter.action == "SET":
            said = {each.name.lower(): each.value for each in alter.properties}
            self.objects[alter.kind, alter.name.last] |= said

    def on_drop(self, drop: st.Drop) -> None:
        self.tags.pop((drop.kind, drop.name.last), None)
        self.objects.pop((drop.kind, drop.name.last), None)
        gone = self.tasks.get(drop.name.last) if drop.kind == "TASK" else None
        if gone is None:
            return
        is_child = gone["predecessors"] != "[]" or drop.name.last.endswith("$FINALIZER")
        if gone["state"] == "started" and not is_child:
            raise StoreError(f"Unable to update graph with root task {drop.name.last}: that is not suspended")
        del self.tasks[drop.name.last]
        for row in self.tasks.values():
            above = [name for name in json.loads(row["predecessors"]) if not name.endswith(f".{drop.name.last}")]
            row["predecessors"] = json.dumps(above)

    def on_select(self, select: st.Select) -> list[dict[str, Any]] | None:
        root = select.items[0].arguments[0].value.rpartition(".")[2].strip('"')
        for name, row in self.tasks.items():
            if name == root or name.startswith(f"{root}$"):
                row["state"] = "started"
        return None

    def tags_of(self, text: str) -> dict[str, str | None]:
        names = re.findall(r"\) AS (T\d+)(?:,|$)", text)
        asked = parse(re.sub(r"\) AS T\d+(?=,|$)", ")", text))
        assert isinstance(asked, st.Select)
        return {name.lower(): self.tag(*each.arguments) for name, each in zip(names, asked.items, strict=True)}

    def tag(self, tag: v.Constant, name: v.Constant, kind: v.Constant) -> str | None:
        found = read_name(name.value.partition("(")[0])
        return self.tags.get((kind.value, found.last), {}).get(read_name(tag.value).last)

    def on_show(self, show: st.Show) -> list[dict[str, Any]]:
        if show.what == "GRANTS":
            return self.grants
        if show.what == "PARAMETERS":
            own = self.tasks[show.of[1].last]["parameters"]
            return [{"key": key, "value": str(value), "level": "TASK"} for key, value in own.items()]
        if show.what == "TASKS":
            return [row for name, row in sorted(self.tasks.items()) if name.startswith(show.starts_with or "")]
        kind = next(kind for kind in ("STAGE", "COMPUTE POOL", "PROCEDURE", "TAG") if show.what == f"{kind}S")
        like = re.escape(show.like or "%").replace("%", ".*").replace("_", ".")
        return [row for (of, name), row in self.objects.items() if of == kind and re.fullmatch(like, name)]

    def on_put(self, put: st.Put) -> None:
        name = put.file.text.rpartition("/")[2]
        self.files[f"{put.stage.stage.last.lower()}/{put.stage.path}/{name}"] = NOW

    def on_listfiles(self, listed: st.ListFiles) -> list[dict[str, Any]]:
        start = f"{listed.stage.stage.last.lower()}/{listed.stage.path}"
        return [{"name": name, "last_modified": at} for name, at in self.files.items() if name.startswith(start)]

    def on_removefiles(self, removed: st.RemoveFiles) -> None:
        start = f"{removed.stage.stage.last.lower()}/{removed.stage.path}"
        self.files = {name: at for name, at in self.files.items() if not name.startswith(start)}


def text_of(made: st.Create, clause: str) -> str | None:
    """Return a clause as it was written."""
    value = made.get(clause)
    if value is None:
        return None
    from firnflow.targets.snowflake.grammar import render_expression

    assert isinstance(value, v.Call | v.Operation)
    return render_expression(value)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The account that targets speak to."""
    account = Told()
    monkeypatch.setattr("firnflow.targets.snowflake.account.Account._send", lambda _, text: account.send(text))
    return account


@pytest.fixture(scope="session")
def port(_emulator: int) -> int:
    """The port of the session's emulator."""
    return _emulator


@pytest.fixture
def connect(port: int) -> Iterator[Callable[..., Any]]:
    """Return what connects in a role."""
    import snowflake.connector as snowflake

    opened: list[Any] = []

    def connect(role: str | None = None) -> Any:
        where = {"protocol": "http", "host": "127.0.0.1", "port": port, "account": "emulator", "password": "x"}
        opened.append(snowflake.connect(**where, user="EMULATOR", **({"role": role} if role else {})))
        return opened[-1]

    yield connect
    for each in opened:
        with contextlib.suppress(Exception):
            each.close()


@pytest.fixture
def ground(port: int, tmp_path: Path) -> Iterator[Callable[..., Ground]]:
    """Return what makes a ground: in a schema of its own, or in one that some TOML says."""
    from ground import Ground

    made: list[Ground] = []

    def make(schema: str = "", text: str = "") -> Ground:
        name = f"S{uuid.uuid4().hex[:12]}".upper()
        own = SECTION.replace('"prod"\nwarehouse', f'"{name}"\nwarehouse')
        made.append(Ground(tmp_path / f"ground{len(made)}", port, text or own, schema or f"ML.{name}"))
        return made[-1]

    yield make
    for each in made:
        each.close()
