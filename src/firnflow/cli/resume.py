"""`firnflow resume`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from firnflow.cli import _options
from firnflow.cli._elsewhere import steered
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.engine.events import Listener
    from firnflow.engine.request import RunResult
    from firnflow.project import Project


@steered()
def command(
    run: str | None = _options.RUN,
    environment: str | None = _options.ENVIRONMENT,
    workers: int | None = _options.WORKERS,
    inline: bool = _options.INLINE,
    wait: bool = _options.WAIT,
    timeout: float | None = _options.TIMEOUT,
    as_json: bool = _options.JSON,
    quiet: bool = _options.QUIET,
) -> int:
    """Go on with a run that failed, was cancelled or was killed.

    What it has committed is not done again. A run that succeeded is just shown.
    """
    from firnflow.cli import _project, _running, _summary

    _options.refuse_elsewhere(wait=wait, timeout=timeout)
    shown = _running.Shown(as_json=as_json, quiet=quiet, plain=inline)
    root, settings, state = _project.open_state(environment)
    record = _project.find_run(state, run, environment)
    if record.status == RunStatus.SUCCEEDED:
        from firnflow.engine.history import finished

        result = finished(state, record)
        _running.show(result, root, settings, shown)
        return _summary.exit_code(result)
    state.close()

    def go(project: Project, listeners: Sequence[Listener]) -> RunResult:
        from firnflow.engine.run import resume

        echo = sys.stderr if inline else None
        return resume(project, record.id, listeners, workers=workers, inline=inline, echo=echo)

    return _running.perform(lambda: _project.load(environment or record.environment), go, shown)
