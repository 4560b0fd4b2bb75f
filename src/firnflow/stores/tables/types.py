"""Types of the warehouse as Iceberg has them, and back.

Iceberg's second format has fewer: small and unsigned integers become the next that hold them, times are in
microseconds, categories and UUIDs are texts. A column that has no such type is refused, nothing is rounded.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow._text import listing
from firnflow.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import ibis
    from pyiceberg.schema import Schema

_SAME = {
    *("boolean", "integer", "bigint", "float", "double", "date", "time", "timestamp", "timestamp with time zone"),
    *("varchar", "blob", "decimal"),
}
_WIDER = {
    **dict.fromkeys(("tinyint", "smallint", "utinyint", "usmallint"), "INTEGER"),
    **dict.fromkeys(("timestamp_s", "timestamp_ms", "timestamp_ns"), "TIMESTAMP"),
    **dict.fromkeys(("enum", "uuid"), "VARCHAR"),
    "time_ns": "TIME",
    "uinteger": "BIGINT",
    "ubigint": "DECIMAL(20,0)",
}
_ROUNDED = {"timestamp_ns", "time_ns"}
_SQL = {
    "binary": "BLOB",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "double": "DOUBLE",
    "float": "FLOAT",
    "int": "INTEGER",
    "long": "BIGINT",
    "string": "VARCHAR",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
}


def as_iceberg(table: ibis.Table, connection: Any, wanted: Mapping[str, str]) -> tuple[ibis.Table, bool]:
    """Return a table of the warehouse with columns of types that Iceberg has, and whether any had to be cast.

    Args:
        table: of the warehouse's own connection.
        connection: the Ibis backend.
        wanted: column → type, as SQL, of columns that are to be wider than they are.

    Raises:
        DataError: a column has a type for which there is none, or nanoseconds that would be lost.
    """
    sql = connection.compile(table)
    relation = connection.con.sql(sql)
    found = zip(relation.columns, relation.types, strict=True)
    casts = {name: (kind, wanted.get(name) or _cast(name, kind)) for name, kind in found}
    changed = {name: both for name, both in casts.items() if both[1] != str(both[0])}
    _check_exact(connection, sql, changed)
    if not changed:
        return table, False
    columns = ", ".join(
        f"CAST({identifier(name)} AS {kind}) AS {identifier(name)}" for name, (_, kind) in changed.items()
    )
    cast: ibis.Table = connection.sql(f"SELECT * REPLACE ({columns}) FROM ({sql})")  # noqa: S608 - names are quoted
    return cast, True


def columns_of(table: ibis.Table, connection: Any) -> dict[str, str]:
    """Return column → type that a table would have as a named one, as SQL. Raises DataError as `as_iceberg`."""
    relation = connection.con.sql(connection.compile(table))
    return {name: _cast(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True)}


def iceberg_schema(columns: Mapping[str, str], connection: Any) -> Schema:
    """Return the Iceberg schema of columns, given as `columns_of` does, none of which must have a value."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    number = count(1)
    parsed = ((name, connection.con.sqltype(kind)) for name, kind in columns.items())
    return Schema(*(NestedField(next(number), name, _iceberg(kind, number), required=False) for name, kind in parsed))


def sql_types(schema: Schema) -> dict[str, str]:
    """Return column → type, as DuckDB writes it, of an Iceberg schema."""
    return {field.name: _sql(field.field_type) for field in schema.fields}


def _cast(column: str, kind: Any, *, nested: bool = False) -> str:
    """Return the type that stands for one of DuckDB's, as SQL. Raises DataError."""
    if kind.id in _ROUNDED and nested:
        raise DataError(f"The column {column!r} holds {kind} inside of others, which Iceberg lacks. Mend: cast it")
    if kind.id in _WIDER:
        return _WIDER[kind.id]
    if kind.id in _SAME:
        return "VARCHAR" if kind.id == "varchar" else str(kind)  # JSON says that it is a text too
    parts = kind.children if kind.id in ("list", "array", "struct", "map") else ()
    inner = [_cast(column, part[1], nested=True) for part in parts if part[0] != "size"]
    if kind.id in ("list", "array"):
        return f"{inner[0]}[]"
    if kind.id == "struct":
        return f"STRUCT({', '.join(f'{identifier(part[0])} {kind}' for part, kind in zip(parts, inner, strict=True))})"
    if kind.id == "map":
        return f"MAP({inner[0]}, {inner[1]})"
    raise DataError(f"The column {column!r} is {kind}, for which Iceberg has no type. Mend: cast it, e.g. to a text")


def _iceberg(kind: Any, number: Iterator[int]) -> Any:
    from pyiceberg import types

    if kind.id == "decimal":
        return types.DecimalType(*(int(value) for _, value in kind.children))
    if kind.id == "list":
        return types.ListType(next(number), _iceberg(kind.children[0][1], number), element_required=False)
    if kind.id == "map":
        key, value = (_iceberg(inner, number) for _, inner in kind.children)
        return types.MapType(next(number), key, next(number), value, value_required=False)
    if kind.id == "struct":
        fields = ((next(number), name, _iceberg(inner, number)) for name, inner in kind.children)
        return types.StructType(*(types.NestedField(*field, required=False) for field in fields))
    name = next(name for name, sql in _SQL.items() if sql == str(kind))
    return types.IcebergType.handle_primitive_type(name, lambda text: text)


def _check_exact(connection: Any, sql: str, changed: dict[str, tuple[Any, str]]) -> None:
    """Raise DataError where a cast to microseconds would lose something."""
    fine = [name for name, (kind, _) in changed.items() if kind.id in _ROUNDED]
    if not fine:
        return
    lost = ", ".join(
        f"coalesce(bool_or(CAST({identifier(name)} AS {changed[name][1]}) <> {identifier(name)}), false)"
        for name in fine
    )
    found = connection.con.execute(f"SELECT {lost} FROM ({sql})").fetchone()  # noqa: S608 - names are quoted
    rounded = [name for name, is_lost in zip(fine, found, strict=True) if is_lost]
    if rounded:
        raise DataError(
            f"The columns {listing(rounded)} have nanoseconds, of which a named table keeps microseconds. "
            "Mend: truncate them, or keep them as a whole number"
        )


def _sql(kind: Any) -> str:
    text = str(kind)
    if text in _SQL:
        return _SQL[text]
    if text.startswith("decimal"):
        return text.upper().replace(" ", "")
    if text.startswith("fixed"):
        return "BLOB"
    if text.startswith("list"):
        return f"{_sql(kind.element_type)}[]"
    if text.startswith("map"):
        return f"MAP({_sql(kind.key_type)}, {_sql(kind.value_type)})"
    if text.startswith("struct"):
        return f"STRUCT({', '.join(f'{identifier(each.name)} {_sql(each.field_type)}' for each in kind.fields)})"
    raise DataError(f"The warehouse has no type for Iceberg's {text}. Mend: `firnflow data export`, or another engine")
