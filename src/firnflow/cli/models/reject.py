"""`firnflow models reject`."""

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
    """Turn a version down that waits for an approval."""
    why = _shared.why(reason)
    registry = _shared.opened(environment, stores=True)
    found = _shared.version_of(registry, model, verb="reject")
    _shared.done(registry.reject(found.name, found.version, reason=why, by=by), as_json=as_json)
