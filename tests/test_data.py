"""Named tables from Python, outside of runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from firnflow import data
from firnflow.cli import main
from firnflow.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """
import pyarrow as pa
import firnflow as ff


class Wishes(ff.Params):
    count: int


@ff.task
def fetch(count: int) -> pa.Table:
    return pa.table({"cookie": ["Läckerli"] * count, "boxes": list(range(count))})


@ff.pipeline(params=Wishes)
def load(p):
    fetch(p.count).publish("orders")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pipelines.py").write_text(PROJECT, encoding="utf-8")
    (folder / "firnflow.toml").write_text('[project]\nname = "shop"\n')
    return folder


def test_versions_are_listed_and_read_from_anywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyiceberg")
    with pytest.raises(NotFoundError, match="There is no named table yet"):
        data.read("orders", project=project)
    assert not (project / ".firnflow").exists()
    with monkeypatch.context() as inside:
        inside.chdir(project)
        for count in (2, 3):
            assert main(["run", "load", "--inline", "--quiet", "--set", f"count={count}"]) == 0
        assert data.read("orders").num_rows == 3
    sys.modules.pop("pipelines", None)
    found = data.versions("orders", project=project)
    assert [(each.number, each.rows) for each in found] == [(1, 2), (2, 3)]
    first = data.read("orders", version=1, project=project)
    assert first.to_pydict() == {"cookie": ["Läckerli", "Läckerli"], "boxes": [0, 1]}
    assert data.read("orders", as_of="2999-01-01", project=project).num_rows == 3
    with pytest.raises(NotFoundError, match="Version 9 of table 'orders' is not there"):
        data.read("orders", version=9, project=project)
    with pytest.raises(NotFoundError, match="orders"):
        data.read("ordres", project=project)
    with pytest.raises(UsageError, match="a version or a moment, not both"):
        data.read("orders", 1, "2026-01-01", project=project)
    with pytest.raises(UsageError, match="'soon' is no moment"):
        data.read("orders", as_of="soon", project=project)
