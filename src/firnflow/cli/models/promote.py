"""`firnflow models promote`."""

from __future__ import annotations

from firnflow.cli import _options
from firnflow.cli.models import _shared


def command(
    model: str = _shared.MODEL,
    reason: str | None = _shared.REASON,
    by: str | None = _shared.BY,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Make a version champion by hand, past the gates. The audit keeps who did so and why."""
    why = _shared.why(reason)
    registry = _shared.opened(environment, stores=True)
    found = _shared.version_of(registry, model, verb="promote")
    now = registry.aliases(found.name).get("champion")
    row = registry.promote(found.name, found.version, expected=now, reason=why, by=by)
    _shared.done(row, as_json=as_json)
