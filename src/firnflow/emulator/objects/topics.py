"""Kinds of objects that are only entries of the catalog: made, changed, dropped, described and shown in one way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import Object
from firnflow.emulator.kinds import KINDS, RELATIONS
from firnflow.emulator.objects import making
from firnflow.emulator.objects.given import parsed, plain, settings
from firnflow.emulator.objects.show import Columns, every, shown
from firnflow.emulator.objects.tags import set_tags, unset_tags
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done, rows, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True)
class Topic:
    """A kind of object.

    Attributes:
        kind: its word in `kinds`.
        columns: what SHOW says of one.
        spoken: as the answer to CREATE calls it.
        word: as statements call it, where that is not the kind.
        takes: which objects of the kind these statements are for.
        defaults: of its settings.
        check: called with the session, the full name and the body before one is made or changed.
        begun, ended: called when one was made, is about to be dropped.
        actions: of ALTER, beside SET, UNSET and RENAME TO: called with the session, the object and the value; returns
            the object as it is then.
        operates: the actions for which OPERATE is enough.
        modifies: those for which MODIFY is.
        partly: what is not emulated.
    """

    kind: str
    columns: Columns
    spoken: str
    word: str = ""
    takes: Callable[[Object], bool] = every
    defaults: dict[str, Any] = field(default_factory=dict)
    check: Callable[[Session, FullName, dict[str, Any]], None] = _nothing
    begun: Callable[[Session, Object], None] = _nothing
    ended: Callable[[Session, Object], None] = _nothing
    actions: dict[str, Callable[[Session, Object, Any], Object]] = field(default_factory=dict)
    operates: tuple[str, ...] = ()
    modifies: tuple[str, ...] = ("SET",)
    partly: str = ""

    @property
    def said(self) -> str:
        """The kind as statements call it."""
        return self.word or self.kind

    def register(self) -> None:
        """Register all statements of this kind."""
        page = self.said.lower().replace(" ", "-")
        below = "sql-reference/sql/"
        statement(f"CREATE {self.said}", f"{below}create-{page}", partly=self.partly)(self.create)
        statement(f"ALTER {self.said}", f"{below}alter-{page}", partly=self.partly)(self.alter)
        statement(f"DROP {self.said}", f"{below}drop-{page}")(self.drop)
        statement(f"DESCRIBE {self.said}", f"{below}desc-{page}")(self.describe)
        plural = KINDS[self.kind].plural if not self.word else f"{self.word}S"
        statement(f"SHOW {plural}", f"{below}show-{plural.lower().replace(' ', '-')}")(self.show)

    def create(self, session: Session, given: Statement) -> Result:
        """Run CREATE."""
        made = parsed(given)
        path = session.path(self.kind, made.name.parts)
        body = {**self.defaults, **settings(made.properties)}
        if self.kind in RELATIONS:
            body["text"] = given.text
        if self.kind in RELATIONS and made.columns:
            body["columns"] = [column.name for column in made.columns]
            body["comments"] = {column.name: column.comment for column in made.columns if column.comment}
        there = session.account.catalog.get(self.kind, path)
        if "OR ALTER" in made.variants and there is not None:
            return self._or_alter(session, there, body)
        replaces = "OR REPLACE" in made.variants
        if found := making.begin(session, self.kind, path, replaces=replaces, optional=made.if_not_exists):
            return found
        self.check(session, path, body)
        if there is not None:
            self.ended(session, there)
        if any("TEMP" in variant for variant in made.variants):
            body["session"] = session.token
        tags = body.pop("TAG", [])
        made_object = making.made(session, self.kind, path, body)
        if tags:
            made_object = set_tags(session, made_object, tags)
            session.account.catalog.put(made_object)
        self.begun(session, made_object)
        return status(f"{self.spoken} {path[-1]} successfully created.")

    def _or_alter(self, session: Session, there: Object, body: dict[str, Any]) -> Result:
        """Change an object into what CREATE OR ALTER says: what it does not name goes back to its default.

        https://docs.snowflake.com/en/sql-reference/sql/create-or-alter
        """
        session.need(self.kind, there.path)
        self.check(session, there.path, body)
        kept = {key: value for key, value in there.body.items() if not key.isupper()}
        session.account.catalog.put(Object(there.kind, there.path, there.owner, {**kept, **body}, there.created))
        return status(f"{self.spoken} {there.name} successfully altered." if there.body != body else "No changes.")

    def alter(self, session: Session, given: Statement) -> Result:
        """Run ALTER."""
        asked = parsed(given)
        path = session.path(self.kind, asked.name.parts)
        if asked.if_exists and not session.account.access.sees(session.roles, self.kind, path):
            return done()
        enough = ("OPERATE",) if asked.action in self.operates else ("MODIFY",) if asked.action in self.modifies else ()
        thing = self._mine(session.need(self.kind, path, *enough))
        if asked.action == "RENAME TO":
            making.renamed(session, self.kind, path, session.path(self.kind, asked.value.parts))
            return done()
        session.account.catalog.put(self._altered(session, thing, asked))
        return done()

    def _altered(self, session: Session, thing: Object, asked: Any) -> Object:
        """Return an object as an ALTER makes it."""
        if asked.action == "SET":
            new = {**thing.body, **settings(asked.properties)}
            self.check(session, thing.path, new)
            return thing.changed(**new)
        if asked.action == "UNSET":
            return thing.changed(**{key: self.defaults.get(key) for key in asked.unset})
        if asked.action == "SET TAG":
            return set_tags(session, thing, plain(asked.value))
        if asked.action == "UNSET TAG":
            return unset_tags(session, thing, plain(asked.value))
        if asked.action in self.actions:
            return self.actions[asked.action](session, thing, plain(asked.value))
        raise errors.unknown(f"ALTER {self.said} {asked.action}", [f"ALTER {self.said} {a}" for a in self.actions])

    def drop(self, session: Session, given: Statement) -> Result:
        """Run DROP."""
        asked = parsed(given)
        path = session.path(self.kind, asked.name.parts)
        thing = making.droppable(session, self.kind, path, optional=asked.if_exists)
        if thing is None:
            return making.gone(path[-1])
        self.ended(session, self._mine(thing))
        session.account.catalog.drop(self.kind, path)
        return status(f"{path[-1]} successfully dropped.")

    def describe(self, session: Session, given: Statement) -> Result:
        """Run DESCRIBE: the columns that SHOW has, and those settings that are in none."""
        path = session.path(self.kind, given.reader.name())
        given.reader.end()
        thing = self._mine(session.find(self.kind, path))
        return rows(
            [(name, sort) for name, sort, _ in self.columns], [[get(session, thing) for *_, get in self.columns]]
        )

    def show(self, session: Session, given: Statement) -> Result:
        """Run SHOW."""
        return shown(session, given, self.kind, self.columns, self.takes)

    def _mine(self, thing: Object) -> Object:
        """Return an object; raise SnowflakeError where it is none that these statements are for."""
        if not self.takes(thing):
            raise errors.missing(self.said, thing.name)
        return thing


def body(key: str, default: Any = None) -> Callable[[Session, Object], Any]:
    """Return what reads a setting of an object."""
    return lambda _, thing: thing.body.get(key, default)
