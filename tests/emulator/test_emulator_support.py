"""The table in docs/emulator.md says what the emulator does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_SPEC = importlib.util.spec_from_file_location("emulator_support", Path(__file__).with_name("support.py"))
support = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(support)


def test_the_published_table_is_what_runs(sql, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("1\n")
    made = support.table(support.run(sql, file, tmp_path))
    published = support.DOCUMENT.read_text()
    assert made in published, "Mend: .venv/bin/python tests/emulator/support.py"


def test_every_rule_names_its_page():
    from firnflow.emulator import registry

    registry.load()
    for known in registry.STATEMENTS.values():
        assert known.page.startswith("https://docs.snowflake.com/en/sql-reference/"), known.key
