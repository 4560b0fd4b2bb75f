"""What `firnflow up` needs of the project and of processes: schedules that follow the files, and runs of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.cli._deliverers import Sender, anybody
from firnflow.errors import ConfigError, FirnflowError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firnflow.graph.model import Schedule
    from firnflow.graph.partitions import ByKey, Timed
    from firnflow.project import Project, Settings
    from firnflow.stores.state import State
    from firnflow.stores.state.ledger import Due

_LOOK = 5.0  # seconds between two looks at the project's files
_MOST_SAID = 2000  # characters


def open_state(settings: Settings) -> State:
    """Return the state of an environment, made where there is none."""
    from firnflow.cli import _project
    from firnflow.stores.state import State

    state = State(settings.state.reveal())
    _project.opened.callback(state.close)
    return state


def work(environment: str) -> str:
    """Return the name of the lock that the `up` of an environment holds."""
    return f"up-{environment}"


def is_up(state: State, environment: str) -> bool:
    """Return whether some process is `up` for an environment."""
    from firnflow.stores.lock import lock

    with lock(state.engine, work(environment)) as take:
        return not take()


def scheduled(project: Project, pipeline: str | None, verb: str) -> str:
    """Return the name of a pipeline that has a schedule. Raises UsageError where it has none."""
    from firnflow.cli import _project

    name = _project.named(project, pipeline, verb)
    if project.pipeline(name).schedule is None:
        raise UsageError(
            f"Pipeline {name!r} has no schedule: nothing starts it by itself. Mend: @ff.pipeline(schedule=ff.Cron(…))"
        )
    return name


class Schedules:
    """The schedules of a project, read again when its files change, in a process of its own: ours loads no module.

    Args:
        root: the project's folder.
        environment: its environment.
        tell: takes a line for people.
    """

    def __init__(self, root: Path, environment: str, tell: Callable[[str], None]) -> None:
        self._root, self._environment, self._tell = root, environment, tell
        self._files = self._look()
        self._looked_at = time.monotonic()
        self._known, self._partitions = self._read()

    def partitions(self) -> dict[str, Timed | ByKey]:
        """Return pipeline → partition, as they were read last."""
        return self._partitions

    def __call__(self) -> dict[str, Schedule]:
        """Return pipeline → schedule; while the project cannot be loaded, what it was before."""
        if time.monotonic() < self._looked_at + _LOOK:
            return self._known
        self._looked_at = time.monotonic()
        files = self._look()
        if files != self._files:
            self._files = files
            try:
                self._known, self._partitions = self._read()
                self._tell("the project has changed: its schedules were read again")
            except FirnflowError as error:
                self._tell(f"the project has changed, and cannot be loaded; its schedules stay as they were. {error}")
        return self._known

    def _read(self) -> tuple[dict[str, Schedule], dict[str, Timed | ByKey]]:
        from pydantic import TypeAdapter

        from firnflow.graph.model import Schedule
        from firnflow.graph.partitions import Partition

        command = [sys.executable, "-m", "firnflow", "list", "--json", "--env", self._environment]
        done = subprocess.run(command, cwd=self._root, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if done.returncode != 0:
            printed, _, said = f"\n{done.stderr.strip()}".rpartition("\nError: ")
            _, trace, frames = printed.partition("Traceback (most recent call last):\n")
            raise ConfigError(f"{said}:\n{frames.rstrip()}" if trace else said)
        pipelines = json.loads(done.stdout)["pipelines"]
        schedule: TypeAdapter[Any] = TypeAdapter(Schedule)
        partition: TypeAdapter[Any] = TypeAdapter(Partition)
        return (
            {each["name"]: schedule.validate_python(each["schedule"]) for each in pipelines if each["schedule"]},
            {each["name"]: partition.validate_python(each["partition"]) for each in pipelines if each["partition"]},
        )

    def _look(self) -> dict[str, tuple[int, int]]:
        """Return of each of the project's files when it was written, and its size."""
        found = {}
        for path in _files(self._root):
            with contextlib.suppress(OSError):  # it is gone
                status = path.stat()
                found[str(path)] = (status.st_mtime_ns, status.st_size)
        return found


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name[0] not in "._" and name not in {"site-packages", "node_modules"}]
        yield from (Path(folder) / name for name in names if name.endswith((".py", ".toml")))


@dataclass(frozen=True)
class _Run:
    """The process of a run, and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def code(self) -> int | None:
        """Return its exit code, or None while it is there."""
        code = self.process.poll()
        if code == 0:
            self.log.unlink(missing_ok=True)
        return code

    def said(self) -> str:
        """Return what it said last."""
        text = self.log.read_text(encoding="utf-8", errors="replace").strip()[-_MOST_SAID:]
        return text.removeprefix("Error: ") or f"exit code {self.process.returncode}"

    def stop(self) -> None:
        """Ask it to cancel its run."""
        self.process.terminate()


class Runs:
    """Starts `firnflow run` and `firnflow resume`, each in a session of its own: Ctrl-C is for `up`, not for them.

    What one says on stderr is in `.firnflow/up/RUN.log`, which goes when all went well, else after 90 days.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root, self._settings, self._environment = root, settings, settings.environment
        self._logs = root / ".firnflow" / "up"

    def start(self, due: Due, *, resume: bool) -> _Run:
        """Start a run, or go on with it."""
        from firnflow.stores.state.ledger import Cause

        what = ["resume", due.run] if resume else ["run", due.pipeline, "--id", due.run]
        if due.partition is not None and not resume:
            what += ["--partition", due.partition, *(["--unless-done"] if due.cause == Cause.SCHEDULE else [])]
        for text in () if resume else due.assignments:
            what += ["--set", str(text)]
        command = [sys.executable, "-m", "firnflow", *what, "--env", self._environment, "--quiet"]
        log = self._logs / f"{due.run}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {name: text for name, text in os.environ.items() if name != "FIRNFLOW_CRASH"}
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        return _Run(process, log)

    def tidy(self, before: float) -> None:
        """Delete what was said before a moment, in seconds since 1970."""
        for log in self._logs.glob("*.log"):
            with contextlib.suppress(OSError):  # it is gone
                if log.stat().st_mtime < before:
                    log.unlink()

    def tell(self) -> None:
        """Have people told of what could not start: no run is there whose sender would do it."""
        if anybody(self._settings):
            Sender(self._root, self._settings).send()
