"""A project in a temporary folder."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIPELINE = """
from firnflow.graph.pipeline import pipeline
from firnflow.graph.task import task

@task
def double(x: int) -> int:
    return 2 * x

@pipeline
def churn():
    double(1)
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write files into a fresh project, `make(toml, {"pipelines.py": "…"})`, that sees no other test's modules."""
    for variable in [name for name in os.environ if name.startswith("FIRNFLOW_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not entry.startswith(str(tmp_path.parent))])
    count = 0

    def write(toml: str | bytes = '[project]\nname = "shop"\n', files: dict[str, str] | None = None) -> Path:
        nonlocal count
        count += 1
        root = tmp_path / f"project{count}"
        root.mkdir()
        (root / "firnflow.toml").write_bytes(toml.encode() if isinstance(toml, str) else toml)
        for name, text in (files or {}).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return root

    return write


@pytest.fixture
def pipeline() -> str:
    """The text of a module with one pipeline, `churn`."""
    return PIPELINE
