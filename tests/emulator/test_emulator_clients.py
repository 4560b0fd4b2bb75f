"""The table in docs/emulator.md says what Snowflake's clients can do; the slower ones are counted by hand."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

_SPEC = importlib.util.spec_from_file_location("emulator_clients", Path(__file__).with_name("clients.py"))
clients = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(clients)
MEND = "Mend: .venv/bin/python tests/emulator/clients.py"


def test_what_the_document_says_of_snowpark_is_so(snow):
    tried, failed = clients.count(snow, clients.snowpark)
    assert clients.row("Snowpark", tried, failed) in clients.DOCUMENT.read_text(), f"{failed}. {MEND}"


def test_as_many_operations_were_tried_as_there_are():
    rows = clients.DOCUMENT.read_text().splitlines()
    for name, client in clients.CLIENTS.items():
        tried = inspect.getsource(client).count("    yield ")
        assert f"of {tried} |" in next(row for row in rows if f"| {name} |" in row), MEND
