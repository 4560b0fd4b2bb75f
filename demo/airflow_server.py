"""A real Airflow for a while: API server, scheduler, DAG processor, triggerer and, with Celery, workers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psutil

from airflow_rest import Rest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MOST = 5
"""How often a service that has ended is started again, as systemd does, before that is an error."""


@dataclass(frozen=True)
class Celery:
    """What the Celery executor needs: the broker's URL, and worker → the queues that it serves."""

    broker: str
    workers: Mapping[str, Sequence[str]]


@dataclass
class Airflow:
    """An Airflow and its REST API.

    Args:
        python: of the environment in which Airflow is installed.
        home: a folder for it; DAGs are in `dags` below.
        database: SQLAlchemy URL of an empty database.
        variables: given to its processes, and by them to the tasks.
        celery: run tasks by Celery.
        settings: of Airflow, `SECTION__KEY`, besides those that make it small and quick.
        port: of the page; 0: a free one.
    """

    python: Path
    home: Path
    database: str
    variables: Mapping[str, str] = field(default_factory=dict)
    celery: Celery | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    rest: Rest = field(init=False)
    _starts: dict[str, int] = field(default_factory=dict)
    _groups: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dags.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        self.rest = Rest(self.url, self.until)

    @property
    def dags(self) -> Path:
        return self.home / "dags"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        try:
            self.run("db", "migrate")
            self.start("api-server")
            self.start("dag-processor")
            self.rest.wait_until_up()
            for service in self._services():
                if service not in self.processes:  # who starts tasks, which fail where nobody listens yet
                    self.start(service)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, service: str) -> None:
        """Start a service, in a process group of its own; its log is `SERVICE.log`."""
        self._starts[service] = self._starts.get(service, 0) + 1
        with (self.home / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen(
                self._command(*self._services()[service]),
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.home,
            )
        self._groups.append(self.pid_of(service))

    def pid_of(self, service: str) -> int:
        return self.processes[service].pid

    @property
    def workers(self) -> set[int]:
        """The processes of Celery's workers."""
        return {self.pid_of(name) for name in (self.celery.workers if self.celery is not None else ())}

    @property
    def left(self) -> list[int]:
        """The processes that are in the group of any service, also of one that was killed."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getpgid(process.pid) in self._groups and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        return found

    def revive(self) -> None:
        """Start again what has ended. Raises RuntimeError where that happens too often."""
        for service, process in self.processes.items():
            if process.poll() is not None:
                if self._starts[service] > MOST:
                    raise RuntimeError(f"Airflow's {service} ends again and again:\n{self._logs(service)}")
                self.start(service)

    def stop(self) -> None:
        """Stop all services, and whatever is left of their groups: a killed scheduler leaves its workers behind."""
        for how, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            for group in self._groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, how)
            for process in self.processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)

    def run(self, *arguments: str) -> str:
        """Call Airflow's command line, and return what it prints. Raises RuntimeError with that where it fails."""
        done = subprocess.run(
            self._command(*arguments), env=self.environment, capture_output=True, text=True, timeout=180, cwd=self.home
        )
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes."""
        return {**os.environ, **self.variables, **self._settings()}

    def _command(self, *arguments: str) -> list[str]:
        return ["nice", "-n", "10", str(self.python), "-m", "airflow", *arguments]

    def _services(self) -> dict[str, tuple[str, ...]]:
        """Return service → the words of its command."""
        api = ("api-server", "--port", str(self.port), "--host", "127.0.0.1", "--workers", "1")
        workers = self.celery.workers if self.celery is not None else {}
        return {
            "api-server": api,
            "dag-processor": ("dag-processor",),
            "scheduler": ("scheduler", "--skip-serve-logs"),
            "triggerer": ("triggerer", "--skip-serve-logs"),
            **{name: _worker(name, queues) for name, queues in workers.items()},
        }

    def until(self, is_so: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until something is so; raise RuntimeError after `seconds`."""
        end = time.monotonic() + seconds
        while not is_so():
            self.revive()
            if time.monotonic() > end:
                raise RuntimeError(f"waited {seconds} s for {what}:\n{self._logs(*self.processes)}")
            time.sleep(1)  # whoever is asked works for each answer

    def _logs(self, *services: str) -> str:
        return "\n".join(f"--- {each}\n{(self.home / f'{each}.log').read_text()[-2000:]}" for each in services)

    def _settings(self) -> dict[str, str]:
        """Return what makes Airflow small and quick."""
        database = self.database
        settings = {
            "API__BASE_URL": self.url,
            "API_AUTH__JWT_SECRET": "for-one-machine-only-" * 4,
            "API__SECRET_KEY": "for-one-machine-only",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__EXECUTOR": "LocalExecutor" if self.celery is None else "CeleryExecutor",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "3",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",  # of files that have not changed
            "DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            "WORKERS__EXECUTION_API_TIMEOUT": "60",  # the first call loads the server: 20 seconds on a busy machine
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
            **self.settings,
        }
        if self.celery is not None:
            settings["CELERY__BROKER_URL"] = self.celery.broker
            settings["CELERY__RESULT_BACKEND"] = f"db+{database}"
        return {"AIRFLOW_HOME": str(self.home), **{f"AIRFLOW__{name}": value for name, value in settings.items()}}


def _worker(name: str, queues: Sequence[str]) -> tuple[str, ...]:
    options = ("--concurrency", "2", "--skip-serve-logs", "--without-gossip", "--without-mingle")
    return ("celery", "worker", "--celery-hostname", f"{name}@%h", "--queues", ",".join(queues), *options)


def free_port() -> int:
    """Return a port of this machine that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
