"""ALTER TABLE and ALTER VIEW, and COMMENT ON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine import trees
from firnflow.emulator.kinds import KINDS, RELATIONS
from firnflow.emulator.objects import columns, history, making, relations
from firnflow.emulator.objects.given import with_binds
from firnflow.emulator.objects.tags import set_tags, unset_tags
from firnflow.emulator.reader import Reader, tokens_of
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_KEPT = ("DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS", "CHANGE_TRACKING", "COMMENT")
_PARTLY = "no policies, no search optimization; clustering keys are written down"
_LAST = "__swapped"


@statement("ALTER TABLE", "sql-reference/sql/alter-table", partly=_PARTLY)
def _alter_table(session: Session, given: Statement) -> Result:
    return _alter(session, given)


@statement("ALTER VIEW", "sql-reference/sql/alter-view", partly="no policies")
def _alter_view(session: Session, given: Statement) -> Result:
    return _alter(session, given)


def _alter(session: Session, given: Statement) -> Result:
    text = _named(with_binds(given.text, given.binds))
    reader = Reader(text)
    reader.at = 2
    optional = reader.take("IF", "EXISTS")
    path = session.path("TABLE", reader.name())
    if optional and relations.find(session, path) is None:
        return done()
    thing = relations.need(session, path)
    for words, run in _ACTIONS.items():
        if reader.take(*words.split()):
            changed = run(session, thing, reader)
            reader.end()
            if changed is not None:
                session.account.catalog.put(changed)
            return done()
    _in_engine(session, thing, text)
    return done()


def _named(text: str) -> str:
    """Return a statement with names in the places of IDENTIFIER('…')."""
    parts, at, tokens = [], 0, tokens_of(text)
    for word, opened, string, closed in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if (word.value, opened.value, closed.value) == ("IDENTIFIER", "(", ")") and string.sort is Sort.STRING:
            parts += [text[at : word.start], full(Reader(string.value).name())]
            at = closed.end
    return "".join([*parts, text[at:]])


def _in_engine(session: Session, thing: Object, text: str) -> None:
    """Change the columns of a table."""
    from sqlglot import exp

    tree = trees.parsed(text)
    actions = tree.args.get("actions") or []
    known = (exp.ColumnDef, exp.Drop, exp.AlterColumn, exp.RenameColumn)
    if thing.kind != "TABLE" or not actions or not all(isinstance(action, known) for action in actions):
        said = " ".join(token.value for token in tokens_of(text)[3:6])
        raise errors.unknown(
            f"ALTER {thing.kind} {said}", [f"ALTER TABLE {words}" for words in (*_ACTIONS, "ADD COLUMN")]
        )
    types = columns.altered(thing.body.get("types", {}), actions)
    history.keep(session, thing.path)
    relations.qualify(tree.this, thing.path)
    session.engine.run(tree)
    session.account.catalog.put((relations.find(session, thing.path) or thing).changed(types=types))


def _rename(session: Session, thing: Object, reader: Reader) -> None:
    new = session.path(thing.kind, reader.name())
    reader.end()
    making.renamed(session, thing.kind, thing.path, new)
    _move(session, thing, thing.path, new)


def _move(session: Session, thing: Object, path: FullName, new: FullName) -> None:
    """Rename a table in DuckDB; one that goes to another schema is made there anew."""
    word = "VIEW" if thing.kind == "VIEW" else "TABLE"
    old, run = trees.table(path).sql(dialect="duckdb"), session.account.databases.run
    if path[:2] == new[:2]:
        run(f"ALTER {word} {old} RENAME TO {identifier(new[2])}")
        return
    if word == "VIEW":
        raise errors.unknown("ALTER VIEW RENAME TO another schema", ["ALTER VIEW RENAME TO in its schema"])
    run(f"CREATE TABLE {trees.table(new).sql(dialect='duckdb')} AS FROM {old}")
    run(f"DROP TABLE {old}")


def _swap(session: Session, thing: Object, reader: Reader) -> None:
    """https://docs.snowflake.com/en/sql-reference/sql/alter-table: both change their names, and what is granted."""
    path = session.path("TABLE", reader.name())
    other = relations.need(session, path)
    between = (*thing.path[:2], thing.path[2] + _LAST)
    for old, new in ((thing.path, between), (other.path, thing.path), (between, other.path)):
        _move(session, thing, old, new)
        session.account.catalog.move("TABLE", old, new)


def _set(_: Session, thing: Object, reader: Reader) -> Object:
    return thing.changed(**reader.settings(_KEPT, thing.kind))


def _unset(_: Session, thing: Object, reader: Reader) -> Object:
    return thing.changed(**{name: None for (name,) in reader.names()})


def _set_tag(session: Session, thing: Object, reader: Reader) -> Object:
    pairs = []
    while not reader.ended:
        name = reader.name()
        reader.need("=")
        pairs.append((name, reader.string()))
        reader.take(",")
    return set_tags(session, thing, pairs)


def _unset_tag(session: Session, thing: Object, reader: Reader) -> Object:
    return unset_tags(session, thing, reader.names())


def _cluster(_: Session, thing: Object, reader: Reader) -> Object:
    return thing.changed(cluster_by=reader.enclosed())


def _secure(_: Session, thing: Object, __: Reader) -> Object:
    return thing.changed(secure=True)


_ACTIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "RENAME TO": _rename,
    "SWAP WITH": _swap,
    "SET TAG": _set_tag,
    "UNSET TAG": _unset_tag,
    "SET SECURE": _secure,
    "SET": _set,
    "UNSET": _unset,
    "CLUSTER BY": _cluster,
}


@statement("COMMENT", "sql-reference/sql/comment", partly="not on columns of views")
def _comment(session: Session, given: Statement) -> Result:
    reader = given.reader
    reader.take("IF", "EXISTS")
    reader.need("ON")
    if reader.take("COLUMN"):
        *name, column = reader.name()
        thing = relations.need(session, session.path("TABLE", name))
        reader.need("IS")
        session.account.catalog.put(thing.changed(comments={**thing.body.get("comments", {}), column: reader.string()}))
        return done()
    kind = next((word for word in sorted(KINDS, key=len, reverse=True) if reader.take(*word.split())), None)
    if kind is None:
        raise errors.unknown(f"COMMENT ON {reader.next.value}", [f"COMMENT ON {word}" for word in KINDS])
    path = session.path(kind, reader.name())
    thing = relations.need(session, path) if kind in RELATIONS else session.need(kind, path)
    reader.need("IS")
    session.account.catalog.put(thing.changed(COMMENT=reader.string()))
    return done()
