"""A run on this machine whose state, values and named tables are in Snowflake: killed while it commits, and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from firnflow.stores.snowflake.session import session_at

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.server]
PROJECT = """
[project]
name = "small"

[environments.sf]
state = "snowflake"
artifacts = "snowflake"
workers = 1
snowflake = {{ connection = "emulated", database = "{database}", schema = "{schema}" }}
"""
PIPELINES = """
import ibis

import firnflow as ff


@ff.task
def make(n: int) -> ibis.Table:
    return ibis.memtable({"a": list(range(n))})


@ff.task
def double(numbers: ibis.Table) -> ibis.Table:
    return numbers.mutate(b=numbers.a * 2)


@ff.task
def total(numbers: ibis.Table) -> int:
    return int(numbers.b.sum().execute())


@ff.pipeline
def small():
    return total(double(make(5)).publish("numbers"))
"""


def firnflow(root: Path, *arguments: str, crash: str | None = None) -> subprocess.CompletedProcess[str]:
    more = {"FIRNFLOW_CRASH": crash} if crash else {}
    command = [sys.executable, "-m", "firnflow", *arguments]
    return subprocess.run(command, cwd=root, env={**os.environ, **more}, capture_output=True, text=True, timeout=90)


def digests(root: Path, environment: str) -> dict[str, str]:
    shown = firnflow(root, "resume", "--env", environment, "--json")
    assert shown.returncode == 0, shown.stderr
    answer = json.loads(shown.stdout)
    assert answer["status"] == "succeeded"
    return {name: ref["digest"] for name, ref in answer["outputs"].items()}


def test_a_run_that_is_killed_while_it_commits_ends_like_one_that_was_not(snowflake_url, tmp_path):
    """What it has locked is free once its transaction is undone: there after 5 minutes, on this emulator after 3 s."""
    database, schema = snowflake_url.split("/")[-2:]
    (tmp_path / "firnflow.toml").write_text(PROJECT.format(database=database, schema=schema))
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    killed = firnflow(tmp_path, "run", "small", "--env", "sf", "--inline", crash="commit.inside:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    there = digests(tmp_path, "sf")
    assert firnflow(tmp_path, "run", "small").returncode == 0
    assert there == digests(tmp_path, "local") != {}
    tagged = session_at(snowflake_url).send(
        "SELECT DISTINCT query_tag FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 2000)) "
        "WHERE query_tag LIKE '{%'"
    )
    said = [json.loads(row["query_tag"])["firnflow"] for row in tagged]
    assert {(each["pipeline"], each["task"]) for each in said if each["project"] == "small"} >= {
        ("small", "make"),
        ("small", "double"),
    }
    listed = firnflow(tmp_path, "data", "list", "--env", "sf", "--json")
    assert '"numbers"' in listed.stdout
