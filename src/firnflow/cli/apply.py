"""`firnflow apply`."""

from __future__ import annotations

import typer

from firnflow.cli import _complete, _options
from firnflow.errors import UsageError

_REHEARSE = typer.Option(False, "--rehearse", help="Deploy to an emulator and run there first; stop if that differs.")  # noqa: FBT003 - Typer's way
_ONLY = typer.Option(
    [], "--only", metavar="PIPELINE", help="Of a rehearsal: run just these.", autocompletion=_complete.pipelines
)
_TIMEOUT = typer.Option(
    None,
    "--timeout",
    metavar="DURATION",
    parser=_options.duration,
    help="Of a rehearsal: how long each pipeline may take. Default: 10m.",
)
_TEN_MINUTES = 600.0


def command(
    rehearse: bool = _REHEARSE,
    only: list[str] = _ONLY,
    timeout: float | None = _TIMEOUT,
    yes: bool = _options.YES,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> int:
    """Deploy an environment's pipelines to where they run: do what `firnflow plan` shows, after a question.

    Killed in the middle, the same command goes on. Of two at once one is refused.
    """
    from firnflow.cli import _deploy
    from firnflow.targets.plan import plan_apply

    if not rehearse and (only or timeout is not None):
        raise UsageError(f"{'--only' if only else '--timeout'} is of a rehearsal. Mend: --rehearse")
    if rehearse:
        from firnflow.cli._print import stdout_is_data
        from firnflow.cli._rehearsal import rehearse as perform
        from firnflow.project.settings import find_root

        with stdout_is_data():
            perform(find_root(), environment, only, timeout if timeout is not None else _TEN_MINUTES)
    target, deployments = _deploy.opened(environment)
    plan = plan_apply(target, deployments)
    return _deploy.do(plan, target, deployments, yes=yes, question="Apply?", as_json=as_json)
