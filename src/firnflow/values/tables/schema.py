"""Arrow types that Parquet changes or cannot hold: how they are stored, and how a table gets them back.

The file's metadata `firnflow` holds, as JSON: `schema`, the Arrow schema that the table had; `dictionaries`, the
categories of its dictionary columns; and `pandas`, what `tables.pandas` adds.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

KEY = b"firnflow"


def storable(schema: pa.Schema, notes: dict[str, Any]) -> pa.Schema:
    """Return the schema with which a table is written, with the notes that bring the given one back.

    Raises:
        DataError: a column name stands twice, or a column has a type that cannot be stored.
    """
    import pyarrow as pa

    check_names(schema.names)
    fields = [field.with_type(_storable(field.name, field.type)) for field in schema]
    kept = base64.b64encode(schema.remove_metadata().serialize().to_pybytes()).decode()
    text = json.dumps({"schema": kept, **notes}, ensure_ascii=False, sort_keys=True)
    metadata: dict[Any, Any] = {**(schema.metadata or {}), KEY: text.encode()}
    return pa.schema(fields, metadata)


def dictionaries(table: pa.Table) -> dict[str, str]:
    """Return the categories of each dictionary column of a table with unified dictionaries, as text."""
    import pyarrow as pa

    fields = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    columns: dict[str, Any] = {name: table.column(name) for name in fields}
    return {name: _packed(column.chunk(0).dictionary) for name, column in columns.items() if column.num_chunks}


def restore(table: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
    """Return a table that was read from a file with the schema that it had, and the notes; any error means damage."""
    import pyarrow as pa

    metadata = dict(table.schema.metadata or {})
    if KEY not in metadata:
        return table, {}
    notes: dict[str, Any] = json.loads(metadata.pop(KEY))
    wanted: Any = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(notes["schema"])))
    wanted = wanted.with_metadata(metadata or None)
    known = notes.get("dictionaries", {})
    columns = [_restored(table.column(i), field, known.get(field.name)) for i, field in enumerate(wanted)]
    return pa.Table.from_arrays(columns, schema=wanted), notes


def check_names(names: list[str]) -> None:
    """Raise DataError where a column name stands twice."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"The column name {twice!r} stands twice in the table. Mend: rename one of the columns")


def _storable(column: str, kind: Any, *, nested: bool = False) -> Any:
    """Return the type with which Parquet holds `kind`."""
    import pyarrow as pa
    import pyarrow.types as is_a

    if is_a.is_dictionary(kind):
        if _is_text(kind.value_type):
            return kind
        if nested:
            raise DataError(f"The column {column!r} holds {kind}, categories inside of lists or structs. {_CAST}")
        return _storable(column, kind.value_type, nested=True)
    unknown = is_a.is_union(kind) or is_a.is_interval(kind) or is_a.is_run_end_encoded(kind)
    if unknown or (is_a.is_struct(kind) and kind.num_fields == 0):
        raise DataError(f"The column {column!r} holds {kind}, which cannot be stored as Parquet. {_CAST}")
    if is_a.is_fixed_size_list(kind):  # pyarrow cannot read a null of fixed size
        kind = pa.list_(kind.value_field)
    if nested and kind in (pa.string_view(), pa.binary_view()):  # nor slice a view inside of a list
        return _without_views(kind)
    return _rebuilt(kind, lambda data_type: _storable(column, data_type, nested=True))


def _without_views(kind: Any) -> Any:
    """Return the type with plain text and bytes for views, from which pyarrow cannot make lists of fixed size."""
    import pyarrow as pa

    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return plain[kind] if kind in plain else _rebuilt(kind, _without_views)


def _rebuilt(kind: Any, inner: Callable[[Any], Any]) -> Any:
    """Return a type with `inner` of what it holds."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(inner(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(inner(kind.value_type)), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(inner(kind.value_type)))
    if pa.types.is_map(kind):
        values: Any = kind.item_field.with_type(inner(kind.item_type))
        return pa.map_(inner(kind.key_type), values, kind.keys_sorted)
    return pa.struct([f.with_type(inner(f.type)) for f in kind]) if pa.types.is_struct(kind) else kind


_CAST = "Mend: cast the column to a plain type, or drop it"


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _restored(column: Any, field: Any, categories: str | None) -> Any:
    """Return a column with the type that it had."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind: Any = field.type
    if not pa.types.is_dictionary(kind):
        return column if column.type.equals(kind, check_metadata=True) else column.cast(_without_views(kind)).cast(kind)
    if categories is None:  # written as a stream: the categories are those that occur
        return column if column.type == kind else column.dictionary_encode().cast(kind)
    dictionary = _unpacked(categories)
    chunks: list[Any] = column.chunks or [pa.array([], column.type)]
    if column.type == kind and all(chunk.dictionary.equals(dictionary) for chunk in chunks):
        return column
    decoded = (pc.index_in(chunk.cast(dictionary.type), value_set=dictionary) for chunk in chunks)
    encoded: Any = [
        pa.DictionaryArray.from_arrays(i.cast(kind.index_type), dictionary, ordered=kind.ordered) for i in decoded
    ]
    return pa.chunked_array(encoded, type=kind)  # type: ignore[call-overload]


def _packed(array: Any) -> str:
    import pyarrow as pa

    batch = pa.record_batch({"x": array})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()


def _unpacked(text: str) -> Any:
    import pyarrow as pa

    with pa.ipc.open_stream(base64.b64decode(text)) as reader:
        return reader.read_all().column(0).combine_chunks()
