"""A PostgreSQL and a Redis for a while, on sockets in folders of their own; Debian's packages are enough."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType


class Missing(Exception):
    """A server is not installed; says how to install it."""


class Postgres:
    """A PostgreSQL that keeps nothing: a user `firnflow`, any password is right.

    Args:
        variables: given to its processes.

    Raises:
        Missing: PostgreSQL's programs are not there.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *map(Path, os.get_exec_path())]
        binaries = next((folder for folder in found if (folder / "initdb").exists()), None)
        if binaries is None:
            raise Missing("PostgreSQL's initdb is not installed (Debian: apt-get install postgresql)")
        self._binaries, self._variables = binaries, {**os.environ, **(variables or {})}
        self._user = "postgres" if os.getuid() == 0 else None  # the server refuses to run as root
        self.home = Path(tempfile.mkdtemp(prefix="firnflow-pg-"))
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if self._user is not None:
            shutil.chown(self.home, self._user)
        self._call("initdb", "-D", self.home / "data", "-U", "firnflow", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def url(self) -> str:
        """Of the database `postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://firnflow:canary-pw@/{database}?host={self.home}"

    def start(self) -> None:
        options = ("-k", str(self.home), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100")
        with (self.home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.home / "data", *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.home,
                env=self._variables,
                start_new_session=True,
            )
        _wait_for(self._answers, self._server, self.home / "log")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT cuts the connections, SIGQUIT besides leaves what is written to be recovered."""
        if self._server is not None:
            _stop(self._server, how)

    def create(self, database: str) -> str:
        """Create a database, and return its URL."""
        self._call("createdb", "-h", self.home, "-U", "firnflow", database)
        return self.url_of(database)

    def _answers(self) -> bool:
        asked = subprocess.run([self._binaries / "pg_isready", "-q", "-h", self.home], check=False)
        return asked.returncode == 0

    def _call(self, program: str, *arguments: object) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, user=self._user, cwd=self.home, check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


class Redis:
    """A Redis that keeps nothing. Raises Missing where it is not installed."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._binary = shutil.which("redis-server")
        if self._binary is None:
            raise Missing("redis-server is not installed (Debian: apt-get install redis-server)")
        self._variables = {**os.environ, **(variables or {})}
        self.home = Path(tempfile.mkdtemp(prefix="firnflow-redis-"))
        self.socket = self.home / "redis"

    def __enter__(self) -> Self:
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.home)]
        with (self.home / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [str(self._binary), *options], stdout=log, stderr=log, env=self._variables, start_new_session=True
            )
        _wait_for(self.socket.exists, self._server, self.home / "log")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _stop(self._server, signal.SIGTERM)
        shutil.rmtree(self.home, ignore_errors=True)


def _wait_for(is_up: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while not is_up():
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{server.args!r} did not start:\n{log.read_text()}")
        time.sleep(0.03)


def _stop(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    server.send_signal(how)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
