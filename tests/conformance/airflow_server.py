"""A real Airflow for tests: API server, scheduler and DAG processor as processes, each in a group of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICES = ("dag-processor", "scheduler", "api-server")


@dataclass
class AirflowServer:
    """An Airflow that runs, and its REST API."""

    python: Path
    home: Path
    database: str
    port: int = 0
    token: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def dags(self) -> Path:
        return self.home / "dags"

    def start(self) -> None:
        self.dags.mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = {**os.environ, **self._settings()}
        self._call("db", "migrate")
        for service in SERVICES:
            options = ("--port", str(self.port), "--host", "127.0.0.1", "--workers", "1") if "api" in service else ()
            with (self.home / f"{service}.log").open("wb") as log:
                command = [str(self.python), "-m", "airflow", service, *options]
                self.processes.append(
                    subprocess.Popen(
                        ["nice", "-n", "10", *command],
                        env=self.environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                        cwd=self.home,
                    )
                )

    def wait_until_up(self) -> None:
        """Wait until the API answers."""
        self._until(lambda: bool(self._sign_in()), 120, "the API")

    def stop(self) -> None:
        """Stop all services, and whatever is left of their groups."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def get(self, path: str) -> Any:
        return self._request("GET", path)

    def post(self, path: str, data: Any) -> Any:
        return self._request("POST", path, data)

    def wait_for_dags(self, names: set[str], seconds: float = 60) -> None:
        """Wait until Airflow knows these DAGs; raise with its import errors where it cannot."""

        def known() -> bool:
            errors = self.get("importErrors")["import_errors"]
            assert not errors, errors[0]["stack_trace"]
            return names <= {each["dag_id"] for each in self.get("dags?limit=100")["dags"]}

        self._until(known, seconds, f"the DAGs {names}")

    def trigger(self, dag: str, **conf: Any) -> str:
        return str(self.post(f"dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def wait(self, dag: str, run: str, seconds: float = 90) -> str:
        """Wait until a run has ended, and return how."""
        states: list[str] = []

        def ended() -> bool:
            states.append(self.get(f"dags/{dag}/dagRuns/{run}")["state"])
            return states[-1] in {"success", "failed"}

        self._until(ended, seconds, f"the end of {dag}")
        return states[-1]

    def until_run(self, dag: str) -> Any:
        """Wait until there is a run of a DAG that nobody here has triggered, and return it."""
        found: list[Any] = []

        def there() -> bool:
            found[:] = self.get(f"dags/{dag}/dagRuns")["dag_runs"]
            return bool(found)

        self._until(there, 60, f"a run of {dag}")
        return found[0]

    def tasks(self, dag: str, run: str) -> dict[str, Any]:
        """Return task (with its label, of a map) → its instance."""
        found = self.get(f"dags/{dag}/dagRuns/{run}/taskInstances?limit=200")["task_instances"]
        return {
            each["task_id"] + (f"[{each['rendered_map_index']}]" if each["map_index"] >= 0 else ""): each
            for each in found
        }

    def log(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        told = self.get(f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}?full_content=true")
        return "\n".join(
            str(each.get("event", each)) if isinstance(each, dict) else str(each) for each in told["content"]
        )

    def _sign_in(self) -> str:
        address = f"http://127.0.0.1:{self.port}/auth/token"
        with contextlib.suppress(OSError, KeyError), urllib.request.urlopen(address, timeout=10) as answer:
            self.token = json.loads(answer.read())["access_token"]
        return self.token

    def _request(self, method: str, path: str, data: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/{path}",
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise RuntimeError(f"{method} {path}: {error.code} {said}") from None

    def _until(self, is_so: Any, seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            dead = [process.args for process in self.processes if process.poll() is not None]
            if dead or time.monotonic() > end:
                logs = "\n".join(f"--- {each}\n{(self.home / f'{each}.log').read_text()[-2000:]}" for each in SERVICES)
                raise RuntimeError(f"waited {seconds} s for {what}; ended: {dead}\n{logs}")
            time.sleep(0.2)

    def _call(self, *arguments: str) -> None:
        done = subprocess.run(
            ["nice", "-n", "10", str(self.python), "-m", "airflow", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.home,
        )
        if done.returncode:
            raise RuntimeError(f"airflow {arguments}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def _settings(self) -> dict[str, str]:
        """Return what makes Airflow small and quick."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-tests-only-" * 4,
            "AIRFLOW__API__SECRET_KEY": "for-tests-only",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "3",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "FIRNFLOW_TRACKING": "none",
        }


@contextlib.contextmanager
def running(python: Path, home: Path, database: str) -> Iterator[AirflowServer]:
    """Give an Airflow that is starting, and stop it."""
    server = AirflowServer(python, home, database)
    try:
        server.start()
        yield server
    finally:
        server.stop()
