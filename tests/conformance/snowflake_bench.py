"""An emulator of Snowflake, or an account, on which the suite's pipelines are deployed and run, all at once."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from calling import firnflow
from outcome import Outcome, outcome
from small_examples import EXAMPLES, SMALL

from firnflow.project import load_settings
from firnflow.stores.snowflake.connection import connect
from firnflow.targets.operate import Order, TargetRun
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.operator import SnowflakeOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "FIRNFLOW_TEST_SNOWFLAKE"
"""The variable with the section `snowflake` of an account, as TOML: `{ connection = "…", database = "…", … }`. The role
makes schemas in the database, as the suite runs in one of its own."""
SECTION = os.environ.pop(ACCOUNT, None)  # else settings would refuse a variable that they do not know
FLOWS = Path(__file__).parent / "project" / "flows.py"
SETTINGS = """
[project]
name = "conformance"
pipelines = ["on_snowflake"]

[environments.prod]
orchestrator = "snowflake"
tracking = "none"
cache = false
{more}
"""
NEED_A_FOLDER = ("retried", "timed_out")
SECTION_HERE = """
[environments.prod.snowflake]
connection = "emulator"
database = "conformance"
schema = "{schema}"
warehouse = "wh"
pool = "all"
pools.all = {{ name = "conformance_{schema}", family = "CPU_X64_S", max_nodes = 4 }}
"""
BY_JOBS = f"""
warehouse = "duckdb"
state = "{{state}}"
artifacts = "{{folder}}/{{schema}}"
{SECTION_HERE}
image = "/conformance/suite/images/suite:1"
variables = {{{{ FIRNFLOW_STATE = "{{state}}", FIRNFLOW_ARTIFACTS = "{{folder}}/{{schema}}" }}}}
"""
"""Nothing is in Snowflake but the tasks; each is a job of an image."""
LOGIN = """[emulator]
protocol = "http"
host = "127.0.0.1"
port = {port}
account = "emulator"
user = "EMULATOR"
password = "x"
"""
MADE = (
    *("DATABASE conformance", "SCHEMA conformance.suite", "SCHEMA conformance.churn", "WAREHOUSE wh"),
    "IMAGE REPOSITORY conformance.suite.images",
)
LONG = 900.0


@dataclass
class Bench:
    """A project that is deployed, and its runs.

    Args:
        root: the project's folder.
        variables: of the calls of `firnflow`.
        state: the URL of the state.
        marks: an empty folder that tasks reach.
        account: where it is; None: where the settings lead.
    """

    root: Path
    variables: dict[str, str]
    state: str
    marks: Path
    account: Account | None = None
    runs: dict[str, TargetRun] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.operator = SnowflakeOperator(self.root, load_settings(self.root, "prod"), self.account)

    def call(self, *arguments: str, code: int = 0) -> str:
        return firnflow(self.root, *arguments, "--env", "prod", code=code, variables=self.variables)

    def start(self, case: Any) -> None:
        folder = self.marks / case.pipeline if self.account is not None else self.marks  # a container has it to itself
        if any("FOLDER" in value for value in case.params.values()):
            folder.mkdir(parents=True, exist_ok=True)
        given = {name: value.replace("FOLDER", str(folder)) for name, value in case.params.items()}
        order = Order(case.pipeline, f"suite-{case.name.replace(' ', '-')}", given, case.partition)
        self.runs[case.name] = self.operator.start(order)

    def ended(self, name: str) -> TargetRun:
        """Return the run of a case when it has ended."""
        until = time.monotonic() + LONG
        while not self.runs[name].is_over:
            assert time.monotonic() < until, f"{name} has not ended: {self.operator.tasks(self.runs[name])}"
            time.sleep(1)  # a look costs as much as a small statement
            found = self.operator.find(self.runs[name].pipeline, self.runs[name].native)
            assert found is not None
            self.runs[name] = found
        return self.runs[name]

    def outcome(self, name: str) -> Outcome:
        with mock.patch.dict(os.environ, self.variables):
            return outcome(self.state, self.runs[name].id)


@contextlib.contextmanager
def emulated(folder: Path, pipelines: list[str], more: str = BY_JOBS) -> Iterator[Bench]:
    """Give a bench on an emulator of its own; with `SECTION_HERE` all that can be in Snowflake is there."""
    import snowflake.connector as snowflake

    command = [sys.executable, "-m", "firnflow", "emulate", "snowflake", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", said := process.stderr.readline())
            assert found, said
            where = {"host": "127.0.0.1", "port": int(found[1]), "account": "emulator", "user": "EMULATOR"}
            account = Account(lambda: snowflake.connect(protocol="http", password="x", **where))
            for each in MADE:
                account.query(f"CREATE {each}")
            root = _project(folder, pipelines, _here(more, folder, "suite"))
            variables = {"SNOWFLAKE_CONNECTIONS": LOGIN.format(port=found[1])}
            bench = Bench(root, variables, load_settings(root, "prod").state.reveal(), folder / "marks", account)
            bench.call("apply", "--yes")
            yield bench
        finally:
            process.terminate()


@contextlib.contextmanager
def real(folder: Path, pipelines: list[str]) -> Iterator[Bench]:
    """Give a bench on the account that the environment names, in a schema of its own, which is dropped again.

    The history of an account knows runs for days, and a table that is published again has no new version.
    """
    if not SECTION:
        pytest.skip(f"{ACCOUNT} names no account of Snowflake")
    schema = f"FIRNFLOW_SUITE_{uuid.uuid4().hex[:8].upper()}"
    given = {**tomllib.loads(f"section = {SECTION}")["section"], "schema": schema}
    stores = 'warehouse = "duckdb"\nstate = "snowflake"\nartifacts = "snowflake"'
    root = _project(folder, pipelines, f"{stores}\nsnowflake = {_inline(given)}\n")  # a variable reaches no container
    settings = load_settings(root, "prod")
    admin = Account(lambda: connect(settings, root)[0])
    admin.query(f"CREATE SCHEMA {given['database']}.{schema}")
    bench = Bench(root, {}, settings.state.reveal(), Path("/tmp"))
    try:
        bench.call("apply", "--yes")
        yield bench
    finally:
        bench.call("destroy", "--yes")
        for each in (schema, f"{schema}_FIRNFLOW"):
            admin.query(f"DROP SCHEMA IF EXISTS {given['database']}.{each}")
        admin.close()


def _inline(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(name)} = {_inline(each)}' for name, each in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)


def example(bench: Bench, name: str) -> Bench:
    """Return an example beside a bench, deployed: its pipelines are unchanged, its settings make it small."""
    folder = bench.root.parent
    root = folder / name
    hidden = shutil.ignore_patterns(".firnflow", "tests", "__pycache__", "data")
    shutil.copytree(EXAMPLES / name, root, ignore=hidden)
    settings = root / "firnflow.toml"
    (root / "data").mkdir()
    for path in re.findall(r'path = "(data/\w+\.csv)"', (root / "catalog.toml").read_text()):
        (root / path).touch()  # what another pipeline of it reads, which does not run
    more = _here(BY_JOBS, folder, name) + 'files = ["data/*.csv"]\n'
    small = f'[environments.small]\ninherits = "local"\n{SMALL[name]}'
    prod = f'[environments.prod]\ninherits = "small"\norchestrator = "snowflake"\ntracking = "none"\n{more}'
    settings.write_text(f"{settings.read_text()}\n{small}\n{prod}")
    found = Bench(root, bench.variables, f"sqlite:///{folder}/{name}.db", bench.marks, bench.account)
    found.call("apply", "--yes")
    return found


def _here(more: str, folder: Path, schema: str) -> str:
    return more.format(folder=folder, schema=schema, state=f"sqlite:///{folder}/{schema}.db")


def _project(folder: Path, pipelines: list[str], more: str) -> Path:
    """Write the project: the suite's module, and one that names what of it this target can do."""
    root = folder / "project"
    root.mkdir()
    (root / "flows.py").write_text(FLOWS.read_text())
    (root / "on_snowflake.py").write_text(f"from flows import {', '.join(sorted(set(pipelines)))}\n")
    given = (f'[pipelines.{name}.params]\nfolder = "."\n' for name in NEED_A_FOLDER if name in pipelines)
    (root / "firnflow.toml").write_text(SETTINGS.format(more="\n".join([more, *given])))
    return root
