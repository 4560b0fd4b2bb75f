"""Brings rows to the process that a function's code runs in, and what it answers back.

Over a socket come the arguments as Arrow, a table for each batch; back goes a table, or an error as text. Each message
is a letter, four bytes with its length, and itself.
"""

from __future__ import annotations

import socket
import struct
import sys
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SOCKET = "_rows.sock"
_HEAD = struct.Struct("!cI")
ROWS, ERROR = b"r", b"e"


def serve(path: str, answer: Callable[[Any], Any]) -> None:
    """Answer what comes, until the other side hangs up.

    Args:
        path: of the socket.
        answer: makes a table of results of a table of arguments.
    """
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        while (found := received(control)) is not None:
            try:
                made = answer(table_of(found[1]))
                send(control, ROWS, packed(made))
            except BaseException as error:  # noqa: BLE001 - whoever asks is told
                send(control, ERROR, said(error).encode())


def said(error: BaseException) -> str:
    """Return an error with its traceback, which begins with the handler's own code."""
    own, trace = Path(__file__).parent, error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if (
            Path(file).parent != own
            and not file.startswith("<frozen importlib")
            and "importlib" not in Path(file).parts
        ):
            break
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


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
