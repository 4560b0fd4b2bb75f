"""How an extra of this Firnflow is installed: a package, or a clone of the repository."""

from __future__ import annotations

from pathlib import Path

_CLONE = Path(__file__).resolve().parents[2]
"""The repository's folder, if this file lies in a clone of it."""


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra. In a clone the package of that name would be another Firnflow."""
    if (_CLONE / "pyproject.toml").is_file():
        return f"pip install -e '{_CLONE}[{extra}]'"
    return f"pip install 'firnflow[{extra}]'"
