"""The digest of a table that the warehouse computed: of its schema and rows, by hashes computed in DuckDB.

Each row is hashed to 64 bits, mixed once more so that no structure of DuckDB's combination of columns is left, and the
hashes are summed in 128 bits, twice with different salts, with the count of rows: equal for equal rows in whatever
order. Where the order is part of the value (`is_ordered`), the row's number enters its hash.
DuckDB's hash gives NULL, an empty list and a list of NULLs one value: nested columns are hashed by their JSON text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier, parquet_rows
from firnflow.values import digest

if TYPE_CHECKING:
    from pathlib import Path

    import ibis

NESTED = ("STRUCT", "MAP", "UNION")


def is_ordered(table: ibis.Table) -> bool:
    """Whether the expression sorts its rows last, but for steps that keep their order (limit, projection, filter)."""
    from ibis.expr import operations as ops

    keeps_order = (ops.Limit, ops.Project, ops.Filter, ops.DropColumns, ops.FillNull, ops.DropNull)
    node: Any = table.op()
    while isinstance(node, keeps_order):
        node = node.parent
    return isinstance(node, ops.Sort)


def of_file(connection: Any, path: Path, *, ordered: bool) -> str:
    """Return the hex SHA-256 over schema, count and hashes of a Parquet file's rows.

    Args:
        connection: a `duckdb.DuckDBPyConnection`.
        path: the file.
        ordered: whether the order of the rows counts.
    """
    source = parquet_rows(path)
    schema = connection.execute(f"DESCRIBE FROM {source}").fetchall()
    columns = [_hashed(name, kind) for name, kind, *_ in schema]
    if ordered:
        source, number = _numbered(path, [name for name, *_ in schema])
        columns.append(number)
    row = ", ".join(columns)
    query = (
        "SELECT count(*), "  # noqa: S608 - names are quoted, the path is ours
        f"sum(hash(hash(1, {row}))::HUGEINT), sum(hash(hash(2, {row}), 3)::HUGEINT) FROM {source}"
    )
    sums = connection.execute(query).fetchone()
    content = [[list(column[:2]) for column in schema], [str(part) for part in sums], ordered]
    return digest.of_bytes(json.dumps(content).encode())


def _numbered(path: Path, names: list[str]) -> tuple[str, str]:
    """Return the file as a source that numbers its rows, and the name of the column that holds the number."""
    number = "file_row_number"
    taken = {name.lower() for name in names}
    if number not in taken:
        return parquet_rows(path, "file_row_number = true"), number
    while number in taken:
        number += "_"
    return f"(SELECT *, row_number() OVER () AS {number} FROM {parquet_rows(path)})", number  # noqa: S608 - ours


def _hashed(name: str, kind: str) -> str:
    column = identifier(name)
    nested = kind.endswith("]") or kind.startswith(NESTED)
    return f"to_json({column})::VARCHAR" if nested else column
