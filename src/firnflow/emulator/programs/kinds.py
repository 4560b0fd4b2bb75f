"""Types of arguments and results of functions and procedures, and DuckDB's for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.programs.forms import DOCUMENTS
from firnflow.targets.snowflake.grammar.cursor import Cursor
from firnflow.targets.snowflake.grammar.rules import table_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAMILIES = {
    **dict.fromkeys(("NUMBER", "DECIMAL", "NUMERIC", "INT", "INTEGER", "BIGINT", "SMALLINT"), "NUMBER"),
    **dict.fromkeys(("TINYINT", "BYTEINT"), "NUMBER"),
    **dict.fromkeys(("FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "DOUBLE PRECISION", "REAL"), "FLOAT"),
    **dict.fromkeys(("VARCHAR", "STRING", "TEXT", "CHAR", "CHARACTER"), "VARCHAR"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_NTZ", "DATETIME"), "TIMESTAMP_NTZ"),
    **dict.fromkeys(("BINARY", "VARBINARY"), "BINARY"),
    **{each: each for each in (*DOCUMENTS, "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "BOOLEAN", "DATE", "TIME")},
}
"""Types, and the one that each is another name of: https://docs.snowflake.com/en/sql-reference/intro-summary-data-types"""
_DUCK = {
    "FLOAT": "DOUBLE",
    "VARCHAR": "VARCHAR",
    **dict.fromkeys(DOCUMENTS, "VARCHAR"),
    "TIMESTAMP_NTZ": "TIMESTAMP",
    **dict.fromkeys(("TIMESTAMP_LTZ", "TIMESTAMP_TZ"), "TIMESTAMPTZ"),
    "BINARY": "BLOB",
    **{each: each for each in ("BOOLEAN", "DATE", "TIME")},
}


def family(kind: str) -> str:
    """Return a type without its size and by its first name. Raises SnowflakeError: there is none such here."""
    name = kind.partition("(")[0].strip().upper()
    found = _FAMILIES.get(name)
    if found is None:
        raise errors.unknown(f"a function with type {kind}", _FAMILIES)
    return found


def is_document(kind: str) -> bool:
    """Return whether values of a type travel as JSON."""
    return family(kind) in DOCUMENTS


def duck(kind: str) -> str:
    """Return DuckDB's type for one of Snowflake's. Raises SnowflakeError: there is none."""
    found = family(kind)
    if found != "NUMBER":
        return _DUCK[found]
    size = kind.partition("(")[2].rstrip(") ").split(",")
    return f"DECIMAL(38, {int(size[1])})" if len(size) > 1 and int(size[1]) else "BIGINT"


def is_table(returns: str) -> bool:
    """Return whether a function or procedure returns a table, by what stands behind RETURNS."""
    return returns.partition("(")[0].strip() == "TABLE"


def columns_of(returns: str) -> list[list[str]]:
    """Return name and type of each column of a table, by what stands behind RETURNS.

    Raises:
        SnowflakeError: a type is unknown.
    """
    columns = [[each.name, str(each.type)] for each in table_columns(Cursor(returns))]
    for _, kind in columns:
        family(kind)
    return columns


def as_typed(names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[Any]:
    """Return what a query selects so that columns of these names have the names and types of others."""
    from sqlglot import exp

    made = []
    for name, (own, kind) in zip(names, columns, strict=True):
        value = exp.cast(exp.column(exp.to_identifier(name, quoted=True)), duck(kind))
        value = exp.cast(value, "json") if is_document(kind) else value
        made.append(exp.alias_(value, own, quoted=True))
    return made
