"""The program that runs handlers: started with the first call, asked to fork for each, ended with the server."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from firnflow.emulator.programs.processes import MARK, Process, end_marked, kept_variables

_PROGRAM = Path(__file__).with_name("worker.py")


class Call:
    """A call that runs.

    Args:
        pipe: ends when it has ended.
        mark: of what it starts.
    """

    def __init__(self, pipe: int, mark: str) -> None:
        self._pipe, self._mark = pipe, mark
        self._said = b""

    def wait(self, seconds: float) -> bool:
        """Return whether it has ended, after waiting so long at most."""
        if not select.select([self._pipe], [], [], seconds)[0]:
            return False
        found = os.read(self._pipe, 100)
        self._said += found
        return not found

    def end(self) -> None:
        """End it, with all that it has started."""
        pid = int(self._said or b"0")
        end_marked(self._mark, [pid] if pid and not self.wait(0) else [])
        os.close(self._pipe)


class Workers:
    """The program, if it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._control: socket.socket | None = None

    def call(self, folder: Path, call: dict[str, Any], variables: dict[str, str]) -> Call:
        """Begin a call.

        Args:
            folder: where its code lies, and its answer will.
            call: module, handler and arguments.
            variables: by which it logs in.
        """
        mark = uuid.uuid4().hex
        path = folder / "_call.json"
        given = {**kept_variables(), **variables, MARK: mark}
        path.write_text(json.dumps({**call, "variables": given}), encoding="utf-8")
        mine, its = os.pipe()
        try:
            with self._lock:
                self._send(str(path).encode(), its)
        finally:
            os.close(its)
        return Call(mine, mark)

    def _send(self, message: bytes, pipe: int) -> None:
        """Send a call; where the program was killed, to a new one."""
        try:
            socket.send_fds(self._started(), [message], [pipe])
        except OSError:
            self._ended()
            socket.send_fds(self._started(), [message], [pipe])

    def _started(self) -> socket.socket:
        if self._control is None or (self._process is not None and self._process.popen.poll() is not None):
            self._ended()
            self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            words = [sys.executable, "-P", str(_PROGRAM), str(its.fileno())]  # handlers may have modules of any name
            self._process = Process(words, _PROGRAM.parent, {}, pass_fds=[its.fileno()])
            its.close()
        return self._control

    def _ended(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.end(grace=0)
        self._control = self._process = None

    def close(self) -> None:
        """End the program."""
        with self._lock:
            self._ended()
