"""Versions of models, their aliases, and the audit of who moved them: what the registry keeps in the state database.

An alias moves in one transaction together with its row in the audit, and only from the version that the caller has
seen: compare and swap. Rows of the audit are added, never changed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from firnflow._crash import crash_point
from firnflow._text import listing, nearest
from firnflow.errors import ModelConflictError, NotFoundError
from firnflow.stores.state import schema
from firnflow.stores.state.records import from_row
from firnflow.stores.state.transaction import reading, transact

if TYPE_CHECKING:
    from firnflow.stores.state.state import State
    from firnflow.stores.state.transaction import Reads

T = TypeVar("T")
CHAMPION = "champion"
PROMOTIONS = ("promote", "approve")
"""Actions that made a version champion because somebody wanted it, not because another one was taken back."""
MOVES = (*PROMOTIONS, "rollback")
"""Actions that move the champion."""
_version, _alias, _audit = schema.model_version, schema.model_alias, schema.promotion


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model.

    Attributes:
        name: of the model.
        version: its number, from 1.
        status: `registered`, `archived` or `deleted` (its file is gone).
        digest: hex SHA-256 of its content.
        ref: the stored model, as `Ref.to_json`.
        run: the run that registered it; None: somebody did by hand.
        task: the task there.
        created_at: seconds since 1970.
        created_by: who.
        metadata: lineage, metrics, signature; as JSON.
        tags: name → text.
    """

    name: str
    version: int
    status: str
    digest: str
    ref: dict[str, Any]
    run: str | None
    task: str | None
    created_at: float
    created_by: str
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """How the version is called: `NAME/3`."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One row of the audit: who did what to an alias or a version, when, and why.

    Attributes:
        id: its number; 0 before it is written.
        action: `promote`, `approve` and `rollback` move the alias; `request` asks for an approval; `reject`, `shadow`,
            `remove` (of an alias), `archive`, `restore` and `delete` are as they say.
        from_version: where the alias was before; None: nowhere.
        to_version: the version that it is about.
        verdict: what the gates said, as JSON.
        run: the run that did it; None: somebody did by hand.
    """

    name: str
    alias: str
    action: str
    from_version: int | None
    to_version: int | None
    by: str
    reason: str
    verdict: dict[str, Any] | None = None
    run: str | None = None
    task: str | None = None
    at: float = field(default_factory=time.time)
    id: int = 0


class Models:
    """The models in a state database."""

    def __init__(self, state: State) -> None:
        self._engine = state.engine

    def add(self, new: ModelVersion) -> ModelVersion:
        """Write a version down under the next number, or return the one that this task of this run has written.

        Args:
            new: the version; its number is not looked at.
        """

        def work(connection: sa.Connection) -> ModelVersion:
            _lock(connection, new.name)
            mine = (_version.c.name == new.name, _version.c.digest == new.digest)
            same: tuple[Any, ...] = (*mine, _version.c.created_at == new.created_at)
            if new.run is not None:
                same = (*mine, _version.c.run == new.run, _version.c.task == new.task)
            found = connection.execute(sa.select(_version).where(*same)).first()
            if found is not None:
                return _read(ModelVersion, found)
            last = sa.select(sa.func.coalesce(sa.func.max(_version.c.version), 0)).where(_version.c.name == new.name)
            row = {**_columns(new), "version": int(connection.execute(last).scalar_one()) + 1}
            connection.execute(_version.insert().values(row))
            return ModelVersion(**row)

        added = transact(self._engine, work)
        crash_point("model.registered")
        return added

    def names(self) -> list[str]:
        """Return the names of all models."""
        with reading(self._engine) as connection:
            return list(connection.execute(sa.select(_version.c.name).distinct().order_by(_version.c.name)).scalars())

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the versions of a model, the newest first; none, if there is no such model."""
        with reading(self._engine) as connection:
            query = sa.select(_version).where(_version.c.name == name).order_by(_version.c.version.desc())
            return [_read(ModelVersion, row) for row in connection.execute(query)]

    def version(self, name: str, number: int) -> ModelVersion:
        """Return a version. Raises NotFoundError."""
        with reading(self._engine) as connection:
            return _find(connection, name, number)

    def made_by(self, run: str) -> list[ModelVersion]:
        """Return the versions that a run has registered."""
        with reading(self._engine) as connection:
            query = sa.select(_version).where(_version.c.run == run).order_by(_version.c.name, _version.c.version)
            return [_read(ModelVersion, row) for row in connection.execute(query)]

    def aliases(self, name: str) -> dict[str, int]:
        """Return alias → version of a model."""
        with reading(self._engine) as connection:
            query = sa.select(_alias.c.alias, _alias.c.version).where(_alias.c.name == name).order_by(_alias.c.alias)
            return {str(alias): int(version) for alias, version in connection.execute(query)}

    def history(self, name: str | None = None, run: str | None = None) -> list[Promotion]:
        """Return the audit of a model, of a run, or of all, the newest first."""
        query = sa.select(_audit).order_by(_audit.c.id.desc())
        if name is not None:
            query = query.where(_audit.c.name == name)
        if run is not None:
            query = query.where(_audit.c.run == run)
        with reading(self._engine) as connection:
            return [_read(Promotion, row) for row in connection.execute(query)]

    def move(self, wish: Promotion) -> Promotion:
        """Move an alias from `wish.from_version` to `wish.to_version` (None: away), and write it into the audit.

        Returns:
            What is in the audit: what this task of this run wrote before, if it did.

        Raises:
            ModelConflictError: the alias is not at `from_version`: somebody has moved it meanwhile.
            NotFoundError: there is no such version, or its file was deleted.
        """

        def work(connection: sa.Connection) -> Promotion:
            _lock(connection, wish.name)
            before = _traces(connection, wish)
            if before is not None:
                return before
            _swap(connection, wish)
            if wish.to_version is not None:
                _take_up(connection, wish.name, wish.to_version)
            return _write(connection, wish)

        done = transact(self._engine, work)
        crash_point("model.promoted")
        return done

    def way_back(self, name: str) -> tuple[int, int]:
        """Return the champion, and the version that was champion before it was promoted.

        Champions are a stack: a promotion puts one on top, a rollback takes one away. So a second rollback goes one
        promotion further back; it does not undo the first.

        Raises:
            NotFoundError: there is no champion, or it is the first.
        """
        with reading(self._engine) as connection:
            now = _current(connection, name, CHAMPION)
            if now is None:
                known = _known(connection, name)
                raise NotFoundError(f"{name!r} has no champion, so there is nothing to roll back.{known}")
            stack = _champions(connection, name)
        if len(stack) < 2:
            raise NotFoundError(
                f"{name}/{now} is the first champion of {name!r}: there is none to go back to. "
                f"Mend: firnflow models promote {name}/N --reason WHY"
            )
        return now, stack[-2]

    def note(self, row: Promotion) -> Promotion:
        """Write a row into the audit that moves nothing: a request, a rejection. Once per task of a run."""

        def work(connection: sa.Connection) -> Promotion:
            _lock(connection, row.name)
            if row.to_version is not None:
                _find(connection, row.name, row.to_version)
            return _traces(connection, row) or _write(connection, row)

        return transact(self._engine, work)

    def waiting(self, name: str) -> list[Promotion]:
        """Return the requests for approval that nobody has answered, the newest first."""
        found: dict[int | None, Promotion] = {}
        gone = {each.version for each in self.versions(name) if each.status == "deleted"}
        for row in self.history(name):
            if row.alias == CHAMPION:
                found.setdefault(row.to_version, row)
        return [row for row in found.values() if row.action == "request" and row.to_version not in gone]

    def set_status(self, name: str, number: int, status: str, by: str, reason: str) -> ModelVersion:
        """Make a version `archived`, `registered` again, or `deleted` (its file may then be collected).

        Raises:
            ModelConflictError: an alias points to it, or the audit needs it.
            NotFoundError: there is no such version, or it is deleted.
        """
        at = time.time()
        action = {"archived": "archive", "registered": "restore", "deleted": "delete"}[status]

        def work(connection: sa.Connection) -> ModelVersion:
            _lock(connection, name)
            found = _find(connection, name, number)
            row = Promotion(name, "", action, None, number, by, reason, at=at)
            if found.status == status or _traces(connection, row) is not None:
                return found
            if found.status == "deleted":
                raise NotFoundError(f"{found.place} was deleted; what is deleted cannot be had back")
            if status != "registered":
                _check_unused(connection, found, deleting=status == "deleted")
            here = (_version.c.name == name, _version.c.version == number)
            connection.execute(_version.update().where(*here).values(status=status))
            _write(connection, row)
            return _find(connection, name, number)

        return transact(self._engine, work)

    def set_tags(self, name: str, number: int, tags: dict[str, str]) -> ModelVersion:
        """Add tags to a version, or replace them; an empty text takes one away. Raises NotFoundError."""

        def work(connection: sa.Connection) -> ModelVersion:
            _lock(connection, name)
            found = _find(connection, name, number)
            merged = {key: text for key, text in {**found.tags, **tags}.items() if text}
            here = (_version.c.name == name, _version.c.version == number)
            connection.execute(_version.update().where(*here).values(tags=_storable(merged)))
            return _find(connection, name, number)

        return transact(self._engine, work)

    def why_needed(self, found: ModelVersion) -> str | None:
        """Return why a version must not be deleted, in a few words, or None."""
        with reading(self._engine) as connection:
            aliases = _aliases_of(connection, found)
            if aliases:
                return f"it is {aliases}"
            if _was_champion(connection, found):
                return "it has been champion"
            return "it waits for an approval" if _is_asked_for(connection, found) else None


def _lock(connection: sa.Connection, name: str) -> None:
    """Let only this transaction work on a model. A writing transaction of SQLite is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"firnflow:model:{name}"))))
    elif connection.dialect.name == "snowflake":
        from firnflow.stores.state.snowflake import tables

        tables.hold(connection, f"model:{name}")


def _find(connection: Reads, name: str, number: int) -> ModelVersion:
    row = connection.execute(sa.select(_version).where(_version.c.name == name, _version.c.version == number)).first()
    if row is None:
        raise NotFoundError(f"There is no model {name}/{number}.{_known(connection, name)}")
    return _read(ModelVersion, row)


def _known(connection: Reads, name: str) -> str:
    """Return what there is instead, as the end of a message."""
    query = sa.select(_version.c.version).where(_version.c.name == name).order_by(_version.c.version.desc())
    versions = [str(version) for version in connection.execute(query).scalars()]
    if versions:
        return f" It has the versions {listing(versions)}."
    names = list(connection.execute(sa.select(_version.c.name).distinct()).scalars())
    return f"{nearest(name, names)} Known: {listing(names)}." if names else " No model is registered yet."


def _current(connection: Reads, name: str, alias: str) -> int | None:
    query = sa.select(_alias.c.version).where(_alias.c.name == name, _alias.c.alias == alias)
    found = connection.execute(query).scalar()
    return int(found) if found is not None else None


def _traces(connection: sa.Connection, wish: Promotion) -> Promotion | None:
    """Return the row that this very call, or this task of this run, has written before."""
    same = [_audit.c.name == wish.name, _audit.c.alias == wish.alias, _audit.c.action == wish.action]
    if wish.run is not None:
        same += [_audit.c.run == wish.run, _audit.c.task == wish.task, _audit.c.to_version == wish.to_version]
    else:
        same += [_audit.c.at == wish.at, _audit.c.by == wish.by]
    row = connection.execute(sa.select(_audit).where(*same)).first()
    return _read(Promotion, row) if row is not None else None


def _swap(connection: sa.Connection, wish: Promotion) -> None:
    now = _current(connection, wish.name, wish.alias)
    if now != wish.from_version:
        raise ModelConflictError(_moved(connection, wish, now))
    if now == wish.to_version:
        raise ModelConflictError(f"{wish.name}/{now} is @{wish.alias} already. Nothing was changed")
    here = (_alias.c.name == wish.name, _alias.c.alias == wish.alias)
    connection.execute(_alias.delete().where(*here))
    if wish.to_version is not None:
        row = {"name": wish.name, "alias": wish.alias, "version": wish.to_version, "since": wish.at}
        connection.execute(_alias.insert().values(row))


def _moved(connection: sa.Connection, wish: Promotion, now: int | None) -> str:
    query = sa.select(_audit).where(_audit.c.name == wish.name, _audit.c.alias == wish.alias)
    last = connection.execute(query.order_by(_audit.c.id.desc())).first()
    who = f", by {last.by} ({last.action})" if last is not None else ""
    seen = f"version {wish.from_version}" if wish.from_version is not None else "no version"
    is_now = f"version {now}" if now is not None else "gone"
    mend = "Mend: compare with that one: run the pipeline again"
    if wish.action in ("rollback", "alias", "remove"):
        mend = f"See: firnflow models history {wish.name}"
    compared = f" when {wish.name}/{wish.to_version} was compared with it" if wish.action in PROMOTIONS else ""
    return (
        f"{wish.name}@{wish.alias} was moved meanwhile: it was {seen}{compared}, and is {is_now} now{who}. "
        f"Nothing was changed. {mend}"
    )


def _write(connection: sa.Connection, row: Promotion) -> Promotion:
    values = {name: value for name, value in _columns(row).items() if name != "id"}
    key = connection.execute(_audit.insert().values(values)).inserted_primary_key
    if connection.dialect.name == "snowflake":  # which does not say; the model is held, so that the last one is ours
        key = connection.execute(sa.select(sa.func.max(_audit.c.id)).where(_audit.c.name == row.name)).one()
    return Promotion(**values, id=int(key[0]) if key is not None else 0)


def _take_up(connection: sa.Connection, name: str, number: int) -> None:
    """Let a version that gets an alias be in use, also where it was archived. Raises NotFoundError if it is deleted."""
    if _find(connection, name, number).status == "deleted":
        raise NotFoundError(f"{name}/{number} was deleted. See: firnflow models list {name}")
    here = (_version.c.name == name, _version.c.version == number)
    connection.execute(_version.update().where(*here).values(status="registered"))


def _champions(connection: Reads, name: str) -> list[int]:
    """Return the champions that were not rolled back, the present one last."""
    moves = (_audit.c.name == name, _audit.c.alias == CHAMPION, _audit.c.action.in_(MOVES))
    stack: list[int] = []
    for row in connection.execute(sa.select(_audit.c.action, _audit.c.to_version).where(*moves).order_by(_audit.c.id)):
        if row.action == "rollback":
            del stack[-1:]
        else:
            stack.append(int(row.to_version))
    return stack


def _check_unused(connection: sa.Connection, found: ModelVersion, *, deleting: bool) -> None:
    aliases = _aliases_of(connection, found)
    if aliases:
        raise ModelConflictError(
            f"{found.place} is {aliases}, so it stays as it is. "
            f"Mend: firnflow models rollback {found.name}, or promote another version"
        )
    if deleting and _was_champion(connection, found):
        raise ModelConflictError(
            f"{found.place} has been champion: the audit names it, and a rollback may need it. "
            f"Mend: firnflow models archive {found.place}"
        )
    if deleting and _is_asked_for(connection, found):
        raise ModelConflictError(
            f"{found.place} waits for an approval. Mend: firnflow models reject {found.place} --reason WHY"
        )


def _aliases_of(connection: Reads, found: ModelVersion) -> str:
    here = (_alias.c.name == found.name, _alias.c.version == found.version)
    names = list(connection.execute(sa.select(_alias.c.alias).where(*here)).scalars())
    return listing(f"@{name}" for name in names) if names else ""


def _was_champion(connection: Reads, found: ModelVersion) -> bool:
    rows = sa.select(_audit.c.id).where(
        _audit.c.name == found.name,
        _audit.c.alias == CHAMPION,
        _audit.c.action.in_(MOVES),
        sa.or_(_audit.c.to_version == found.version, _audit.c.from_version == found.version),
    )
    return connection.execute(rows).first() is not None


def _is_asked_for(connection: Reads, found: ModelVersion) -> bool:
    """Return whether somebody may still approve this version: the champion is the one that it was compared with."""
    here = (_audit.c.name == found.name, _audit.c.to_version == found.version, _audit.c.alias == CHAMPION)
    last = connection.execute(sa.select(_audit).where(*here).order_by(_audit.c.id.desc())).first()
    now = _current(connection, found.name, CHAMPION)
    return last is not None and last.action == "request" and last.from_version == now


def _columns(record: ModelVersion | Promotion) -> dict[str, Any]:
    return {name: _storable(getattr(record, name)) for name in record.__slots__}


def _storable(value: Any) -> Any:
    """Return what every database takes: PostgreSQL knows no NaN in JSON, and no zero byte in a text."""
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}")
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(cls: type[T], row: Any) -> T:
    return from_row(cls, row._mapping)  # noqa: SLF001 - public in SQLAlchemy
