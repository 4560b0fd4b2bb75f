"""Text → statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.targets.snowflake.grammar import objects, others
from firnflow.targets.snowflake.grammar.cursor import Cursor
from firnflow.targets.snowflake.grammar.kinds import KINDS
from firnflow.targets.snowflake.grammar.tokens import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.targets.snowflake.grammar.statements import Statement

_VERBS: dict[str, Callable[[Cursor], Statement]] = {
    "CREATE": objects.create,
    "ALTER SESSION": others.alter_session,
    "ALTER": objects.alter,
    "DROP": objects.drop,
    "DESCRIBE": objects.describe,
    "DESC": objects.describe,
    "SHOW": objects.show,
    "COMMENT": objects.comment,
    "EXECUTE": others.execute,
    "CALL": others.call,
    "SELECT": others.select,
    "GRANT": others.grant,
    "REVOKE": others.revoke,
    "USE": others.use,
    "PUT": others.put,
    "GET": others.get,
    "LIST": others.list_files,
    "LS": others.list_files,
    "REMOVE": others.remove_files,
    "RM": others.remove_files,
    "COPY FILES": others.copy_files,
}


def parse(sql: str) -> Statement:
    """Return the statement that a text is; one semicolon may stand at its end.

    Raises:
        ParseError: it is none of this grammar: where, what was found, what was expected.
    """
    cursor = Cursor(sql)
    if (verb := cursor.one_of(list(_VERBS))) is None:
        cursor.fail()
    statement = _VERBS[verb](cursor)
    cursor.end()
    return statement


def covers(sql: str) -> bool:
    """Whether a text begins as a statement of this grammar that is no SELECT, so that it has to be one.

    What is about other kinds of objects, `CREATE TABLE …`, and queries are another grammar's.
    """
    cursor = Cursor(sql)
    try:
        verb = cursor.one_of(list(_VERBS))
        if verb in {"CREATE", "ALTER", "DROP", "DESCRIBE", "DESC", "COMMENT", "SHOW"}:
            return _names_kind(cursor, verb)
    except ParseError:
        return False
    return verb is not None and verb != "SELECT"


def _names_kind(cursor: Cursor, verb: str) -> bool:
    if verb == "SHOW":
        cursor.accept("TERSE")
        return cursor.one_of(objects.SHOWN) is not None
    for words in ("IF EXISTS", "ON"):
        cursor.accept(words)
    while cursor.one_of(objects.WORDS_BEFORE_KIND) is not None:
        pass
    return cursor.one_of(list(KINDS)) is not None
