"""One emulator a session, in a process of its own, and Snowflake's own connector to it."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Server:
    """`firnflow emulate snowflake` as a user starts it."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "firnflow", "emulate", "snowflake", "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said = [self.process.stderr.readline() for _ in range(4)]
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.said[0])
        if found is None:
            raise AssertionError("".join(self.said) + self.process.stderr.read())
        self.port = int(found[1])

    def connect(self, user: str = "EMULATOR", **more: Any) -> Any:
        import snowflake.connector

        place = {"protocol": "http", "host": "127.0.0.1", "port": self.port, "account": "emulator"}
        return snowflake.connector.connect(**place, user=user, password="any", paramstyle="qmark", **more)

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        try:
            return self.process.wait(15)
        finally:
            assert self.process.stderr is not None
            self.process.stderr.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    started = Server()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def snow(server: Server) -> Iterator[Any]:
    """A session of Snowpark in a database of its own."""
    from snowflake.snowpark import Session

    place = {"protocol": "http", "host": "127.0.0.1", "port": server.port, "account": "emulator"}
    session = Session.builder.configs({**place, "user": "EMULATOR", "password": "any"}).create()
    name = f"S{uuid.uuid4().hex[:8].upper()}"
    session.sql(f"CREATE DATABASE {name}").collect()
    yield session
    session.sql(f"DROP DATABASE {name}").collect()
    session.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Start a server of the test's own."""
    started: list[Server] = []

    def begin(data: Path) -> Server:
        started.append(Server("--data", str(data)))
        return started[-1]

    yield begin
    for each in started:
        with contextlib.suppress(ProcessLookupError):
            if each.process.poll() is None:
                each.stop(signal.SIGKILL)


class Sql:
    """A connection, and what its statements answer."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.columns: list[str] = []

    def __call__(self, statement: str, *binds: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            found = cursor.execute(statement, binds or None).fetchall()
            self.columns = [column.name for column in cursor.description]
            return found

    def maps(self, statement: str, *binds: Any) -> list[dict[str, Any]]:
        rows = self(statement, *binds)
        return [dict(zip(self.columns, row, strict=True)) for row in rows]

    def refused(self, statement: str, *binds: Any) -> Any:
        """The error of a statement, which has to fail."""
        from snowflake.connector.errors import Error

        with pytest.raises(Error) as caught:
            self(statement, *binds)
        return caught.value


@pytest.fixture
def speak() -> type[Sql]:
    """What makes a runner of statements of a connection."""
    return Sql


@pytest.fixture
def sql(server: Server) -> Iterator[Sql]:
    """A session in a database of the test's own."""
    name = f"T{uuid.uuid4().hex[:8].upper()}"
    with server.connect() as connection:
        run = Sql(connection)
        run(f"CREATE DATABASE {name}")
        yield run
        run("USE ROLE ACCOUNTADMIN")
        run(f"DROP DATABASE {name}")
