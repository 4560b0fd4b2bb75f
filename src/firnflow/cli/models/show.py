"""`firnflow models show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.cli import _options
from firnflow.cli.models import _shared

if TYPE_CHECKING:
    from firnflow.models.registry import ModelVersion


def command(
    model: str = _shared.MODEL, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> None:
    """Show a version: where it comes from, how good it is, what it reads, what was decided about it."""
    from firnflow.cli._print import print_json

    registry = _shared.opened(environment)
    found = registry.get(model)
    aliases = registry.aliases(found.name)
    audit = [row for row in registry.history(found.name) if found.version in (row.to_version, row.from_version)]
    if as_json:
        data = _shared.version_data(found, aliases)
        print_json({**data, "place": found.ref.get("where"), "audit": [_shared.audit_data(row) for row in audit]})
        return
    called = " ".join(f"@{alias}" for alias, number in sorted(aliases.items()) if number == found.version)
    _print(found, called)
    if audit:
        from firnflow.cli.models.history import print_audit

        print_audit(audit)


def _print(found: ModelVersion, called: str) -> None:
    from firnflow.cli import _format
    from firnflow.cli._print import print_table, say
    from firnflow.models.comparison import figures

    lineage: dict[str, Any] = found.metadata.get("lineage") or {}
    say(f"{found.place} {called}".rstrip(), "bold")
    lines = {
        "status": found.status,
        "registered": f"{_format.when(found.created_at)} by {found.created_by}",
        "run": f"{found.run or '-'} ({lineage.get('pipeline', '?')}, task {found.task or '?'})",
        "code": f"commit {lineage.get('commit') or '?'}, firnflow {lineage.get('firnflow') or '?'}",
        "data": ", ".join(_data(name, each) for name, each in (lineage.get("data") or {}).items()) or "-",
        "features": ", ".join(found.metadata.get("features") or ()) or "-",
        "tags": ", ".join(f"{name}={text}" for name, text in found.tags.items()) or "-",
        "digest": found.digest,
    }
    for name, text in lines.items():
        say(f"  {name:<11} {text}")
    metrics = figures(found)
    if metrics:
        print_table(("metric", "value"), [(name, f"{value:.4g}") for name, value in metrics.items()])


def _data(name: str, each: dict[str, Any]) -> str:
    rows = f", {each['rows']:,} rows" if isinstance(each.get("rows"), int) else ""
    return f"{name} ({str(each.get('digest'))[:12]}{rows})"
