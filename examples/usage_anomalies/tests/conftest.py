"""Makes the project's modules importable, as `firnflow` does for its tasks."""

from __future__ import annotations

import sys
from pathlib import Path

import ibis
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


@pytest.fixture
def usage_project() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def warehouse():
    return ibis.duckdb.connect()
