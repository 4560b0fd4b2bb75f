"""What the shell offers after Tab. Fast, hence nothing of the project is imported; errors are silent."""

from __future__ import annotations

import ast
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from firnflow.project.settings import Settings


def pipelines(incomplete: str) -> list[str]:
    """Return the pipelines whose names begin so."""
    return _beginning(incomplete, _decorated("pipeline"))


def tasks(incomplete: str) -> list[str]:
    """Return the tasks whose names begin so; of several, separated by commas, the last."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, _decorated("task"))]


def environments(incomplete: str) -> list[str]:
    """Return the environments whose names begin so."""
    with contextlib.suppress(Exception):
        return _beginning(incomplete, iter(_settings()[1].environments))
    return []


def sources(incomplete: str) -> list[str]:
    """Return the sources of catalog.toml whose names begin so."""
    with contextlib.suppress(Exception):
        from firnflow.project import find_root, load_catalog

        return _beginning(incomplete, iter(load_catalog(find_root())))
    return []


def runs(incomplete: str) -> list[str]:
    """Return the newest runs whose ids begin so."""
    with contextlib.suppress(Exception):
        from firnflow.cli._project import find_state

        state = find_state(*_settings())
        return _beginning(incomplete, (run.id for run in state.runs(limit=50))) if state else []
    return []


def _settings() -> tuple[Path, Settings]:
    from firnflow.project import find_root, load_settings

    root = find_root()
    return root, load_settings(root)


def _beginning(incomplete: str, names: Iterator[str]) -> list[str]:
    with contextlib.suppress(Exception):
        return sorted({name for name in names if name.startswith(incomplete)})
    return []


def _decorated(decorator: str) -> Iterator[str]:
    """Yield the functions that are decorated so in the modules of the project."""
    root, settings = _settings()
    for module in settings.modules:
        for folder in (root, root / "src"):
            path = folder / f"{module.replace('.', '/')}.py"
            if path.is_file():
                for node in ast.walk(ast.parse(path.read_bytes())):
                    if isinstance(node, ast.FunctionDef) and any(_named(d, decorator) for d in node.decorator_list):
                        yield node.name


def _named(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Call):
        node = node.func
    return getattr(node, "attr", getattr(node, "id", None)) == name
