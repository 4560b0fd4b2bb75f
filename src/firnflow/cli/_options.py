"""Arguments and options that several verbs share: the same name means the same everywhere."""

from __future__ import annotations

from typing import Any

import typer

from firnflow.cli import _complete

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
YES: Any = typer.Option(False, "--yes", "-y", help="Do not ask.")  # noqa: FBT003 - likewise
