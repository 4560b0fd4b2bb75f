"""INFER_SCHEMA: https://docs.snowflake.com/en/sql-reference/functions/infer_schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.objects.columns import snowflake_type
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import relation
from firnflow.emulator.result import Result, rows
from firnflow.emulator.stages import formats
from firnflow.emulator.stages.places import place
from firnflow.emulator.stages.reading import source
from firnflow.stores.snowflake.names import identifier

if TYPE_CHECKING:
    from firnflow.emulator.session import Session

_SHORT = {
    "VARCHAR(16777216)": "TEXT",
    "FLOAT": "REAL",
    "TIMESTAMP_NTZ(9)": "TIMESTAMP_NTZ",
    "BINARY(8388608)": "BINARY",
}


@relation("INFER_SCHEMA")
def _infer_schema(
    session: Session,
    *,
    location: str,
    file_format: Any,
    files: Any = None,
    ignore_case: bool = False,
    max_file_count: int | None = None,  # noqa: ARG001 - all are looked at
) -> Result:
    where = place(session, Reader(location).location(), "READ", "USAGE")
    form = formats.chosen(session, file_format, where)
    if form["TYPE"] == "JSON" or files is not None:
        raise errors.unknown(
            "INFER_SCHEMA of JSON, or with FILES", ["INFER_SCHEMA of CSV with PARSE_HEADER and of Parquet"]
        )
    found = source(session, where.files(), form, location)
    made = []
    for at, (column, kind) in enumerate(found.columns):
        name = column.upper() if ignore_case else column
        said = snowflake_type(kind, None)
        sort = (
            said if kind == "TIMESTAMP_NS" else _SHORT.get(said, said)
        )  # without (9) it would be of microseconds here
        number = "$1:" + identifier(column) if form["TYPE"] == "PARQUET" else f"${at + 1}"
        where_from = ", ".join(file.name for file in where.files())
        made.append((name, sort, True, f"{number}::{sort}", where_from, at))
    head = [("COLUMN_NAME", "text"), ("TYPE", "text"), ("NULLABLE", "boolean"), ("EXPRESSION", "text")]
    return rows([*head, ("FILENAMES", "text"), ("ORDER_ID", "fixed")], made)
