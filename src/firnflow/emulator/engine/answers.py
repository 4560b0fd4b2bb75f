"""What fakesnow's cursor has found, as an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from firnflow.emulator.result import Result

if TYPE_CHECKING:
    from firnflow.emulator.engine.cursor import Ran

_TYPES = {
    **dict.fromkeys(("BIGINT", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UHUGEINT"), "fixed"),
    **dict.fromkeys(("UINTEGER", "USMALLINT", "UTINYINT"), "fixed"),
    **dict.fromkeys(("DOUBLE", "FLOAT"), "real"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_S", "TIMESTAMP_MS"), "timestamp_ntz"),
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    "BLOB": "binary",
    "VARCHAR": "text",
    "UUID": "text",
    "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
    "JSON": "variant",
    '"NULL"': "text",
    "INTERVAL": "text",
}
"""DuckDB's types, and what Snowflake's protocol calls the nearest."""
CHANGES = frozenset({0x3100, 0x3200, 0x3300, 0x3400, 0x3500, 0x3000})
"""The numbers of statements that change rows."""


def answer(ran: Ran) -> Result:
    """Return what a statement has answered, in the types of the protocol."""
    from fakesnow.statement_type import statement_type_id

    kind = statement_type_id(ran.tree)
    types = tuple(_type(text) for _, text in ran.columns)
    sizes = {name: size for name, text in ran.columns if (size := _size(text))}
    return Result(ran.table, types, kind, in_arrow=kind not in CHANGES and kind < 0x6000, sizes=sizes)


def _type(text: str) -> str:
    if text.startswith("DECIMAL"):
        return "fixed"
    if text.endswith("]"):
        return "array"
    if text.startswith(("STRUCT", "MAP")):
        return "object"
    return _TYPES.get(text, "text")


def _size(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", text)
    return (int(found[1]), int(found[2])) if found else None
