"""`firnflow models history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.models import _shared

if TYPE_CHECKING:
    from firnflow.models.registry import Promotion


def command(
    name: str = _shared.NAME, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> None:
    """Show the audit of a model: who decided what about which version, when and why; the newest first."""
    from firnflow.cli._print import print_json

    registry = _shared.opened(environment)
    registry.versions(name)
    audit = registry.history(name)
    if as_json:
        print_json([_shared.audit_data(row) for row in audit])
    elif audit:
        print_audit(audit)
    else:
        typer.echo(f"Nothing was decided about {name} yet")


def print_audit(audit: list[Promotion]) -> None:
    """Print rows of the audit."""
    from firnflow.cli import _format
    from firnflow.cli._print import print_table

    rows = []
    for row in audit:
        moved = f"{row.from_version or '-'} → {row.to_version or '-'}"
        alias = f"@{row.alias}" if row.alias else ""
        rows.append((_format.when(row.at), row.action, alias, moved, row.by, row.reason))
    print_table(("when", "what", "alias", "version", "who", "why"), rows)
