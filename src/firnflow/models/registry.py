"""The registry: versions of models, which of them is champion, and who decided that.

What it says stands in the state database, so that a promotion and its record in the audit are one transaction; trackers
such as MLflow are told of it afterwards (`models.tracking`). The file of a model is a value like any other: addressed
by its digest, checked when it is loaded.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow import values
from firnflow._text import listing, nearest
from firnflow.engine import origin
from firnflow.errors import NotFoundError, UsageError
from firnflow.stores.state.models import CHAMPION, MOVES, Models, ModelVersion, Promotion
from firnflow.values.model import Model
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from firnflow.stores import Stores
    from firnflow.stores.state import State

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_LONGEST_WHO = 200  # characters
_PLACE = re.compile(rf"(?P<name>{NAME.pattern})(?:/(?P<version>[0-9]{{1,9}})|@(?P<alias>{NAME.pattern}))?")

__all__ = ["CHAMPION", "ModelVersion", "Place", "Promotion", "Registry"]


@dataclass(frozen=True, slots=True)
class Place:
    """What `NAME`, `NAME/3` or `NAME@ALIAS` stands for."""

    name: str
    version: int | None = None
    alias: str | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return a place. Raises UsageError where the text is none."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r:.120} is no model. Write NAME, NAME/3 or NAME@{CHAMPION}")
        version = found["version"]
        return cls(found["name"], int(version) if version else None, found["alias"])


class Registry:
    """The models of one environment.

    Args:
        state: where versions, aliases and the audit are.
        stores: where the files of the models are; needed to register and to load.
    """

    def __init__(self, state: State, stores: Stores | None = None) -> None:
        self._models = Models(state)
        self._stores = stores

    def register(
        self,
        name: str,
        model: Model | Ref,
        *,
        run: str | None = None,
        task: str | None = None,
        by: str | None = None,
        metadata: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> ModelVersion:
        """Store a model under the next version of a name; the same model by the same task of a run, once.

        Args:
            name: of the model: a letter, then letters, digits, `_`, `.`, `-`; at most 100.
            model: the model, or the ref of a stored one.
            run: the run that registers it.
            task: the task there.
            by: who; default: the user of this process.
            metadata: lineage, metrics and whatever else is known, as JSON.
            tags: name → text.

        Raises:
            UsageError: the name is none, or the ref is none of a model.
            UnsafeFormatError: the model can only be stored as a pickle.
            DamagedArtifactError: the stored model is not what was committed.
        """
        check_name(name)
        ref = self._checked(model) if isinstance(model, Ref) else values.save(model, Model, self._storage())
        return self._models.add(
            ModelVersion(
                name=name,
                version=0,
                status="registered",
                digest=str(ref.digest),
                ref=ref.to_json(),
                run=run,
                task=task,
                created_at=time.time(),
                created_by=_named(by),
                metadata=metadata or {},
                tags=dict(tags or {}),
            )
        )

    def names(self) -> list[str]:
        """Return the names of all models."""
        return self._models.names()

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the versions of a model, the newest first. Raises NotFoundError where there is no such model."""
        found = self._models.versions(name)
        if not found:
            names = self.names()
            known = f"{nearest(name, names)} Known: {listing(names)}." if names else " No model is registered yet."
            raise NotFoundError(f"There is no model {name!r}.{known}")
        return found

    def aliases(self, name: str) -> dict[str, int]:
        """Return alias → version of a model."""
        return self._models.aliases(name)

    def history(self, name: str | None = None, run: str | None = None) -> list[Promotion]:
        """Return the audit of a model, of a run, or of all, the newest first."""
        return self._models.history(name, run)

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version in production, or None."""
        number = self.aliases(name).get(CHAMPION)
        return self._models.version(name, number) if number is not None else None

    def get(self, place: str) -> ModelVersion:
        """Return the version that `NAME/3`, `NAME@ALIAS` or `NAME` (its champion) stands for.

        Raises:
            UsageError: the text is no place.
            NotFoundError: there is no such model, version or alias.
        """
        wanted = Place.parse(place)
        if wanted.version is not None:
            return self._models.version(wanted.name, wanted.version)
        versions = self.versions(wanted.name)
        aliases = self.aliases(wanted.name)
        alias = wanted.alias or CHAMPION
        if alias not in aliases:
            there = f"{nearest(alias, aliases)} Known: {listing(aliases)}." if aliases else " It has no alias yet."
            raise NotFoundError(f"The model {wanted.name!r} has no {alias!r}.{there} Newest: {versions[0].place}")
        return self._models.version(wanted.name, aliases[alias])

    def load(self, place: str | ModelVersion) -> Model:
        """Return the model itself; its file is checked against its digest.

        Raises:
            NotFoundError: there is no such version, or its file was deleted.
            DamagedArtifactError: the file is missing or is not what was registered.
            UnsafeFormatError: the file holds what could run code.
        """
        found = self.get(place) if isinstance(place, str) else place
        if found.status == "deleted":
            raise NotFoundError(f"{found.place} was deleted. See: firnflow models list {found.name}")
        model: Model = values.load(Ref.from_json(found.ref), Model, self._storage())
        return model

    def verify(self, found: ModelVersion) -> None:
        """Raise DamagedArtifactError where the file of a version is missing or is not what was registered."""
        values.verify(Ref.from_json(found.ref), self._storage())

    def promote(
        self,
        name: str,
        version: int,
        *,
        expected: int | None,
        reason: str,
        alias: str = CHAMPION,
        by: str | None = None,
        verdict: dict[str, Any] | None = None,
        run: str | None = None,
        task: str | None = None,
        action: str = "promote",
    ) -> Promotion:
        """Move an alias to a version, if it still is where the caller has seen it, and write that into the audit.

        Args:
            name: of the model.
            version: the new one.
            expected: the version that the new one was compared with; None: there was none.
            reason: why.
            alias: which one.
            by: who; default: the user of this process.
            verdict: what the gates said.
            run: the run that promotes; a task of a run does so once, however often it is tried.
            task: the task there.
            action: `promote`, `approve` or `rollback`.

        Raises:
            ModelConflictError: the alias was moved meanwhile; nothing was changed.
            NotFoundError: there is no such version, or it was deleted.
            DamagedArtifactError: the file of the version is not what was registered.
        """
        check_name(alias, "alias")
        wish = Promotion(name, alias, action, expected, version, _named(by), _said(reason), verdict, run, task)
        self.verify(self._models.version(name, version))
        return self._models.move(wish)

    def approve(self, name: str, version: int, *, reason: str, by: str | None = None) -> Promotion:
        """Promote a version that waits for it.

        Raises:
            NotFoundError: nobody has asked for this version's approval, or it was answered.
            ModelConflictError: the champion has changed since the version was compared with it.
        """
        asked = self._request(name, version)
        return self.promote(
            name,
            version,
            expected=asked.from_version,
            reason=reason,
            by=by,
            verdict=asked.verdict,
            action="approve",
        )

    def reject(self, name: str, version: int, *, reason: str, by: str | None = None) -> Promotion:
        """Answer a request with no. Raises NotFoundError where none waits."""
        asked = self._request(name, version)
        row = (name, CHAMPION, "reject", asked.from_version, version, _named(by), _said(reason), asked.verdict)
        return self._models.note(Promotion(*row))

    def waiting(self, name: str) -> list[Promotion]:
        """Return the requests for approval that nobody has answered, the newest first."""
        return self._models.waiting(name)

    def note(self, row: Promotion) -> Promotion:
        """Write a row into the audit that moves nothing: `request`, `reject`, `shadow`."""
        return self._models.note(row)

    def set_alias(self, name: str, alias: str, version: int | None, *, reason: str, by: str | None = None) -> Promotion:
        """Move any alias but the champion's, or take it away (version None), wherever it is now.

        Raises:
            UsageError: it is the champion's.
            NotFoundError: there is no such version.
        """
        check_name(alias, "alias")
        if alias == CHAMPION:
            raise UsageError(f"@{CHAMPION} is moved by promotion only: firnflow models promote {name}/{version}")
        action = "alias" if version is not None else "remove"
        now = self.aliases(name).get(alias)
        return self._models.move(Promotion(name, alias, action, now, version, _named(by), _said(reason)))

    def rollback(self, name: str, *, reason: str, by: str | None = None) -> Promotion:
        """Make the version champion that was it before the present one; a second time, the one before that.

        Raises:
            NotFoundError: there is none.
            ModelConflictError: the champion was changed at this moment; nothing was done.
            DamagedArtifactError: the file of that version is not what was registered.
        """
        self.versions(name)
        now, earlier = self._models.way_back(name)
        return self.promote(name, earlier, expected=now, reason=reason, by=by, action="rollback")

    def taken_back(self, name: str, version: int) -> Promotion | None:
        """Return the rollback by which this very model, under this number or another, was taken out of production.

        None where it never was, or was made champion again since.
        """
        digest = self._models.version(name, version).digest
        same = {each.version for each in self.versions(name) if each.digest == digest}
        for row in self.history(name):
            if row.action == "rollback" and row.from_version in same:
                return row
            if row.alias == CHAMPION and row.action in MOVES and row.to_version in same:
                return None
        return None

    def archive(self, name: str, version: int, *, reason: str, by: str | None = None) -> ModelVersion:
        """Put a version aside: it stays loadable. Raises ModelConflictError where an alias points to it."""
        return self._models.set_status(name, version, "archived", _named(by), _said(reason))

    def restore(self, name: str, version: int, *, reason: str, by: str | None = None) -> ModelVersion:
        """Undo `archive`."""
        return self._models.set_status(name, version, "registered", _named(by), _said(reason))

    def delete(self, name: str, version: int, *, reason: str, by: str | None = None) -> ModelVersion:
        """Give a version's file up to `firnflow clean`; that it was there stays written down.

        Raises:
            ModelConflictError: an alias points to it, it has been champion, or it waits for an approval.
        """
        return self._models.set_status(name, version, "deleted", _named(by), _said(reason))

    def why_needed(self, found: ModelVersion) -> str | None:
        """Return why a version must not be deleted, in a few words, or None."""
        return self._models.why_needed(found)

    def tag(self, name: str, version: int, tags: dict[str, str]) -> ModelVersion:
        """Add tags to a version; an empty text takes one away."""
        return self._models.set_tags(name, version, tags)

    def _checked(self, ref: Ref) -> Ref:
        if ref.kind != "model":
            raise UsageError(f"only a model can be registered, not {ref.kind}")
        values.verify(ref, self._storage())
        return ref

    def _request(self, name: str, version: int) -> Promotion:
        waiting = self.waiting(name)
        for row in waiting:
            if row.to_version == version:
                return row
        self._models.version(name, version)
        others = listing(f"{name}/{row.to_version}" for row in waiting)
        there = f" Waiting: {others}." if waiting else ""
        raise NotFoundError(
            f"{name}/{version} does not wait for an approval.{there} See: firnflow models history {name}"
        )

    def _storage(self) -> Stores:
        if self._stores is None:
            raise UsageError("This registry was opened without an artifact store: it cannot store or load models")
        return self._stores


def check_name(name: str, what: str = "name of a model") -> None:
    """Raise UsageError where a text is no name of a model or of an alias."""
    if NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r:.120} is no {what}: a letter, then letters, digits, '_', '.' or '-'; at most 100")


def _named(by: str | None) -> str:
    """Return who decides: the one who is named, else the user of this process."""
    if by is None:
        return who()
    if not by.strip() or not by.isprintable() or len(by) > _LONGEST_WHO:
        raise UsageError(f"{by!r:.120} says nobody who decides: write at most {_LONGEST_WHO} characters that are read")
    return by


def _said(reason: str) -> str:
    if not reason.strip():
        raise UsageError("Say why, for the audit: a reason that is not empty")
    return reason


def who() -> str:
    """Return user and host of this process, as the audit writes them."""
    found = origin.who()
    return f"{found['user'] or '?'}@{found['host'] or '?'}"[:_LONGEST_WHO]
