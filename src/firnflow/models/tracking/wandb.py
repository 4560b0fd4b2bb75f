"""Weights & Biases as a tracker: a run is told when it has ended, whole, under its own id.

Told again, it takes the place of the one before. Elements of maps are runs of their own in the group that has the run's
id. W&B's registry is not kept like ours: a model is an artifact of its run. With `url = "offline"` nothing is sent:
`wandb sync` sends what lies in `.firnflow/wandb`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from firnflow.errors import MissingExtraError, StoreError
from firnflow.models.tracking.base import PAGE
from firnflow.models.tracking.reach import check_server, shown
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.context import Point
    from firnflow.models.tracking.base import File, Place, Story

_SERVICE = "https://api.wandb.ai"
_STEP = "step"
_QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}


class WandbTracker:
    """W&B at one place; who we are there it takes from WANDB_API_KEY or ~/.netrc.

    Args:
        place: `url`: of a server of one's own, or `offline`; default: WANDB_BASE_URL, then W&B's service.
    """

    live = False

    def __init__(self, place: Place) -> None:
        self._offline = place.url == "offline" or (place.url is None and os.environ.get("WANDB_MODE") == "offline")
        self._url = place.url if place.url not in {None, "offline"} else os.environ.get("WANDB_BASE_URL", _SERVICE)
        self._folder = place.root / ".firnflow"
        self.place = "offline, in .firnflow/wandb" if self._offline else shown(str(self._url), place.root)

    def check(self) -> None:
        """Raise StoreError where W&B does not answer."""
        if not self._offline:
            check_server(str(self._url), self.place)

    def close(self) -> None:
        """Do nothing: each run is closed when it is told."""

    def tell(self, story: Story, known: dict[str, str]) -> dict[str, str]:
        """Take a run in, whole."""
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise MissingExtraError("wandb", "wandb") from error
        self._folder.mkdir(parents=True, exist_ok=True)
        found = dict(known)
        try:
            for each in (story, *story.parts):
                found[each.key], page = self._tell(wandb, each, story.key)
                found |= {PAGE: page} if page and each is story else {}
                found |= {f"model:{file.path.stem}": found[each.key] for file in each.files if file.kind == "model"}
        finally:
            wandb.teardown()  # its process writes behind our back: now all is written
        return found

    def _tell(self, wandb: Any, story: Story, group: str) -> tuple[str, str | None]:
        """Tell one run; return its id there, and its page, which one that is kept offline lacks."""
        task = story.tags.get("firnflow.task")
        try:
            run = wandb.init(
                project=_name(story.experiment),
                id=_name(story.key),
                name=story.name,
                group=group if task or story.parts else None,
                job_type=task or "run",
                config={**story.params, **story.tags, "datasets": _datasets(story)},
                tags=[tag for tag in (story.tags.get("firnflow.environment"), story.status) if tag],
                notes=story.tags.get("firnflow.error") or story.description or None,
                settings=self._settings(wandb, story),
            )
        except (wandb.errors.Error, OSError) as error:
            raise StoreError(f"W&B at {self.place}: {error}") from error
        try:
            run.define_metric("*", step_metric=_STEP)
            for row in _rows(story.points):
                run.log(row)
            for file in story.files:
                _log_file(wandb, run, file)
        finally:
            run.finish(exit_code=0 if story.status == RunStatus.SUCCEEDED else 1)
        return str(run.id), run.url or None

    def _settings(self, wandb: Any, story: Story) -> Any:
        return wandb.Settings(
            mode="offline" if self._offline else "online",
            base_url=self._url,
            root_dir=str(self._folder),
            console="off",  # it would take over what this process prints
            disable_git=True,
            disable_code=True,
            save_code=False,
            silent=True,
            init_timeout=30,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_start_time=story.started_at,
        )


def _log_file(wandb: Any, run: Any, file: File) -> None:
    name = file.name.rpartition(".")[0]
    if file.kind == "figure" and file.path.suffix == ".png":
        run.log({name: wandb.Image(str(file.path))})
    elif file.kind == "figure" and file.path.suffix == ".html":
        run.log({name: wandb.Html(file.path.read_text("utf-8"), inject=False)})
    else:
        artifact = wandb.Artifact(_name(f"{run.id}-{name}"), file.kind)
        artifact.add_file(str(file.path), name=file.name.rpartition("/")[2])
        run.log_artifact(artifact)


def _rows(points: Sequence[Point]) -> Iterator[dict[str, float]]:
    """Yield the points step by step; a name that comes twice at a step begins a row of its own."""
    row: dict[str, float] = {}
    for point in sorted(points, key=lambda point: point.step):
        if row and (row[_STEP] != point.step or point.name in row):
            yield row
            row = {}
        row |= {_STEP: point.step, point.name: point.value}
    if row:
        yield row


def _datasets(story: Story) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "digest": each.digest, "role": each.role, "rows": each.rows, "columns": each.columns}
        for each in story.datasets
    ]


def _name(text: str) -> str:
    """Return a name as W&B takes it for projects, runs and artifacts."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:128]
