"""Calls the command line in forks of a process that has loaded it once: a call costs milliseconds.

`Quick` starts that process, which is this module as a program: it reads requests from stdin, one JSON object a line,
and answers each in a line. One with `arguments` begins a call, and the answer is its process; one with `wait` is
answered with the exit code of such a process, or null where it has not ended within `seconds`.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ALWAYS = {"FIRNFLOW_WORKERS": "2", "FIRNFLOW_TRACKING": "none"}
"""The environment of every call, unless a test says otherwise."""
PATIENCE = 180.0
"""Seconds after which a call is taken to hang."""


@dataclass
class Forked:
    """A call under way, with what `subprocess.Popen` has for it."""

    quick: Quick
    args: Sequence[str]
    pid: int
    texts: tuple[Path, Path]
    returncode: int | None = None

    def poll(self) -> int | None:
        return self._wait(0)

    def wait(self, timeout: float) -> int:
        if self._wait(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        self.wait(timeout)
        out, err = (path.read_bytes().decode("utf-8", "surrogateescape") for path in self.texts)
        return out, err

    def _wait(self, seconds: float) -> int | None:
        if self.returncode is None:
            self.returncode = self.quick.ask({"wait": self.pid, "seconds": seconds})
        return self.returncode


@dataclass
class Quick:
    """Calls the command line in forks of a process that has loaded it: for many calls, each as if it were the first.

    Args:
        folder: for what calls write to stdout and stderr.
        modules: what the process loads besides the command line.
    """

    folder: Path
    modules: tuple[str, ...] = ()
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *self.modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: text for name, text in os.environ.items() if not name.startswith("FIRNFLOW_")},
            start_new_session=True,
        )

    def start(self, root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Forked:
        """Begin a call in a folder, in a session of its own."""
        number = next(self._numbers)
        texts = self.folder / f"out-{number}", self.folder / f"err-{number}"
        request = {"arguments": arguments, "folder": str(root), "environment": {**ALWAYS, **(environment or {})}}
        return Forked(self, arguments, self.ask({**request, "texts": [*map(str, texts)]}), texts)

    def call(self, root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Call the command line to its end; return its exit code, and what it wrote to stdout and stderr."""
        process = self.start(root, *arguments, environment=environment)
        try:
            out, err = process.communicate()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"it hangs: {arguments}\n{process.communicate()}") from None
        for path in process.texts:
            path.unlink()
        return process.wait(0), out, err

    def ask(self, request: dict[str, Any]) -> Any:
        """Have the process answer a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


LOADED = (
    *("firnflow.cli._checks", "firnflow.cli._deliverers", "firnflow.cli._errors", "firnflow.cli._outputs"),
    *("firnflow.cli._project", "firnflow.cli._rows", "firnflow.cli._running", "firnflow.cli._summary"),
    *("firnflow.engine.external.task", "firnflow.engine.run", "firnflow.features", "firnflow.graph.draw"),
    *("firnflow.models.tracking.send", "firnflow.project.load", "firnflow.stores", "firnflow.stores.checks"),
    *("firnflow.stores.sources", "firnflow.stores.state.migrate", "firnflow.stores.warehouse"),
    *("firnflow.targets.choose", "firnflow.values.tables.pandas", "firnflow.values.tables.warehouse"),
    *("_strptime", "alembic.command", "duckdb", "ibis.backends.duckdb", "pandas", "psutil"),
    *("pyarrow.dataset", "pyarrow.parquet", "rich.table"),
)
"""What most calls load."""


def main() -> None:
    import firnflow.cli._app as app
    from firnflow.values.registry import value_types

    for module in (*(f"firnflow.cli.{verb}" for verb in app.VERBS), *LOADED, *sys.argv[1:]):
        importlib.import_module(module)
    value_types()
    for line in sys.stdin:
        request = json.loads(line)
        answer = code_of(request["wait"], request["seconds"]) if "wait" in request else fork(app.main, request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def fork(program: Any, request: dict[str, Any]) -> int:
    """Begin a call in a fork; return its process."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        out, err = request["texts"]
        for fd, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, WRITE), (2, err, WRITE)):
            os.dup2(os.open(path, flags, 0o600), fd)
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        code = program(request["arguments"])
    except SystemExit as error:
        code = error.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def code_of(pid: int, seconds: float) -> int | None:
    until = time.monotonic() + seconds
    pause = 0.001
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


if __name__ == "__main__":
    main()
