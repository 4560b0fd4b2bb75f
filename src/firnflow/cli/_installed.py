"""What `firnflow doctor` looks at first: Python, and the libraries that are installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from firnflow._install import how_to_install
from firnflow.cli._checks import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_SUPPORTED = ((3, 11), (3, 14))


def installation() -> Iterator[Finding]:
    """Look at Python and at the libraries."""
    version = ".".join(map(str, sys.version_info[:3]))
    low, high = (".".join(map(str, each)) for each in _SUPPORTED)
    fits = _SUPPORTED[0] <= sys.version_info[:2] < _SUPPORTED[1]
    mend = "" if fits else f"use Python >= {low}, < {high}"
    yield Finding("python", "ok" if fits else "broken", f"Python {version} at {sys.executable}", mend)
    core, extras = _requirements()
    wrong = [(text, found) for text, found, fits in core if not fits]
    for text, found in wrong:
        yield Finding("libraries", "broken", f"needs {text}, found {found or 'none'}", f"pip install '{text}'")
    if not wrong:
        yield Finding("libraries", "ok", ", ".join(f"{_name(text)} {found}" for text, found, _ in core))
    for extra, needs in sorted(extras.items()):
        yield _extra(extra, needs)


def _extra(extra: str, needs: list[tuple[str, str | None, bool]]) -> Finding:
    mend = how_to_install(extra)
    there = ", ".join(f"{_name(text)} {found}" for text, found, _ in needs if found)
    if all(fits for _, _, fits in needs):
        return Finding(f"extra {extra}", "ok", there)
    if not there:
        return Finding(f"extra {extra}", "note", "not installed", mend)
    wrong = ", ".join(text for text, _, fits in needs if not fits)
    return Finding(f"extra {extra}", "warning", f"{there}, but needs {wrong}", mend)


def _requirements() -> tuple[list[tuple[str, str | None, bool]], dict[str, list[tuple[str, str | None, bool]]]]:
    """Return what Firnflow needs, and what each extra does: requirement, installed version, whether that fits."""
    from importlib import metadata

    core: list[tuple[str, str | None, bool]] = []
    extras: dict[str, list[tuple[str, str | None, bool]]] = {}
    for line in metadata.requires("firnflow") or ():
        text, _, marker = (part.strip() for part in line.partition(";"))
        try:
            found: str | None = metadata.version(_name(text))
        except metadata.PackageNotFoundError:
            found = None
        entry = (text, found, found is not None and _fits(text, found))
        if "extra ==" in marker:
            extras.setdefault(marker.rpartition("==")[2].strip(" '\""), []).append(entry)
        else:
            core.append(entry)
    return core, extras


def extras_here(*, without: Collection[str]) -> list[str]:
    """Return what Firnflow needs, and what those of its extras do that are wholly installed, but for some."""
    core, extras = _requirements()
    whole = [needs for extra, needs in extras.items() if extra not in without and all(fits for _, _, fits in needs)]
    return [text for needs in (core, *whole) for text, _, _ in needs]


def _name(requirement: str) -> str:
    return requirement[: next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), None)]


def _fits(requirement: str, version: str) -> bool:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return True
    return Requirement(requirement).specifier.contains(version, prereleases=True)
