"""A server that answers as it is told, and a project whose Airflow it is."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from firnflow.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DROP, SLOW, DRIP = "drop", "slow", "drip"


@dataclass
class Call:
    """A request that has come."""

    method: str
    path: str
    data: Any
    headers: dict[str, str]


@dataclass
class Server:
    """What is said to be Airflow: `answers` has for a method and a path a list, of which the last stays.

    An answer is JSON, (status, JSON), (status, bytes, headers), a function of the call, DROP: the connection ends in
    the middle, SLOW: it says nothing, or DRIP: it says a little now and then.
    """

    url: str
    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def on(self, what: str, *answers: Any) -> None:
        self.answers[what] = list(answers)

    def seen(self, method: str = "") -> list[str]:
        return [f"{call.method} {call.path.partition('?')[0]}" for call in self.calls if call.method.startswith(method)]

    def answer(self, call: Call) -> Any:
        self.calls.append(call)
        path = unquote(call.path.partition("?")[0].removeprefix("/api/v2/").removeprefix("/"))
        known = self.answers.get(f"{call.method} {path}")
        if known is None:
            return 404, {"detail": f"there is no {path}"}
        found = known.pop(0) if len(known) > 1 else known[0]
        return found(call) if callable(found) else found


@pytest.fixture
def airflow() -> Iterator[Server]:
    """A server on this machine that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            data = json.loads(self.rfile.read(size)) if size else None
            answer = server.answer(Call(self.command, self.path, data, dict(self.headers)))
            if answer == SLOW:
                server.released.wait(10)
                answer = DROP
            if answer in (DROP, DRIP):  # it may be a list
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                self.wfile.flush()
                while answer == DRIP and not server.released.wait(0.05):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, body, headers = _parts(answer)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _any  # noqa: N815 - names of the standard library

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:  # who called has gone
            pass

    listener = Quiet(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listener.server_address[1]}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        listener.shutdown()
        thread.join()
        listener.server_close()


def _parts(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    status, body, headers = answer if isinstance(answer, tuple) and len(answer) == 3 else (200, answer, {})
    if isinstance(answer, tuple) and len(answer) == 2:
        status, body = answer
    return status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers


FLOWS = """
import firnflow as ff

class P(ff.Params):
    rows: int = 3

@ff.task
def make(rows: int) -> int:
    print("making", rows)
    return rows

@ff.task
def double(x: int) -> int:
    if x > 5:
        raise ValueError(f"no luck with {x}")
    return 2 * x

@ff.pipeline(params=P)
def flow(p):
    double(make(p.rows))

@ff.task
def of_day(day: str) -> str:
    return day

@ff.pipeline(partition=ff.Daily(start="2026-01-01"), schedule=ff.Cron("0 6 * * *"))
def by_day(partition):
    of_day(partition.key)

@ff.pipeline(partition=ff.ByKey("a", "b", "c"))
def by_key(partition):
    of_day(partition.key)
"""
SETTINGS = """
[project]
name = "shop"
pipelines = ["{module}"]

[environments.prod]
orchestrator = "airflow"
airflow = {{ dags = "dags", prefix = "p_", url = "{url}", token = "env:AIRFLOW_TOKEN" }}
"""
TOKEN = "canary-token"


@dataclass(frozen=True)
class Called:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shop:
    """A project that is deployed to the server that says it is Airflow."""

    root: Path
    airflow: Server
    capture: Any

    def call(self, *arguments: str) -> Called:
        self.capture.readouterr()
        code = main([*arguments, "--env", "prod"])
        out, err = self.capture.readouterr()
        assert TOKEN not in out + err
        return Called(code, out, err)

    def replace(self, old: str, new: str) -> None:
        """Change what the settings say."""
        path = self.root / "firnflow.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def shop(airflow: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Shop:
    """A deployed project, whose Airflow is the server; nobody waits long."""
    from firnflow.cli._elsewhere import _follow, backfill, cancel
    from firnflow.targets.airflow import api

    for variable in [name for name in os.environ if name.startswith("FIRNFLOW_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    monkeypatch.setenv("AIRFLOW_TOKEN", TOKEN)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(api, "WAITS", (0.0, 0.0))
    for module in (_follow, backfill):
        monkeypatch.setattr(module, "PACE", 0.01)
    monkeypatch.setattr(cancel, "_PACE", 0.01)
    name = f"flows_{uuid.uuid4().hex[:12]}"
    root = tmp_path / "shop"
    (root / "dags").mkdir(parents=True)
    (root / f"{name}.py").write_text(FLOWS)
    (root / "firnflow.toml").write_text(SETTINGS.format(module=name, url=airflow.url))
    monkeypatch.chdir(root)
    made = Shop(root, airflow, capsys)
    assert made.call("apply", "--yes").code == 0
    return made


@pytest.fixture
def run_of() -> Callable[..., dict[str, Any]]:
    """Return a function that gives a run as Airflow describes it."""

    def make(dag: str, run: str, state: str = "running", **more: Any) -> dict[str, Any]:
        at = "2026-11-01T06:00:00Z"
        times = {"queued_at": at, "start_date": at, "end_date": "2026-11-01T06:00:09Z", "run_after": at}
        about = {"dag_id": dag, "dag_run_id": run, "state": state, "run_type": "manual", "conf": {}, "note": None}
        return {**about, **times, "logical_date": None, **more}

    return make


@pytest.fixture
def task_of() -> Callable[..., dict[str, Any]]:
    """Return a function that gives a task instance as Airflow describes it."""

    def make(task: str, state: str | None, **more: Any) -> dict[str, Any]:
        times = {"start_date": "2026-11-01T06:00:00Z", "end_date": "2026-11-01T06:00:02.5Z"}
        return {
            "task_id": task,
            "state": state,
            "map_index": -1,
            "rendered_map_index": None,
            "try_number": 1,
            **times,
            **more,
        }

    return make
