"""MLflow's server is down during a run, and goes away in the middle of the next: both succeed, all of it arrives."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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


@dataclass
class Server:
    """An MLflow server that can be stopped and started again at the same address."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    seen: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
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
        end = time.monotonic() + 180
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
                return
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, (self.folder / "server.log").read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

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
    pytest.importorskip("mlflow.server", reason="mlflow is not installed (extra track-ui)")
    pytest.importorskip("flask", reason="mlflow is not installed (extra track-ui)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "server").mkdir()
    made = Server(tmp_path / "server", port)
    yield made
    made.stop()


def until(done: Callable[[], Any], seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
    return found


def test_metrics_arrive_whenever_the_server_was_away(place, server, tmp_path, finish):
    made = place(FLOW)
    made.environment["FIRNFLOW_TRACKING"] = f'{{ backend = "mlflow", url = "{server.url}" }}'

    def go(folder: Path, *steps: int) -> None:
        for step in steps:
            (folder / f"go-{step}").touch()

    def begin(name: str) -> tuple[Path, subprocess.Popen[str]]:
        folder = tmp_path / name
        folder.mkdir()
        return folder, made.start("run", "flow", "--set", f"folder={folder}")

    # down at the start, and all the time
    folder, process = begin("start")
    go(folder, 1, 2, 3)
    said = finish(process)
    assert said.code == 0, said
    assert "mlflow at" in said.out
    first = made.state.runs(limit=1)[0].id

    server.start()
    until(lambda: made.call("send").code == 0)  # the run's own sender may still be at it, or have done it
    assert made.call("send").out == f"mlflow at {server.url}: knows all\n"
    server.check(first)

    # it goes away in the middle: what was told before is there, and the rest comes later
    folder, process = begin("middle")
    go(folder, 1)
    until(
        lambda: server.rows(
            "SELECT 1 FROM metrics WHERE key = 'first/loss' AND run_uuid IN "
            "(SELECT run_uuid FROM runs WHERE status = 'RUNNING')"
        )
    )
    server.stop()
    go(folder, 2, 3)
    assert finish(process).code == 0
    second = made.state.runs(limit=1)[0].id
    assert f"run {second}" in made.call("send", "--dry-run").out

    server.start()
    until(lambda: made.call("send").code == 0)
    for run in (first, second):
        server.check(run)
