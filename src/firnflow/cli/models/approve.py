"""`firnflow models approve`."""

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
    """Promote a version that waits for it, if the champion is still the one that it was compared with."""
    why = _shared.why(reason)
    registry = _shared.opened(environment, stores=True)
    found = _shared.version_of(registry, model, verb="approve")
    _shared.done(registry.approve(found.name, found.version, reason=why, by=by), as_json=as_json)
