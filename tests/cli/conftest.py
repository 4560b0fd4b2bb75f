"""A small project in a temporary folder, and the command line called in this process or in one of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.cli import main
from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.stores.state import Run

FLOWS = """
import logging
import time
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

import firnflow as ff

print("a word at import")


class FlowParams(ff.Params):
    rows: int = 4
    threshold: float = 1.0
    words: list[str] = ["a", "b", "c"]


class Parts(NamedTuple):
    train: pa.Table
    test: pa.Table


@ff.task
def make(rows: int) -> pa.Table:
    "Make the rows."
    print("making", rows, "rows")
    return pa.table({"x": list(range(rows)), "y": [f"v{i}" for i in range(rows)]})


@ff.task
def split(table: pa.Table) -> Parts:
    return Parts(table.slice(0, 1), table.slice(1))


@ff.task
def count(table: pa.Table, word: str) -> int:
    logging.getLogger("counter").warning("counting %s", word)
    ff.log_metric("rows", table.num_rows)
    return table.num_rows


@ff.task
def judge(counts: list[int], threshold: float) -> Literal["good", "bad"]:
    return "good" if sum(counts) > threshold else "bad"


@ff.task
def page(table: pa.Table) -> ff.Html:
    return ff.Html(f"<!doctype html><p>{table.num_rows}")


@ff.task
def alert() -> None:
    print("alert")


@ff.pipeline(params=FlowParams, schedule=ff.Every("1h"))
def flow(p):
    "From rows to a page."
    table = make(p.rows)
    parts = split(table)
    verdict = judge(count.map(parts.test, word=p.words), p.threshold)
    with verdict.case("good"):
        page(table)
    with verdict.case("bad"):
        alert()


@ff.task
def first() -> int:
    return 1


@ff.task
def fail(x: int) -> int:
    return helper([x])


def helper(values):
    return values[7]


@ff.task
def after(x: int) -> int:
    return x


@ff.pipeline
def broken():
    after(fail(first()))


@ff.task
def nap(folder: str, seconds: float) -> None:
    print("good night", flush=True)
    (Path(folder) / "asleep").touch()
    time.sleep(seconds)


@ff.task
def clean_up(summary: ff.RunSummary) -> None:
    print("cleaning up after", summary.status)


class NapParams(ff.Params):
    folder: str
    seconds: float = 60.0


@ff.pipeline(params=NapParams, finalizer=clean_up)
def sleepy(p):
    nap(p.folder, p.seconds)


@ff.task
def read(orders: pa.Table) -> int:
    return orders.num_rows


@ff.pipeline
def sourced():
    read(ff.source("orders"))
"""

SETTINGS = """
[project]
name = "shop"
pipelines = ["{module}"]

[environments.local]
workers = 1

[environments.dev]
inherits = "local"
"""

CATALOG = """
[orders]
description = "One row per order."
path = "orders.csv"
[orders.columns]
amount = { type = "int", min = 0 }
"""


@dataclass(frozen=True)
class Called:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shop:
    """A project, and the command line in its folder."""

    root: Path
    module: Path
    capture: pytest.CaptureFixture[str]
    opened: contextlib.ExitStack

    def call(self, *arguments: str) -> Called:
        """Call the command line in this process."""
        self.capture.readouterr()
        code = main(list(arguments))
        out, err = self.capture.readouterr()
        return Called(code, out, err)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the command line in a process of its own."""
        command = [sys.executable, "-m", "firnflow", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.root, **{**pipes, **options})

    def process(self, *arguments: str) -> Called:
        """Call the command line in a process of its own."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        return Called(process.returncode, out, err)

    @property
    def state(self) -> State:
        state = State(f"sqlite:///{self.root}/.firnflow/state.db")
        self.opened.callback(state.close)
        return state

    def newest(self) -> Run:
        return self.state.runs(limit=1)[0]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """The command line in an empty folder."""
    for variable in [name for name in os.environ if name.startswith("FIRNFLOW_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    monkeypatch.setattr(sys, "path", list(sys.path))
    root = tmp_path / "shop"
    root.mkdir()
    monkeypatch.chdir(root)
    with contextlib.ExitStack() as opened:
        yield Shop(root, root, capsys, opened)


@pytest.fixture
def shop(empty: Shop) -> Shop:
    """A project with pipelines that succeed, fail, sleep and read a source."""
    module = empty.root / f"flows_{uuid.uuid4().hex[:12]}.py"
    module.write_text(FLOWS)
    (empty.root / "firnflow.toml").write_text(SETTINGS.format(module=module.stem))
    (empty.root / "catalog.toml").write_text(CATALOG)
    (empty.root / "orders.csv").write_text("amount\n1\n2\n")
    return Shop(empty.root, module, empty.capture, empty.opened)


@pytest.fixture
def add(shop: Shop) -> Callable[[str], None]:
    """Return a function that adds source to the project's module, before it is imported."""

    def write(source: str) -> None:
        shop.module.write_text(FLOWS + "\n" + textwrap.dedent(source))

    return write
