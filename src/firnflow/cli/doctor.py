"""`firnflow doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from firnflow.cli import _options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.cli._checks import Finding

_ICONS = {"ok": ("✓", "green"), "note": ("·", "dim"), "warning": ("!", "yellow"), "broken": ("✗", "red")}


def command(environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON) -> int:
    """Say what is installed, reachable and misconfigured, and how to mend it.

    Exit code 1 if something is broken.
    """
    from firnflow.cli._print import print_json, stdout_is_data

    if as_json:
        with stdout_is_data():
            found = list(_findings(environment))
        print_json([asdict(finding) for finding in found])
    else:
        found = []
        for finding in _findings(environment):
            found.append(finding)
            _print(finding)
    return 1 if any(finding.state == "broken" for finding in found) else 0


def _findings(environment: str | None) -> Iterator[Finding]:
    from firnflow.cli import _checks, _installed
    from firnflow.errors import FirnflowError
    from firnflow.project import find_root, load_settings

    yield from _installed.installation()
    try:
        root = find_root()
    except FirnflowError as error:
        yield _checks.Finding("project", "note", str(error))
        return
    yield from _checks.project_files(root, environment)
    try:
        settings = load_settings(root, environment)
    except FirnflowError:
        return  # said already
    yield from _checks.state(root, settings)
    yield from _checks.artifacts(root, settings)
    yield from _checks.sources(root, settings)
    yield from _checks.online(settings)
    yield from _checks.orchestrator(root, settings)
    yield from _checks.services(root, settings)
    yield from _checks.machine(settings)
    yield from _checks.code(root, environment)


def _print(finding: Finding) -> None:
    from firnflow.cli._print import paint, say, say_painted
    from firnflow.project import redact

    icon, colour = _ICONS[finding.state]
    icon, check = paint(icon, colour, sys.stdout), paint(f"{finding.check}:", "bold", sys.stdout)
    say_painted(f"{icon} {check} {paint(redact(finding.message), '', sys.stdout)}", sys.stdout)
    if finding.mend:
        say(f"    mend: {finding.mend}")
