"""Small projects driven through the command line, as a person would: what it says, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from forked_calls import ALWAYS, PATIENCE, Forked, Quick

from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Said:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def well(self, *codes: int) -> Said:
        """Check that the call ended as it may: with one of these codes, by a message if not 0, and no mistake of ours.

        Returns itself.
        """
        assert self.code in (codes or (0, 1, 2)), self
        assert "this should not happen" not in self.err, self
        assert "Traceback" not in self.err + self.out, self
        found = _CONTROLS.search(self.err + self.out)
        assert found is None, (found, self)
        assert self.code == 0 or (self.out + self.err).strip(), self
        return self


@dataclass
class Place:
    """A project in a folder, and the environment in which it is called."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    forked: Quick | None = None
    started: list[subprocess.Popen[str] | Forked] = field(default_factory=list)

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start `firnflow …` in a session of its own."""
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("FIRNFLOW_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "firnflow", *arguments],
            cwd=cwd or self.root,
            env={**inherited, **ALWAYS, **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def fork(self, *arguments: str, **environment: str) -> Forked:
        """Start `firnflow …` in a session of its own, in a fork of a process that has loaded it."""
        assert self.forked is not None
        process = self.forked.start(self.root, *arguments, environment={**self.environment, **environment})
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what a test that has failed left running."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def call(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Said:
        """Call `firnflow …` to its end."""
        return end(self.start(*arguments, cwd=cwd, **environment))

    def quick(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Said:
        """Call `firnflow …` to its end in a fork of a process that has loaded it: in a tenth of the time."""
        assert self.forked is not None
        return Said(*self.forked.call(cwd or self.root, *arguments, environment={**self.environment, **environment}))

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    @property
    def own(self) -> Path:
        return self.root / ".firnflow"

    @property
    def state(self) -> State:
        return State(self.environment.get("FIRNFLOW_STATE", f"sqlite:///{self.own}/state.db"))

    def objects(self) -> list[Path]:
        """The files that stand among the objects."""
        return sorted(path for path in (self.own / "artifacts" / "objects").rglob("*") if path.is_file())

    def wait(self, done: Callable[[], Any], process: subprocess.Popen[str] | Forked | None = None) -> Any:
        """Wait until `done` returns something that is true, and return it."""
        until = time.monotonic() + PATIENCE
        while not (found := done()):
            if time.monotonic() > until or (process is not None and process.poll() is not None):
                said = end(process) if process is not None and process.poll() is not None else None
                pytest.fail(f"what was waited for did not happen: {said}")
            time.sleep(0.05)
        return found


def end(process: subprocess.Popen[str] | Forked) -> Said:
    """Return what a call came to; one that hangs is killed, and fails the test."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"it hangs: {process.args}\n{out}\n{err}")
    return Said(process.returncode, out, err)


@pytest.fixture
def finish() -> Callable[[subprocess.Popen[str] | Forked], Said]:
    return end


@pytest.fixture
def place(tmp_path: Path, quick: Quick) -> Iterator[Callable[..., Place]]:
    """Return a function that makes a project of one module's source, and more lines of settings."""
    places: list[Place] = []

    def make(source: str, settings: str = "", **environment: str) -> Place:
        made = Place(tmp_path / "project", environment, quick)
        name = f"flows_{uuid.uuid4().hex[:8]}"
        made.write(f"{name}.py", f"import firnflow as ff\n{textwrap.dedent(source)}")
        made.write("firnflow.toml", f'[project]\nname = "lab"\npipelines = ["{name}"]\n{textwrap.dedent(settings)}\n')
        places.append(made)
        return made

    yield make
    for each in places:
        each.end()
