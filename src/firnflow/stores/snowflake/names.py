"""Texts of Snowflake's SQL: each identifier and string in a statement goes through one of these.

Identifiers: https://docs.snowflake.com/en/sql-reference/identifiers-syntax
Strings: https://docs.snowflake.com/en/sql-reference/data-types-text (a backslash escapes, unlike in `firnflow._sql`)
Reserved words: https://docs.snowflake.com/en/sql-reference/reserved-keywords
"""

from __future__ import annotations

import re

from firnflow import _sql
from firnflow.errors import UsageError

LONGEST = 255
"""Characters of an identifier."""
_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*")
_NAME = re.compile(r'(?:[A-Za-z_][\w$]*|"(?:[^"\x00-\x1f\x7f]|"")+")(?:\.|$)', re.ASCII)
_RESERVED_WORDS = """
    ACCOUNT ALL ALTER AND ANY AS BETWEEN BY CASE CAST CHECK COLUMN CONNECT CONNECTION CONSTRAINT CREATE CROSS CURRENT
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DATABASE DELETE DISTINCT DROP ELSE EXISTS FALSE FOLLOWING
    FOR FROM FULL GRANT GROUP GSCLUSTER HAVING ILIKE IN INCREMENT INNER INSERT INTERSECT INTO IS ISSUE JOIN LATERAL
    LEFT LIKE LOCALTIME LOCALTIMESTAMP MINUS NATURAL NOT NULL OF ON OR ORDER ORGANIZATION QUALIFY REGEXP REVOKE RIGHT
    RLIKE ROW ROWS SAMPLE SCHEMA SELECT SET SOME START TABLE TABLESAMPLE THEN TO TRIGGER TRUE TRY_CAST UNION UNIQUE
    UPDATE USING VALUES VIEW WHEN WHENEVER WHERE WITH
"""
RESERVED = frozenset(_RESERVED_WORDS.split())
"""Words that are no identifiers without quotes."""
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "''", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\0": "\\0"})


def identifier(name: str) -> str:
    """Return a name, as Snowflake keeps it, as an identifier: in quotes where it would mean something else without.

    Raises:
        UsageError: Snowflake has no such names: it is empty, longer than 255 characters, or has a control character.
    """
    if not 0 < len(name) <= LONGEST or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        shown = repr(name if len(name) <= 40 else f"{name[:40]}…")
        raise UsageError(
            f"{shown} cannot be a name in Snowflake. Mend: 1 to {LONGEST} characters, none of them a control character"
        )
    return name if _PLAIN.fullmatch(name) and name not in RESERVED else _sql.identifier(name)


def full_name(name: str, *above: str) -> str:
    """Return a name as it is written in SQL, with what it lies in where it does not say so.

    Args:
        name: `stage`, `"My Stage"` or `db.schema.stage`.
        above: the database and the schema, written likewise.

    Raises:
        UsageError: one of them is no name.
    """
    for text in (*above, name):
        found = _NAME.findall(text)
        if not 0 < len(found) <= len(above) + 1 or "".join(found) != text or text.endswith("."):
            raise UsageError(
                f"{text!r} is no name in Snowflake. Mend: put it in double quotes, '{_sql.identifier(text)}'"
            )
    return ".".join((*above[: max(len(above) + 1 - len(found), 0)], name))


def parts(name: str) -> tuple[str, ...]:
    """Return a name as it is written in SQL, `db."My Schema".orders`, as the parts that Snowflake keeps.

    Raises:
        UsageError: it is no name.
    """
    full_name(name, "d", "s")
    return tuple(kept(each.removesuffix(".")) for each in _NAME.findall(name))


def kept(name: str) -> str:
    """Return a name of one part, as it is written in SQL, as Snowflake keeps it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.upper()


def literal(text: str) -> str:
    """Return a text as a string of Snowflake's SQL."""
    return f"'{text.translate(_ESCAPES)}'"


def dollars(text: str) -> str:
    """Return a text as a string in which nothing is escaped, or as an ordinary one where it cannot be such a one."""
    return literal(text) if "$$" in text or text.endswith("$") else f"$${text}$$"
