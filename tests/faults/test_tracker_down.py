"""MLflow's server is down during a run, and goes away in the middle of the next: both succeed, all of it arrives."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

FLOW = """
    import time
    from pathlib import Path

    class Where(ff.Params):
        folder: str

    def at(folder: str, step: int) -> float:
        for round in range(3):
            ff.log_metric("loss", 1 / (step + round), round)
        while not Path(folder, f"go-{step}").exists():
            time.sleep(0.05)
        return step

    @ff.task(cache=False)
    def first(folder: str) -> float:
        return at(folder, 1)

    @ff.task(cache=False)
    def second(folder: str, before: float) -> float:
        return at(folder, 2)

    @ff.task(cache=False)
    def third(folder: str, before: float) -> ff.Html:
        at(folder, 3)
        return ff.Html("<!doctype html><p>done")

    @ff.pipeline(params=Where)
    def flow(p):
        third(p.folder, second(p.folder, first(p.folder)))
"""
FIRST_TOLD = """
    SELECT 1 FROM metrics WHERE key = 'first/loss' AND run_uuid IN (SELECT run_uuid FROM runs WHERE status = 'RUNNING')
"""


class Gate:
    """A way to a server on this machine, at a port of its own: while it is shut, nobody is there."""

    def __init__(self) -> None:
        self._listening = self._listen(0)
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self.shut()

    def _listen(self, port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port))

    def open(self, server: int) -> None:
        """Let whoever comes through to a port."""
        self._listening = self._listen(self.port)
        threading.Thread(target=self._let_in, args=(self._listening, server), daemon=True).start()

    def shut(self) -> None:
        """Let nobody in, and break off who is in."""
        for each in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _let_in(self, listening: socket.socket, server: int) -> None:
        with contextlib.suppress(OSError):  # it is shut
            while True:
                ends = [listening.accept()[0], socket.create_connection(("127.0.0.1", server))]
                self._open += ends
                for one, other in (ends, reversed(ends)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@dataclass
class Server:
    """An MLflow server, which clients reach through a gate: it is away while that is shut."""

    folder: Path
    gate: Gate
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gate.port}"

    def start(self) -> None:
        """Start it, without waiting for it."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        places = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        places += ["--artifacts-destination", str(self.folder / "files"), "--workers", "1"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *places],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )

    def arrive(self) -> None:
        """Wait until it answers, and open the gate."""
        assert self.process is not None
        end = time.monotonic() + 180
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health"):
                self.gate.open(self.port)
                return
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, (self.folder / "server.log").read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        self.gate.shut()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def rows(self, query: str) -> list[Any]:
        """What a query finds in the server's database."""
        connection = sqlite3.connect(self.folder / "server.db", timeout=60)
        found = connection.execute(query).fetchall()
        connection.close()
        return found

    def check(self, run: str) -> None:
        """Check that a run is there: finished, each figure of each task once, with its file."""
        ((remote, status),) = self.rows(f"SELECT run_uuid, status FROM runs WHERE name = '{run}'")
        assert status == "FINISHED"
        found = self.rows(f"SELECT key, step, value FROM metrics WHERE run_uuid = '{remote}' ORDER BY key, step")
        tasks = ((1, "first"), (2, "second"), (3, "third"))
        assert found == [(f"{task}/loss", r, 1 / (step + r)) for step, task in sorted(tasks) for r in range(3)]
        assert list((self.folder / "files").rglob(f"{remote}/artifacts/reports/third.html"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    try:
        importlib.metadata.version("mlflow")  # to import its server takes seconds
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("mlflow is not installed (extra track-ui)")
    (tmp_path / "server").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        made = Server(tmp_path / "server", Gate(), free.getsockname()[1])
    made.start()
    yield made
    made.stop()


def until(done: Callable[[], Any], seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.3)
    return found


def sends(project: Path) -> bool:
    """Return whether a run's own sender is at it; give it the processor as others have it, where we may.

    Behind all that the other tests do it would take minutes to load its libraries.
    """
    for process in psutil.process_iter(["cmdline"]):
        if "--follow" in (process.info["cmdline"] or ()):
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(project):
                    hurry(process)
                    return True
    return False


def hurry(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.AccessDenied, OSError):
        process.nice(0)
        Path(f"/proc/{process.pid}/autogroup").write_text("0")


def test_metrics_arrive_whenever_the_server_was_away(place, server, tmp_path, finish):
    made = place(FLOW)
    made.environment["FIRNFLOW_TRACKING"] = f'{{ backend = "mlflow", url = "{server.url}" }}'

    def go(folder: Path, *steps: int) -> None:
        for step in steps:
            (folder / f"go-{step}").touch()

    def begin(name: str) -> tuple[Path, Any]:
        folder = tmp_path / name
        folder.mkdir()
        return folder, made.fork("run", "flow", "--set", f"folder={folder}")

    def newest() -> str:
        """The newest run, when its own sender has ended."""
        until(lambda: not sends(made.root))
        return made.state.runs(limit=1)[0].id

    # down at the start, and all the time
    folder, process = begin("start")
    go(folder, 1, 2, 3)
    said = finish(process)
    assert said.code == 0, said
    assert "mlflow at" in said.out
    first = newest()

    server.arrive()
    sent = made.quick("send")
    assert (sent.code, sent.out) == (0, f"mlflow at {server.url}: knows all\n"), sent
    server.check(first)

    # it goes away in the middle: what was told before is there, and the rest comes later
    folder, process = begin("middle")
    go(folder, 1)
    until(lambda: sends(made.root) and server.rows(FIRST_TOLD))
    server.gate.shut()
    go(folder, 2, 3)
    assert finish(process).code == 0
    second = newest()
    assert f"run {second}" in made.quick("send", "--dry-run").out

    server.arrive()
    sent = made.quick("send")
    assert sent.code == 0, sent
    for run in (first, second):
        server.check(run)
