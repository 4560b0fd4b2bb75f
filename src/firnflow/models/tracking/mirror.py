"""Keeps the registry of a tracker like ours: versions, aliases, tags, descriptions. Ours is what holds.

What somebody changes there by hand is noticed when a sender starts, said, and set back.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import hash_json
from firnflow.errors import DamagedArtifactError, FirnflowError, StoreError
from firnflow.models.tracking.base import File, Model, Story, Version
from firnflow.project import redact
from firnflow.status import RunStatus
from firnflow.stores.state.tracked import Told

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.models.tracking.base import Registering
    from firnflow.stores.artifacts import ArtifactStore
    from firnflow.stores.state.models import Models, ModelVersion, Promotion
    from firnflow.stores.state.tracked import Tracked

_MOST_AUDIT = 30  # rows of the audit in a model's description


class Mirror:
    """The models of a state in one tracker.

    Args:
        tracker: whose registry it is.
        tracked: what it was told.
        models: ours.
        artifacts: where models are stored.
        experiment: where models of no run are listed.
    """

    def __init__(
        self, tracker: Registering, tracked: Tracked, models: Models, artifacts: ArtifactStore, experiment: str
    ) -> None:
        self._tracker, self._tracked, self._models, self._artifacts = tracker, tracked, models, artifacts
        self._experiment = experiment
        self._looked_at: set[str] = set()

    def changed(self) -> list[str]:
        """Return the models that the tracker does not know as they are."""
        return [name for name in self._models.names() if self._is_changed(name)]

    def deliver(self) -> list[str]:
        """Tell of what has changed, and look once whether somebody else has changed something there.

        Raises:
            StoreError: a model was not taken; the others were told.
        """
        said: list[str] = []
        error = ""
        for name in self._models.names():
            if name in self._looked_at and not self._is_changed(name):
                continue
            try:
                said += self._tell(name)
            except Exception as broken:  # noqa: BLE001 - the libraries of services raise anything; others may be taken
                error = error or f"model {name}: {first_line(broken)}"
                self._tracker.check()  # raises where the service is away: then no other model is tried
        if error:
            raise StoreError("\n".join([*said, error]))
        return said

    def _tell(self, name: str) -> tuple[str, ...]:
        wanted = self._read(name)
        model = self._located(name, wanted)
        if model is None:
            return ()
        told = self._tracked.get(_key(name))
        remote, noticed = self._tracker.mirror(model, told.remote)
        self._tracked.put(_key(name), Told(remote, {"digest": _digest(wanted)}))
        self._looked_at.add(name)
        return noticed

    def _is_changed(self, name: str) -> bool:
        return self._tracked.get(_key(name)).sent.get("digest") != _digest(self._read(name))

    def _read(self, name: str) -> Model:
        """Return a model as it is, without where its versions lie in the tracker."""
        versions = sorted(self._models.versions(name), key=lambda version: version.version)
        return Model(
            name=name,
            versions=tuple(self._version(version) for version in versions),
            aliases=self._models.aliases(name),
            description=_story(self._models.history(name)[:_MOST_AUDIT]),
        )

    def _version(self, version: ModelVersion) -> Version:
        figures = version.metadata.get("metrics")
        return Version(
            version=version.version,
            status=version.status,
            location=None,
            description=_about(version),
            tags=_tags(version),
            digest=version.digest,
            metrics=figures if isinstance(figures, dict) else {},
            file=lambda: self._file(version),
        )

    def _located(self, name: str, model: Model) -> Model | None:
        """Return the model with where its versions lie there; None where a run that made one is still to be told."""
        if self._tracker.stores_models:
            return model
        made = {version.version: version for version in self._models.versions(name)}
        found = []
        for version in model.versions:
            location = self._location(made[version.version])
            if location is None and version.status != "deleted":
                return None
            found.append(replace(version, location=location))
        return replace(model, versions=tuple(found))

    def _location(self, version: ModelVersion) -> str | None:
        key = f"model:{version.digest}"
        told = self._tracked.get(version.run) if version.run else Told(as_of=time.time())
        alone = self._tracked.get(f"file:{version.place}")
        if key in told.remote or key in alone.remote or version.status == "deleted":
            return told.remote.get(key) or alone.remote.get(key)
        if told.remote and not told.as_of:
            return None  # its run is under way, and the file to come
        return self._tell_alone(version, key)

    def _tell_alone(self, version: ModelVersion, key: str) -> str | None:
        """Tell of the model's file, which is of no run that the tracker knows, as of a run of its own."""
        path = self._file(version)
        story = Story(
            key=f"model/{version.place}",
            name=version.place,
            experiment=self._experiment,
            status=RunStatus.SUCCEEDED,
            started_at=version.created_at,
            ended_at=version.created_at,
            tags={"firnflow.run": f"model/{version.place}"},
            files=(File(f"models/{version.name}{path.suffix}", path, "model"),),
        )
        remote = self._tracker.tell(story, {})
        self._tracked.put(f"file:{version.place}", Told(remote))
        return remote.get(key)

    def _file(self, version: ModelVersion) -> Path:
        """Return the model's file, on this machine."""
        path = self._artifacts.local(str(version.ref.get("where")))
        if path.stem != version.digest:
            raise DamagedArtifactError(f"model {version.place}: its file is not the one that was registered")
        return path


def first_line(error: Exception) -> str:
    """Return what an error says first, with its kind where it is none of ours."""
    said = str(error).strip().partition("\n")[0]
    return said if isinstance(error, FirnflowError) else f"{type(error).__name__}: {said}"


def _key(name: str) -> str:
    return f"model:{name}"


def _digest(model: Model) -> str:
    versions = [[v.version, v.status, v.description, v.tags] for v in model.versions]
    return hash_json([versions, model.aliases, model.description])


def _tags(version: ModelVersion) -> dict[str, str]:
    about = {
        "version": version.version,
        "status": version.status,
        "digest": version.digest,
        "run": version.run,
        "task": version.task,
        "by": version.created_by,
    }
    ours = {f"firnflow.{name}": redact(str(value)) for name, value in about.items() if value is not None}
    return {**{redact(name): redact(str(text)) for name, text in version.tags.items()}, **ours}


def _about(version: ModelVersion) -> str:
    """Return a version in Markdown."""
    made = f"task `{version.task}` of run `{version.run}`" if version.run else "a call by hand"
    figures = version.metadata.get("metrics")
    lines = [f"Registered by {version.created_by} on {_day(version.created_at)}: {made}."]
    if isinstance(figures, dict) and figures:
        lines += [
            "",
            "| metric | value |",
            "|---|---|",
            *(f"| {name} | {_figure(figures[name])} |" for name in figures),
        ]
    return redact("\n".join(lines))


def _figure(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _story(audit: list[Promotion]) -> str:
    """Return who did what to a model, the newest first, in Markdown."""
    lines = []
    for row in audit:
        moved = f"version {row.to_version}" if row.to_version is not None else ""
        before = f", before: version {row.from_version}" if row.from_version is not None else ""
        alias = f" as `{row.alias}`" if row.alias else ""
        why = f": {' '.join(row.reason.split())}" if row.reason else ""
        lines.append(f"- {_day(row.at)} **{row.action}** {moved}{alias}{before}, by {row.by}{why}")
    return redact("\n".join(lines))


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
