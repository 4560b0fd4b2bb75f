"""Messages between the driver and its workers: length-prefixed JSON over a Unix socket."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_HEAD = struct.Struct("!I")


class Channel:
    """One end of a connection; `receive` and `send` block."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def fileno(self) -> int:
        """Return the file descriptor, for a selector."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message. Raises OSError where the other end is gone."""
        data = json.dumps(message).encode()
        self._socket.sendall(_HEAD.pack(len(data)) + data)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, or None where the other end is gone."""
        head = self._exactly(_HEAD.size)
        data = self._exactly(_HEAD.unpack(head)[0]) if head else None
        if data is None:
            return None
        message: dict[str, Any] = json.loads(data)
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not part:
                return None
            data += part
        return bytes(data)
