"""Modules and functions stay small: what DESIGN's style section says in numbers."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))


def functions() -> dict[str, int]:
    found = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                documentation = ast.get_docstring(node, clean=False)
                lines = (node.end_lineno or 0) - node.lineno + 1
                found[f"{path}:{node.lineno} {node.name}"] = lines - len((documentation or "").splitlines())
    return found


def test_modules_are_short() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in SOURCES}
    assert statistics.median(lines.values()) <= 150
    assert {path: count for path, count in lines.items() if count > 600} == {}


def test_functions_are_short() -> None:
    lines = functions()
    assert statistics.median(lines.values()) <= 10
    assert {name: count for name, count in lines.items() if count > 60} == {}
