"""Applies a function's handler to rows: in the process that the function's code runs in.

Over a socket come the arguments as Arrow, a table for each batch; back goes a table with one column, or an error as
text. Each message is a letter, four bytes with its length, and itself.
https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-introduction
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import traceback
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOCKET = "_rows.sock"
_HEAD = struct.Struct("!cI")
ROWS, ERROR = b"r", b"e"
DOCUMENTS = ("VARIANT", "OBJECT", "ARRAY")
"""Types whose values travel as JSON."""


def serve(handler: Callable[..., Any], path: str, kinds: Sequence[str], result: str, *, strict: bool) -> None:
    """Apply a handler to what comes, until the other side hangs up.

    Args:
        handler: of one row, or of a frame of them where it was made so.
        path: of the socket.
        kinds: the types of its arguments, without their sizes.
        result: the type of what it returns.
        strict: whether a NULL among the arguments makes a NULL.
    """
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        while (found := received(control)) is not None:
            try:
                made = _column(_applied(handler, table_of(found[1]), kinds, strict=strict), result)
                send(control, ROWS, packed(made))
            except BaseException:  # noqa: BLE001 - whoever asks is told
                send(control, ERROR, traceback.format_exc().encode())


def provide() -> None:
    """Let handlers import what Snowflake has beside them: `_snowflake.vectorized`.

    https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-batch
    """

    def vectorized(input: type, **_: Any) -> Callable[[Any], Any]:  # noqa: A002 - as it is called there
        def mark(handler: Any) -> Any:
            handler._sf_vectorized_input = input  # noqa: SLF001 - by which clients mark them, too
            return handler

        return mark

    module: Any = types.ModuleType("_snowflake")
    module.vectorized = vectorized
    sys.modules["_snowflake"] = module


def _applied(handler: Callable[..., Any], table: Any, kinds: Sequence[str], *, strict: bool) -> list[Any]:
    if getattr(handler, "_sf_vectorized_input", None) is not None:
        frame = table.drop_columns(["0"]).to_pandas()
        frame.columns = range(frame.shape[1])
        return list(handler(frame))
    columns = [_values(column, kind) for column, kind in zip(table.columns[1:], kinds, strict=True)]
    rows = zip(*columns, strict=True) if columns else [()] * table.num_rows
    return [None if strict and None in row else handler(*row) for row in rows]


def _values(column: Any, kind: str) -> list[Any]:
    found: list[Any] = column.to_pylist()
    return [None if each is None else json.loads(each) for each in found] if kind in DOCUMENTS else found


def _column(values: list[Any], kind: str) -> Any:
    import pyarrow as pa

    if kind in DOCUMENTS:
        values = [None if each is None else json.dumps(each) for each in values]
    elif kind == "VARCHAR":
        values = [None if each is None else str(each) for each in values]
    return pa.table({"value": pa.array(values, from_pandas=True)})


def packed(table: Any) -> bytes:
    """Return a table as bytes."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def table_of(data: bytes) -> Any:
    """Return the table that `packed` made bytes of."""
    import pyarrow as pa

    with pa.ipc.open_stream(data) as stream:
        return stream.read_all()


def send(control: socket.socket, letter: bytes, data: bytes) -> None:
    """Send a message."""
    control.sendall(_HEAD.pack(letter, len(data)) + data)


def received(control: socket.socket) -> tuple[bytes, bytes] | None:
    """Return the next message; None: the other side has hung up."""
    head = _exactly(control, _HEAD.size)
    if head is None:
        return None
    letter, length = _HEAD.unpack(head)
    data = _exactly(control, length)
    return None if data is None else (letter, data)


def _exactly(control: socket.socket, length: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < length:
        part = control.recv(min(length - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)
