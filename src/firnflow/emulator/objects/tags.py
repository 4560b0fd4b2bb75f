"""Tags on objects: set, taken away, asked for.

https://docs.snowflake.com/en/user-guide/object-tagging/introduction
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full, key, path_of
from firnflow.emulator.kinds import KINDS, RELATIONS
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import function, relation
from firnflow.emulator.result import Result, rows
from firnflow.targets.snowflake.grammar import ParseError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

_LONGEST = 256
_REFERENCES = (
    *("TAG_DATABASE", "TAG_SCHEMA", "TAG_NAME", "TAG_VALUE", "LEVEL", "OBJECT_DATABASE", "OBJECT_SCHEMA"),
    *("OBJECT_NAME", "DOMAIN", "COLUMN_NAME"),
)


def set_tags(session: Session, thing: Object, pairs: Sequence[Sequence[Any]], column: str = "") -> Object:
    """Return an object with tags set.

    Args:
        session: who sets them.
        thing: the object.
        pairs: the name of each tag and its value.
        column: of a table; "" is the table itself.

    Raises:
        SnowflakeError: there is no such tag, it may not be applied, or does not allow the value.
    """
    tags = {**thing.body.get("tags", {})}
    for name, value in pairs:
        path = session.path("TAG", name)
        tag = session.find("TAG", path)
        access = session.account.access
        if not (
            access.holds(session.roles, ("APPLY",), "TAG", path)
            or access.holds(session.roles, ("APPLY TAG",), "ACCOUNT", ())
        ):
            raise errors.denied("TAG", path[-1])
        allowed = tag.body.get("ALLOWED_VALUES")
        if len(value) > _LONGEST or (allowed is not None and value not in allowed):
            raise errors.SnowflakeError(
                391801,
                "0A000",
                f"SQL execution error: ALTER TAG value {value[:300]} is not allowed for tag '{path[-1]}'.",
            )
        tags[_place(path, column)] = value
    return thing.changed(tags=tags)


def unset_tags(session: Session, thing: Object, names: Sequence[Sequence[str]], column: str = "") -> Object:
    """Return an object without some of its tags."""
    gone = {_place(session.path("TAG", name), column) for name in names}
    return thing.changed(
        tags={place: value for place, value in thing.body.get("tags", {}).items() if place not in gone}
    )


def _place(tag: Sequence[str], column: str) -> str:
    return key((*tag, column))


def changed_values(tag: Object, add: Sequence[str] = (), drop: Sequence[str] = ()) -> Object:
    """Return a tag that allows more or fewer values."""
    held = [*tag.body.get("ALLOWED_VALUES", []), *add]
    return tag.changed(ALLOWED_VALUES=[value for value in dict.fromkeys(held) if value not in drop])


def forget_tag(session: Session, tag: Object) -> None:
    """Take a tag that is dropped from all objects."""
    for thing, place, _ in _all(session, tag.path):
        session.account.catalog.put(thing.changed(tags={k: v for k, v in thing.body["tags"].items() if k != place}))


def _all(session: Session, tag: Sequence[str]) -> Iterator[tuple[Object, str, str]]:
    for kind in KINDS:
        for thing in session.account.catalog.all(kind):
            for place, value in thing.body.get("tags", {}).items():
                if path_of(place)[:3] == tuple(tag):
                    yield thing, place, value


def references(session: Session, tag: Sequence[str]) -> list[dict[str, Any]]:
    """Return the objects with a tag, as TAG_REFERENCES says it."""
    found = []
    for thing, place, value in _all(session, tag):
        above = (None, None, *thing.path)[-3:]
        column = path_of(place)[3] or None
        level = "COLUMN" if column else "TABLE" if thing.kind in RELATIONS else thing.kind
        found.append(dict(zip(_REFERENCES, (*tag, value, level, *above, level, column), strict=True)))
    return found


@relation("TAG_REFERENCES")
def _tag_references(session: Session, name: str, domain: str) -> Result:
    """https://docs.snowflake.com/en/sql-reference/functions/tag_references: the tags of one object."""
    kinds = _kinds(domain)
    path = _path(session, kinds[0], name)
    things = [thing for kind in kinds if (thing := session.account.catalog.get(kind, path))]
    if not things:
        raise errors.missing(domain, full(path))
    made = []
    for place, value in things[0].body.get("tags", {}).items():
        *tag, column = path_of(place)
        if not column:
            above = (None, None, *path)[-3:]
            made.append((*tag, value, domain.upper(), *above, domain.upper(), None))
    return rows([(name, "text") for name in _REFERENCES], made)


@function("SYSTEM$GET_TAG")
def _get_tag(session: Session, tag: str, name: str, domain: str) -> str | None:
    """https://docs.snowflake.com/en/sql-reference/functions/system_get_tag: the value of a tag on an object."""
    kinds = _kinds(domain)
    path = _path(session, kinds[0], name)
    place = _place(session.find("TAG", session.path("TAG", Reader(tag).name())).path, "")
    found: list[str | None] = [
        thing.body.get("tags", {}).get(place) for kind in kinds if (thing := session.account.catalog.get(kind, path))
    ]
    if not found:
        raise errors.missing(domain, full(path))
    return found[0]


@function("ENTITY_DETAIL")
def _entity_detail(session: Session, domain: str, name: str, asked: str) -> str:
    """What Snowflake's client of the Feature Store asks: the tags of an object, or the objects of a tag.

    No page documents it; the form is that which `feature_store.py` in snowflake-ml-python reads. As with what is
    documented, a tag's objects are told to whom may see them.
    """
    kinds = json.loads(asked)
    path = session.path("TAG" if domain == "TAG" else "TABLE", Reader(name).name())
    if domain == "TAG" and kinds == ["TAG_REFERENCES_INTERNAL"]:
        session.find("TAG", path)
        seen = [
            (thing, place, value)
            for thing, place, value in _all(session, path)
            if session.account.access.sees(session.roles, thing.kind, thing.path)
        ]
        return json.dumps({"referencedEntities": {"tagReferenceList": [_detail(*each) for each in seen]}})
    if domain == "TABLE" and kinds == ["TAG_REFERENCES"]:
        found = [thing for kind in RELATIONS if (thing := session.account.catalog.get(kind, path))]
        if not found:
            raise errors.missing(domain, full(path))
        held = found[0].body.get("tags", {}).items()
        return json.dumps({"tagReferencesInfo": {"tagReferenceList": [_detail(found[0], *each) for each in held]}})
    raise errors.unknown(f"ENTITY_DETAIL {domain} {asked}", ["ENTITY_DETAIL TAG", "ENTITY_DETAIL TABLE"])


def _path(session: Session, kind: str, name: str) -> FullName:
    """Return the full name of an object that a text names; that of a procedure has its types in parentheses."""
    if kind not in ("PROCEDURE", "FUNCTION"):
        return session.path(kind, Reader(name).name())
    from firnflow.emulator.programs import overloads  # which lies above

    try:
        asked: Any = parse(f"DESCRIBE PROCEDURE {name}")
    except ParseError:
        raise errors.missing(kind, name) from None
    return overloads.path_of(session, kind, asked.name.parts, asked.arguments or ())


def _kinds(domain: str) -> tuple[str, ...]:
    """Return the kinds of objects that a domain holds.

    Raises:
        SnowflakeError: there is no such domain.
    """
    word = {"MODULE": "MODEL"}.get(domain.upper(), domain.upper())
    if word not in KINDS:
        raise errors.unknown(f"domain {domain}", KINDS)
    return RELATIONS if word == "TABLE" else (word,)


def _detail(thing: Object, place: str, value: str) -> dict[str, str]:
    *tag, _ = path_of(place)
    database, schema, name = ("", "", *thing.path)[-3:]
    return {
        "tagDatabase": tag[0],
        "tagSchema": tag[1],
        "tagName": tag[2],
        "tagValue": value,
        "entityDatabase": database,
        "entitySchema": schema,
        "entityName": name,
        "domain": "TABLE" if thing.kind in RELATIONS else thing.kind,
    }
