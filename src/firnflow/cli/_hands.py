"""The processes of a backfill: each loads the project once and keeps its workers warm from partition to partition.

Orders are lines of JSON on its stdin, answers on its stdout; what users' code prints goes to stderr, hence to a file.
When nobody holds its stdin any more, it ends with what it runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from firnflow.errors import ConfigError, FirnflowError, RunConflictError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.engine.backfill.drive import Order
    from firnflow.engine.request import RunResult
    from firnflow.engine.warm import WarmPool
    from firnflow.project import Project

_MOST_SAID = 2000  # characters
_WRONG = 2  # the exit code of a call that cannot be carried out


class ProcessHand:
    """A process `firnflow backfill --serve`.

    Args:
        root: the project's folder.
        environment: its environment.
        pipeline: whose partitions it runs.
        assignments: `name=value`, as after `--set`.
        again: whether results of earlier runs are not taken.
    """

    def __init__(self, root: Path, environment: str, pipeline: str, assignments: list[str], *, again: bool) -> None:
        options = [part for text in assignments for part in ("--set", text)] + (["--no-cache"] if again else [])
        command = [sys.executable, "-m", "firnflow", "backfill", pipeline, "--env", environment, "--serve", *options]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `dismiss`
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is for who gives the orders
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        os.set_blocking(self._process.stdout.fileno(), False)
        self._read = b""

    def give(self, order: Order) -> None:
        """Let it run a partition; where it is gone, `answer` says so."""
        line = {"partition": order.partition, "run": order.run, "resume": order.resume}
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{json.dumps(line)}\n".encode())
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any] | None:
        """Return what came of the partition, or None: it is under way.

        Raises:
            ConfigError: the project cannot be loaded any more.
        """
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        gone = self._process.poll() is not None  # before it is read: what it said last is not lost
        self._read += self._process.stdout.read() or b""
        line, end, self._read = self._read.partition(b"\n")
        if end:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._read = line
        if gone and self._process.returncode == _WRONG:
            raise ConfigError(f"a process of the backfill could not begin: {self._last_words()}")
        return {"died": self._last_words()} if gone else None

    def stop(self) -> None:
        """Ask it to cancel what it runs."""
        self._process.terminate()

    def dismiss(self) -> None:
        """Let it end. It has nothing under way; or, where the order to stop came from above, it ends with that."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()
        self._said.close()

    def _last_words(self) -> str:
        self._said.seek(0)
        text = self._said.read().decode("utf-8", "replace").strip()[-_MOST_SAID:]
        return text.removeprefix("Error: ") or f"exit code {self._process.returncode}"


def serve(project: Project, pipeline: str, assignments: tuple[str, ...], *, cache: bool) -> None:
    """Run the partitions that are ordered on stdin until it is closed, and answer on what stdout is now.

    Args:
        project: the loaded project.
        pipeline: whose partitions they are.
        assignments: `name=value`, as after `--set`.
        cache: whether results of earlier runs are taken.
    """
    from firnflow.engine.request import RunRequest
    from firnflow.engine.warm import WarmPool

    warm = WarmPool()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for line in sys.stdin:
            order = json.loads(line)
            request = RunRequest(pipeline, assignments, cache=cache, partition=order["partition"])
            answers.write(json.dumps(_answer(project, request, order, warm)) + "\n")
            answers.flush()
    except BrokenPipeError:  # nobody waits for the answer; it stands in the state
        pass
    finally:
        warm.close()


def _answer(project: Project, request: Any, order: dict[str, Any], warm: WarmPool) -> dict[str, Any]:
    from firnflow.project import redact

    try:
        result = _run(project, request, order, warm)
    except RunConflictError as error:
        return {"conflict": redact(str(error))}
    except FirnflowError as error:
        return {"status": "failed", "error": redact(str(error))}
    return {"status": result.status, "error": redact(result.error or "") or None}


def _run(project: Project, request: Any, order: dict[str, Any], warm: WarmPool) -> RunResult:
    from firnflow.engine.run import resume, run

    if order["resume"]:
        return resume(project, order["run"], warm=warm)
    return run(project, request, run_id=order["run"], unless_done=True, warm=warm)
