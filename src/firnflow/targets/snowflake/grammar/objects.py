"""CREATE, ALTER, DROP, DESCRIBE, SHOW and COMMENT, by the tables of `kinds` and `actions`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firnflow.targets.snowflake.grammar import rules
from firnflow.targets.snowflake.grammar.actions import ACTIONS, Action
from firnflow.targets.snowflake.grammar.expressions import type_of
from firnflow.targets.snowflake.grammar.kinds import KINDS, Kind
from firnflow.targets.snowflake.grammar.statements import Alter, Comment, Create, Describe, Drop, Show
from firnflow.targets.snowflake.grammar.tokens import Sort
from firnflow.targets.snowflake.grammar.values import Name, Property

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.targets.snowflake.grammar.cursor import Cursor
    from firnflow.targets.snowflake.grammar.rules import Rule

WORDS_BEFORE_KIND = ["OR REPLACE", "OR ALTER", "SCOPED TEMPORARY", "TEMPORARY", "TEMP", "TRANSIENT", "SECURE"]
_OPENED_BY_WITH = {"WAREHOUSE", "MODEL MONITOR"}
PLURALS = {kind.plural: kind.name for kind in KINDS.values()}
SHOWN = [
    *PLURALS,
    "GRANTS",
    "FUTURE GRANTS",
    "PARAMETERS",
    "INTEGRATIONS",
    "VERSIONS",
    "FUNCTIONS",
    "SERVICE INSTANCES",
    "SERVICE CONTAINERS",
]
"""What SHOW shows. https://docs.snowflake.com/en/sql-reference/sql/show"""
SCOPES = ["ACCOUNT", "DATABASE", "SCHEMA", "MODEL", "SERVICE", "TASK", "COMPUTE POOL", "SESSION"]
"""What SHOW … IN may name."""
_AFTER_SCOPE = {"STARTS", "LIMIT", "ROOT", "LIKE"}
_NEED_NO_NAME = {"ACCOUNT", "SESSION", "DATABASE", "SCHEMA"}


def create(cursor: Cursor) -> Create:
    """Read CREATE; the word itself was read."""
    variants = []
    while (found := cursor.one_of([each for each in WORDS_BEFORE_KIND if each not in variants])) is not None:
        variants.append(found)
    kind = a_kind(cursor, [each for each in KINDS.values() if each.is_created and set(variants) <= set(each.variants)])
    missing = "OR REPLACE" not in variants and "OR ALTER" not in variants and cursor.accept("IF NOT EXISTS")
    name = cursor.name()
    columns = None
    if kind.columns == "arguments":
        columns = cursor.in_parentheses(rules.argument)
    elif kind.columns == "columns" and cursor.at("("):
        columns = cursor.in_parentheses(rules.column)
    if kind.name in _OPENED_BY_WITH:
        cursor.accept("WITH")
    properties = [*rules.read_properties(cursor, kind.settings), *_last(cursor, kind.last)]
    _check_body(cursor, kind, properties)
    return Create(kind.name, name, tuple(properties), tuple(variants), missing, columns)


def _last(cursor: Cursor, clauses: Mapping[str, Rule]) -> list[Property]:
    """Read the clauses that have an order; each may be left out."""
    return [Property(lead, rules.read_value(cursor, rule)) for lead, rule in clauses.items() if cursor.accept(lead)]


def _check_body(cursor: Cursor, kind: Kind, properties: list[Property]) -> None:
    """Raise ParseError where a body has to stand and does not: what is cloned, or imported, has its own."""
    names = {each.name for each in properties}
    if "AS" in kind.last and names.isdisjoint({"AS", "CLONE", "IMPORTS"}):
        cursor.fail("AS")


def alter(cursor: Cursor) -> Alter:
    """Read ALTER; the word itself was read."""
    kind = a_kind(cursor, list(KINDS.values()))
    if_exists = cursor.accept("IF EXISTS")
    name = cursor.name()
    arguments = _arguments(cursor, kind)
    actions = ACTIONS[kind.name]
    lead = cursor.one_of([each for each, action in actions.items() if not action.versioned])
    version = None
    if lead is None:
        lead, version = _versioned(cursor, actions)
    action = actions[lead]
    found = Alter(kind.name, name, lead, None, (), (), version, if_exists, arguments)
    if action.settings is not None and lead == "UNSET":
        return _with(found, unset=_unset(cursor, list(action.settings)))
    if action.settings is not None:
        return _with(found, properties=rules.read_properties(cursor, action.settings, once=True))
    return _with(found, value=rules.read_value(cursor, action.value)) if action.value is not None else found


def _with(found: Alter, **changes: object) -> Alter:
    return replace(found, **changes)  # type: ignore[arg-type]


def _versioned(cursor: Cursor, actions: Mapping[str, Action]) -> tuple[str, Name]:
    """Read an action with a version in it: its lead, and the version."""
    leads = {each: split_version(each) for each, action in actions.items() if action.versioned}
    if (before := cursor.one_of(list({before for before, _ in leads.values()}))) is None:
        cursor.fail()
    version = rules.version(cursor)
    after = [behind for first, behind in leads.values() if first == before]
    behind = cursor.one_of([each for each in after if each])
    if behind is None and "" not in after:
        cursor.fail()
    assert isinstance(version, Name)  # noqa: S101 - what `version` reads
    return f"{before} {behind or ''}".strip(), version


def split_version(lead: str) -> tuple[str, str]:
    """Return what of an action's name stands before the version, and behind it."""
    before, _, behind = lead.partition("VERSION")
    return f"{before}VERSION", behind.strip()


def _unset(cursor: Cursor, names: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    while (name := cursor.one_of([each for each in names if each not in found])) is not None:
        found.append(name)
        cursor.accept(",")
    if not found:
        cursor.fail()
    return tuple(found)


def drop(cursor: Cursor) -> Drop:
    """Read DROP; the word itself was read."""
    kind = a_kind(cursor, list(KINDS.values()))
    if_exists = cursor.accept("IF EXISTS")
    name = cursor.name()
    arguments = _arguments(cursor, kind)
    how = cursor.one_of(["CASCADE", "RESTRICT"]) if kind.name in {"SCHEMA", "DATABASE"} else None
    if kind.name == "SERVICE" and cursor.accept("FORCE"):
        how = "FORCE"
    return Drop(kind.name, name, if_exists, arguments, how)


def describe(cursor: Cursor) -> Describe:
    """Read DESCRIBE; the word itself was read."""
    kind = a_kind(cursor, list(KINDS.values()))
    name = cursor.name()
    return Describe(kind.name, name, _arguments(cursor, kind))


def show(cursor: Cursor) -> Show:
    """Read SHOW; the word itself was read."""
    flags = ["TERSE"] if cursor.accept("TERSE") else []
    if (what := cursor.one_of(SHOWN)) is None:
        cursor.fail()
    flags += ["HISTORY"] if cursor.accept("HISTORY") else []
    like = cursor.string() if cursor.accept("LIKE") else None
    of = _asked_of(cursor, what)
    flags += ["ROOT ONLY"] if what == "TASKS" and cursor.accept("ROOT ONLY") else []
    starts = cursor.string() if cursor.accept("STARTS WITH") else None
    limit = cursor.integer() if cursor.accept("LIMIT") else None
    after = cursor.string() if limit is not None and cursor.accept("FROM") else None
    return Show(what, like, of, starts, limit, after, tuple(flags))


def _asked_of(cursor: Cursor, what: str) -> tuple[str, Name | None] | None:
    """Read of what a list is asked."""
    if what in {"GRANTS", "FUTURE GRANTS"}:
        leads = ["TO ROLE", "TO USER", "OF ROLE", "TO DATABASE ROLE", "IN SCHEMA", "IN DATABASE"]
        leads += ["ON ACCOUNT", *(f"ON {kind}" for kind in [*KINDS, "TABLE", "VIEW"])]
        lead = cursor.one_of(leads)
        return (lead, None if lead == "ON ACCOUNT" else cursor.name()) if lead else None
    if not cursor.accept("IN"):
        return None
    scope = cursor.one_of(SCOPES) or "SCHEMA"
    token = cursor.peek()
    is_named = token.sort is Sort.QUOTED or (token.sort is Sort.WORD and token.value not in _AFTER_SCOPE)
    if scope in {"ACCOUNT", "SESSION"} or (scope in _NEED_NO_NAME and not is_named):
        return f"IN {scope}", None
    return f"IN {scope}", cursor.name()


def comment(cursor: Cursor) -> Comment:
    """Read COMMENT [IF EXISTS] ON; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/comment
    """
    if_exists = cursor.accept("IF EXISTS")
    cursor.expect("ON")
    kind = a_kind(cursor, list(KINDS.values()))
    name = cursor.name()
    arguments = _arguments(cursor, kind)
    cursor.expect("IS")
    return Comment(kind.name, name, cursor.string(), if_exists, arguments)


def a_kind(cursor: Cursor, among: list[Kind]) -> Kind:
    """Read the name of a kind."""
    if (found := cursor.one_of([kind.name for kind in among])) is None:
        cursor.fail()
    return KINDS[found]


def _arguments(cursor: Cursor, kind: Kind) -> tuple[str, ...] | None:
    """Read the types behind the name of a procedure; None: another kind has none."""
    return cursor.in_parentheses(type_of) if kind.columns == "arguments" else None
