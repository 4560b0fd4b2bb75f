"""The table in docs/emulator.md says what Snowflake's clients can do."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

_SPEC = importlib.util.spec_from_file_location("emulator_clients", Path(__file__).with_name("clients.py"))
clients = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(clients)
MEND = "Mend: .venv/bin/python tests/emulator/clients.py"


@pytest.mark.parametrize("name", clients.CLIENTS)
def test_what_the_document_says_of_a_client_is_so(name, server):
    tried, failed = clients.counted(server.port, name)
    assert clients.row(name, tried, failed) in clients.DOCUMENT.read_text(), f"{failed}. {MEND}"
