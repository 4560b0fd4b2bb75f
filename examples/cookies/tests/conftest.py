"""Makes the project's modules importable, as `firnflow` does for its tasks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


@pytest.fixture
def cookies_project() -> Path:
    return ROOT
