"""The warm worker pool: one fork server, workers forked when there is work, replaced when they die."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.engine.channel import Channel
from firnflow.errors import ConfigError, WorkerLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.engine.attempt import Call

_DEATHS = 3
_MODULES = re.compile(r"^Extension modules: .*$", re.MULTILINE)  # faulthandler lists them all
_EXIT_SECONDS = 5
_MESSAGE = 65_536
MOST_SAID = 64 * 1024  # bytes of what libraries and child processes said that a log takes over


@dataclass(slots=True)
class Worker:
    """A worker as the driver sees it; `pid` is 0 until it has said its name."""

    channel: Channel
    stream: Path
    pid: int = 0
    call: Call | None = None
    since: float = 0.0
    offset: int = 0
    holds: set[str] = field(default_factory=set)
    killed_for: str | None = None

    def said(self) -> str:
        """Return the end of what this worker's libraries and child processes wrote during its call."""
        try:
            text = self.stream.read_bytes()[self.offset :]
        except OSError:
            return ""
        return _MODULES.sub("", text[-MOST_SAID:].decode("utf-8", "backslashreplace")).strip()


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a call: the worker's message, or None, why the worker is gone, and what it last said."""

    call: Call
    message: dict[str, Any] | None
    lost: str = ""
    said: str = ""


class Pool:
    """Starts nothing until the first call.

    Args:
        size: how many workers at the most.
        setup: what the fork server loads: root, environment, pipeline.
        libraries: returns the modules that it imports beforehand; asked when it starts.
    """

    def __init__(self, size: int, setup: dict[str, Any], libraries: Callable[[], list[str]]) -> None:
        self.size = size
        self.workers: list[Worker] = []
        self._setup, self._libraries = setup, libraries
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._exits: dict[int, int] = {}
        self._said = b""
        self._deaths = 0
        self._streams = tempfile.TemporaryDirectory(prefix="firnflow-workers-", ignore_cleanup_errors=True)

    def start(self) -> None:
        """Start the fork server, without waiting for it. Raises OSError."""
        if self._server is not None:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "firnflow.engine.forkserver", str(theirs.fileno())]
            command.append(json.dumps({**self._setup, "libraries": self._libraries(), "streams": self._streams.name}))
            self._server = subprocess.Popen(  # noqa: S603 - our own module
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "FIRNFLOW_WORKERS": str(self.size)},  # each worker's share of the memory
            )
        self._control = ours
        self._selector.register(ours, selectors.EVENT_READ, None)

    def has_room(self) -> bool:
        """Return whether a call can be sent."""
        return len(self.workers) < self.size or any(worker.call is None for worker in self.workers)

    def send(self, call: Call, reads: set[str]) -> None:
        """Give a call to the idle worker that holds most of the digests it reads; if that dies, `wait` reports it."""
        idle = [worker for worker in self.workers if worker.call is None] or [self._fork()]
        worker = max(idle, key=lambda w: len(w.holds & reads))
        worker.call, worker.since = call, time.monotonic()
        with contextlib.suppress(OSError):
            worker.offset = worker.stream.stat().st_size
        with contextlib.suppress(OSError):
            worker.channel.send(call.to_json())

    def start_worker(self, seconds: float) -> bool:
        """Start a worker before there is work; return whether it has come up in this time. Raises as `wait`."""
        worker, until = self._fork(), time.monotonic() + seconds
        while not worker.pid and worker in self.workers and time.monotonic() < until:
            self.wait(1.0)
        return bool(worker.pid)

    def wait(self, timeout: float) -> list[Report]:
        """Return what came of calls, after at most `timeout` seconds.

        Raises:
            ConfigError: the project cannot be loaded in a process of its own.
            WorkerLostError: the fork server dies again and again.
        """
        reports = []
        for key, _ in self._selector.select(max(0.0, timeout)):
            worker = key.data
            if worker is None:
                if key.fileobj is self._control:  # else it was buried with a worker, just now
                    self._listen()
                continue
            message = worker.channel.receive()
            if message is not None and "pid" in message:
                worker.pid, worker.since = message["pid"], time.monotonic()  # starting up is not the task's time
                if worker.killed_for is not None:
                    _kill_tree(worker.pid)
            elif message is not None:
                call, worker.call = worker.call, None
                worker.holds = set(message.get("holds", ()))
                reports.append(Report(call, message))
            elif (report := self._bury(worker)) is not None:
                reports.append(report)
        return reports

    def kill(self, worker: Worker, reason: str) -> None:
        """End a worker and whatever it started, or as soon as it has started; `wait` reports it with the reason."""
        worker.killed_for = reason
        if worker.pid:
            _kill_tree(worker.pid)

    def close(self) -> None:
        """End every worker and the fork server."""
        for worker in self.workers:
            if worker.pid and worker.call is not None:
                _kill_tree(worker.pid)
            worker.channel.close()
        self.workers.clear()
        self._end_server()
        self._selector.close()
        self._streams.cleanup()

    def _end_server(self) -> None:
        if self._control is not None:
            self._selector.unregister(self._control)
            self._control.close()
        if self._server is not None:
            try:
                self._server.wait(_EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._control = self._server = None

    def _fork(self) -> Worker:
        self.start()
        ours, theirs = socket.socketpair()
        stream = Path(self._streams.name) / f"{len(os.listdir(self._streams.name))}"  # noqa: PTH208 - a count
        stream.touch(mode=0o600)
        worker = Worker(Channel(ours), stream)
        with theirs:
            assert self._control is not None  # noqa: S101 - start() has set it
            with contextlib.suppress(OSError):  # a dead server is seen by `wait`, as is the worker that it did not fork
                socket.send_fds(self._control, [json.dumps({"fork": str(stream)}).encode()], [theirs.fileno()])
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        self.workers.append(worker)
        return worker

    def _listen(self) -> None:
        """Take the messages of the fork server that have come."""
        assert self._control is not None  # noqa: S101 - asked for while there is one
        try:
            data = self._control.recv(_MESSAGE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return  # taken already, while the end of a worker was looked into
        except ConnectionError:
            data = b""
        if not data:
            self._bury_server()
            return
        *lines, self._said = (self._said + data).split(b"\n")
        for message in map(json.loads, lines):
            if "broken" in message:
                raise ConfigError(f"the project cannot be loaded in a process of its own:\n{message['broken']}")
            self._exits[message["exited"]] = message["status"]

    def _bury_server(self) -> None:
        """Forget a fork server that has died; its workers die with it, and the next one starts when it is needed."""
        self._deaths += 1
        self._end_server()
        if self._deaths >= _DEATHS:
            raise WorkerLostError(f"the process that starts workers has died {self._deaths} times. See: dmesg, memory")

    def _bury(self, worker: Worker) -> Report | None:
        self._selector.unregister(worker.channel)
        worker.channel.close()
        self.workers.remove(worker)
        reason = worker.killed_for or self._exit_of(worker)
        return Report(worker.call, None, reason, worker.said()) if worker.call is not None else None

    def _exit_of(self, worker: Worker) -> str:
        """Return in words how a worker's process ended."""
        until = time.monotonic() + _EXIT_SECONDS
        while self._control and worker.pid and worker.pid not in self._exits and time.monotonic() < until:
            if _readable(self._control, until - time.monotonic()):
                self._listen()
        status = self._exits.pop(worker.pid, None)
        if status is None:
            return "its process is gone"
        if os.WIFSIGNALED(status):
            return f"its process was killed by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"its process ended by itself with exit code {os.waitstatus_to_exitcode(status)}"


def _readable(sock: socket.socket | None, timeout: float) -> bool:
    with selectors.DefaultSelector() as selector:
        if sock is None:
            return False
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(max(0.0, timeout)))


def _kill_tree(pid: int) -> None:
    """Kill a worker, its process group, and children that have left the group."""
    import psutil

    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        children = []
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()


def resident(pid: int) -> int:
    """Return the resident bytes of a process and its children; 0 where it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0
