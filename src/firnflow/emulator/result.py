"""What a statement answers: rows with named, typed columns, in the two forms that clients read.

Queries answer in Arrow, all else in JSON, as there. The forms are those that Snowflake's connector for Python reads
(`arrow_context.py` and `converter.py` in it); data types: https://docs.snowflake.com/en/sql-reference/intro-summary-data-types
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.emulator import arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

_LONGEST = 16_777_216


@dataclass(frozen=True)
class Result:
    """An answer.

    Attributes:
        table: the rows.
        types: the type of each column, as Snowflake's protocol names them: `fixed`, `text`, `variant` …
        kind: the number by which clients tell queries from changes.
        rows_affected: the rows that a statement has changed.
        in_arrow: whether it is sent in Arrow.
        transfer: for PUT and GET: what the client is to do with which files.
    """

    table: pa.Table
    types: tuple[str, ...]
    kind: int = 0
    in_arrow: bool = False
    transfer: dict[str, Any] | None = None
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def rowtype(self) -> list[dict[str, Any]]:
        """Return the columns as the protocol describes them."""
        return [
            _column(name, kind, self.sizes.get(name, (38, 0)))
            for name, kind in zip(self.table.column_names, self.types, strict=True)
        ]

    def families(self) -> list[str]:
        """Return the types of the columns as statements name them; a column of nothing but NULL has the type NULL."""
        import pyarrow as pa

        known = {"fixed": "NUMBER", "real": "FLOAT", "text": "VARCHAR"}
        columns = zip(self.table.columns, self.types, strict=True)
        return ["NULL" if pa.types.is_null(each.type) else known.get(sort, sort.upper()) for each, sort in columns]

    def relation(self) -> pa.Table:
        """Return the rows as a table that DuckDB can read."""
        return self.table if self.table.num_columns else rows([("status", "text")], []).table

    def body(self) -> dict[str, Any]:
        """Return the rows as the protocol sends them."""
        if self.in_arrow:
            return {"queryResultFormat": "arrow", "rowsetBase64": arrow.stream(self.table, self.rowtype())}
        columns = [column.to_pylist() for column in self.table.columns]
        rows = [[_text(value) for value in row] for row in zip(*columns, strict=True)]
        return {"queryResultFormat": "json", "rowset": rows}


def rows(columns: Sequence[tuple[str, str]], found: Sequence[Sequence[Any]], kind: int = 0) -> Result:
    """Return rows of our own as an answer.

    Args:
        columns: name and type of each.
        found: the values, None for NULL.
        kind: as in `Result`.
    """
    import pyarrow as pa

    turned = list(zip(*found, strict=True)) if found else [()] * len(columns)
    arrays = [_array(values, sort) for (_, sort), values in zip(columns, turned, strict=True)]
    table = pa.Table.from_arrays(arrays, names=[name for name, _ in columns])
    return Result(table, tuple(sort for _, sort in columns), kind)


def status(message: str) -> Result:
    """Return the one line that a statement answers that has done something."""
    return rows([("status", "text")], [(message,)], kind=0x6000)


def done() -> Result:
    """Return the answer of a statement that has nothing more to say."""
    return status("Statement executed successfully.")


def _array(values: Sequence[Any], sort: str) -> Any:
    import pyarrow as pa

    if sort == "text":
        values = [value if value is None else str(value) for value in values]
    return pa.array(values, _arrow_type(sort))


def _arrow_type(sort: str) -> Any:
    import pyarrow as pa

    types = {"fixed": pa.int64(), "real": pa.float64(), "boolean": pa.bool_(), "date": pa.date32()}
    times = {"timestamp_ltz": pa.timestamp("us", "UTC"), "timestamp_ntz": pa.timestamp("us")}
    return {**types, **times, "binary": pa.binary()}.get(sort, pa.string())


def _column(name: str, kind: str, size: tuple[int, int]) -> dict[str, Any]:
    exact = {"fixed": size, "time": (0, 9), "timestamp_ntz": (0, 9), "timestamp_ltz": (0, 9), "timestamp_tz": (0, 9)}
    precision, scale = exact.get(kind, (None, None))
    length = {"text": _LONGEST, "binary": _LONGEST // 2}.get(kind)
    return {
        "name": name,
        "database": "",
        "schema": "",
        "table": "",
        "nullable": True,
        "type": kind,
        "precision": precision,
        "scale": scale,
        "length": length,
        "byteLength": length,
        "collation": None,
    }


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return f"{moment.timestamp():.6f}000"  # clients cut it by its scale, which is 9
    if isinstance(value, dt.date):
        return str((value - dt.date(1970, 1, 1)).days)
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
