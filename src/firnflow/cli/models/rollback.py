"""`firnflow models rollback`."""

from __future__ import annotations

from firnflow.cli import _options
from firnflow.cli.models import _shared


def command(
    name: str = _shared.NAME,
    reason: str | None = _shared.REASON,
    by: str | None = _shared.BY,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Make the version champion that was it before the present one. Again: the one before that."""
    registry = _shared.opened(environment, stores=True)
    _shared.done(registry.rollback(name, reason=_shared.why(reason), by=by), as_json=as_json)
