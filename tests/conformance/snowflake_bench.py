"""An emulator of Snowflake, or an account, on which the suite's pipelines are deployed and run, all at once."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from calling import firnflow
from outcome import Outcome, outcome
from small_examples import EXAMPLES, SMALL

from firnflow.project import load_settings
from firnflow.targets.operate import Order, TargetRun
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.operator import SnowflakeOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "FIRNFLOW_TEST_SNOWFLAKE"
"""The variable with the section of an account, as FIRNFLOW_SNOWFLAKE has it: `{ connection = "…", … }`."""
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
{parameters}
"""
PARAMETERS = """
[pipelines.retried.params]
folder = "."
[pipelines.timed_out.params]
folder = "."
"""
EMULATED = """
warehouse = "duckdb"
state = "sqlite:///{folder}/{schema}.db"
artifacts = "{folder}/{schema}"

[environments.prod.snowflake]
connection = "emulator"
database = "conformance"
schema = "{schema}"
warehouse = "wh"
image = "/conformance/suite/images/suite:1"
pool = "all"
pools.all = {{ name = "conformance_{schema}", family = "CPU_X64_S", max_nodes = 4 }}
variables = {{ FIRNFLOW_STATE = "sqlite:///{folder}/{schema}.db", FIRNFLOW_ARTIFACTS = "{folder}/{schema}" }}
"""
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
LONG = 240.0


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
        folder = self.marks / case.pipeline
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
            time.sleep(0.2)
            found = self.operator.find(self.runs[name].pipeline, self.runs[name].native)
            assert found is not None
            self.runs[name] = found
        return self.runs[name]

    def outcome(self, name: str) -> Outcome:
        return outcome(self.state, self.runs[name].id)


@contextlib.contextmanager
def emulated(folder: Path, pipelines: list[str]) -> Iterator[Bench]:
    """Give a bench on an emulator of its own."""
    import snowflake.connector as snowflake

    command = [sys.executable, "-m", "firnflow", "emulate", "snowflake", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", said := process.stderr.readline())
            assert found, said
            login = folder / "login" / "connections.toml"
            login.parent.mkdir(mode=0o700)
            login.touch(mode=0o600)
            login.write_text(LOGIN.format(port=found[1]))
            where = {"host": "127.0.0.1", "port": int(found[1]), "account": "emulator", "user": "EMULATOR"}
            account = Account(lambda: snowflake.connect(protocol="http", password="x", **where))
            for each in MADE:
                account.query(f"CREATE {each}")
            root = _project(folder, pipelines, EMULATED.format(folder=folder, schema="suite"))
            variables = {"SNOWFLAKE_HOME": str(login.parent)}
            bench = Bench(root, variables, f"sqlite:///{folder}/suite.db", folder / "marks", account)
            bench.call("apply", "--yes")
            yield bench
        finally:
            process.terminate()


@contextlib.contextmanager
def real(folder: Path, pipelines: list[str]) -> Iterator[Bench]:
    """Give a bench on the account that the environment names; what it makes there is taken away again."""
    section = os.environ.get(ACCOUNT)
    if not section:
        pytest.skip(f"{ACCOUNT} names no account of Snowflake")
    root = _project(folder, pipelines, 'state = "snowflake"\nartifacts = "snowflake"\n')
    variables = {"FIRNFLOW_SNOWFLAKE": section}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRNFLOW_SNOWFLAKE", section)
        state = load_settings(root, "prod").state.reveal()
        bench = Bench(root, variables, state, Path("/tmp"))  # of a container, which has it to itself
        bench.call("apply", "--yes")
        try:
            yield bench
        finally:
            bench.call("destroy", "--yes")


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
    more = EMULATED.format(folder=folder, schema=name) + 'files = ["data/*.csv"]\n'
    small = f'[environments.small]\ninherits = "local"\n{SMALL[name]}'
    prod = f'[environments.prod]\ninherits = "small"\norchestrator = "snowflake"\ntracking = "none"\n{more}'
    settings.write_text(f"{settings.read_text()}\n{small}\n{prod}")
    found = Bench(root, bench.variables, f"sqlite:///{folder}/{name}.db", bench.marks, bench.account)
    found.call("apply", "--yes")
    return found


def _project(folder: Path, pipelines: list[str], more: str) -> Path:
    """Write the project: the suite's module, and one that names what of it this target can do."""
    root = folder / "project"
    root.mkdir()
    (root / "flows.py").write_text(FLOWS.read_text())
    (root / "on_snowflake.py").write_text(f"from flows import {', '.join(sorted(set(pipelines)))}\n")
    (root / "firnflow.toml").write_text(SETTINGS.format(more=more, parameters=PARAMETERS))
    return root
