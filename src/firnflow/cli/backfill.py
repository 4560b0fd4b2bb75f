"""`firnflow backfill`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli._elsewhere import steered

_FROM = typer.Option(None, "--from", metavar="KEY", help="The first partition. Default: the first one there is.")
_TO = typer.Option(None, "--to", metavar="KEY", help="The last one. Default: the newest that is complete.")
_KEYS = typer.Option([], "--keys", metavar="KEYS", help="These partitions, e.g. a,b.")
_WORKERS = typer.Option(2, "--workers", "-w", metavar="N", min=1, help="How many partitions run at once.")
_FAILED = typer.Option(False, "--only-failed", help="Only those whose run failed or was killed.")  # noqa: FBT003 - Typer's way
_FORCE = typer.Option(False, "--force", help="Also those that are done.")  # noqa: FBT003 - likewise
_DRY = typer.Option(False, "--dry-run", help="Only say what would run.")  # noqa: FBT003 - likewise
_CACHE = typer.Option(True, "--cache/--no-cache", help="Take results of earlier runs.")  # noqa: FBT003 - likewise
_SERVE = typer.Option(False, "--serve", hidden=True)  # noqa: FBT003 - likewise
_ASSIGNMENTS = typer.Option([], "--set", "-s", metavar="NAME=VALUE", help="Set a parameter. May be given again.")


@steered()
def command(
    pipeline: str | None = _options.PIPELINE,
    first: str | None = _FROM,
    last: str | None = _TO,
    keys: list[str] = _KEYS,
    workers: int = _WORKERS,
    only_failed: bool = _FAILED,
    force: bool = _FORCE,
    dry_run: bool = _DRY,
    assignments: list[str] = _ASSIGNMENTS,
    cache: bool = _CACHE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
    serve: bool = _SERVE,
) -> int:
    """Run the partitions of a pipeline that are missing.

    What is done stands in a ledger: called again after a kill it goes on, and where all is done it does nothing. A
    partition that fails stops no other. Ctrl-C lets what runs end; a second one stops it. Exit code: 0 if all are done,
    1 if some failed, 130 after Ctrl-C.
    """
    from firnflow.cli import _backfilling, _project
    from firnflow.cli._print import stdout_is_data
    from firnflow.engine.run import params_of

    with stdout_is_data():
        project = _project.load(environment)
        name = _project.named(project, pipeline, "backfill")
        params_of(project, project.pipeline(name), assignments)  # what is wrong is said now, not by each run
    if serve:
        from firnflow.cli._hands import serve as work

        _project.partitioned(project, name)
        work(project, name, tuple(assignments), cache=cache)
        return 0
    asked = _backfilling.Asked(first, last, _backfilling.names(keys), workers, only_failed, force, dry_run, as_json)

    def crew(_: list[str]) -> _backfilling.Crew:
        from firnflow.cli._hands import ProcessHand

        settings, root = project.settings, project.root
        return _backfilling.Crew(
            lambda: ProcessHand(root, settings.environment, name, list(assignments), again=not cache)
        )

    return _backfilling.perform(project, name, asked, crew)
