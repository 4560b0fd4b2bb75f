"""Arguments and options that several verbs share: the same name means the same everywhere."""

from __future__ import annotations

from typing import Any

import typer

from firnflow.cli import _complete
from firnflow.errors import UsageError
from firnflow.graph.units import parse_duration


def duration(text: str) -> float:
    """Return a duration in seconds. Raises BadParameter where it is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def refuse_elsewhere(*, wait: bool, timeout: float | None) -> None:
    """Raise UsageError where somebody asks not to wait for what runs in this very process."""
    if not wait or timeout is not None:
        option = "--timeout" if wait else "--no-wait"
        raise UsageError(
            f"{option}: this environment runs here, and nobody else would go on with it. Mend: firnflow trigger, and "
            "`firnflow up`"
        )


ENVIRONMENT: Any = typer.Option(
    None,
    "--env",
    "-e",
    metavar="NAME",
    help="Environment of firnflow.toml; default: FIRNFLOW_ENV, then `local`.",
    autocompletion=_complete.environments,
)
JSON: Any = typer.Option(False, "--json", help="Print JSON.")  # noqa: FBT003 - Typer's way to say the default
QUIET: Any = typer.Option(False, "--quiet", "-q", help="Print nothing but errors.")  # noqa: FBT003 - likewise
PIPELINE: Any = typer.Argument(None, metavar="PIPELINE", help="Its name.", autocompletion=_complete.pipelines)
RUN: Any = typer.Argument(
    None,
    metavar="[RUN]",
    help="A run, or the beginning of its id; default: the newest.",
    autocompletion=_complete.runs,
)
WORKERS: Any = typer.Option(None, "--workers", "-w", metavar="N", min=1, help="How many tasks run at once.")
INLINE: Any = typer.Option(False, "--inline", help="Run all in this process, for a debugger.")  # noqa: FBT003 - likewise
WAIT: Any = typer.Option(True, "--wait/--no-wait", help="Where it runs elsewhere: wait until it has ended.")  # noqa: FBT003
TIMEOUT: Any = typer.Option(
    None, "--timeout", metavar="DURATION", parser=duration, help="Where it runs elsewhere: wait no longer, e.g. 2h."
)
YES: Any = typer.Option(False, "--yes", "-y", help="Do not ask.")  # noqa: FBT003 - likewise
