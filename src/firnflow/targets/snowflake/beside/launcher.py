"""Runs one task in a container: unpacks the project's code, calls `firnflow exec`, and says what has come of it.

The last line that it prints is `firnflow-answer: ` and JSON, which the procedure reads in the container's log. It needs
the standard library only: it is started before Firnflow is there. Where there is no container, `here.py` calls it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Attempt: TypeAlias = Callable[[dict[str, Any], Path], tuple[int, dict[str, Any]]]
"""Executes a task once: by what it is to execute, and what `unpack` has made; returns exit code and answer."""
MARK = "firnflow-answer: "
INDEX = "SNOWFLAKE_JOB_INDEX"
"""Which instance of a job this is, from 0; https://docs.snowflake.com/en/sql-reference/sql/execute-job-service ."""
CONFIG = "firnflow"
"""In a run's config: what Firnflow itself says there, beside the parameters."""
OF_A_TASK = ("steps", "needs", "retries", "retry_delay", "backoff", "timeout", "memory")
WRONG_CALL = 2
ERROR = "Error: "
"""How the line begins that says why a call was refused."""
TIMED_OUT = 124
GRACE = 20.0
"""Seconds that a task has to write down that it was stopped."""
_LONGEST_MESSAGE = 2000


def main(words: list[str]) -> int:
    """Execute a task, or several one after the other, each as often as it may be tried; return how that has ended."""
    with tempfile.TemporaryDirectory(prefix="firnflow-") as folder:
        place = unpack(Path(__file__).resolve().parent, Path(folder))
        found = work(json.loads(words[0]), place, _try)
    sys.stderr.flush()
    print(MARK + json.dumps(found), flush=True)  # noqa: T201 - this is how it answers
    return int(found["code"])


def work(job: dict[str, Any], place: Path, attempt: Attempt) -> dict[str, Any]:
    """Execute a task, or several one after the other; return what the procedure is to know.

    One that has failed holds back those that need it, and speaks for all: the first one, but not for another that has
    begun. What is committed is not done again when the job is.

    Args:
        job: what is to be executed.
        place: what `unpack` has made.
        attempt: executes a task once.
    """
    found, held = dict[str, Any](), set[str]()
    for step in steps(job):
        if not held.isdisjoint(step.get("needs", ())):
            held.add(step["task"])
            continue
        code, answer = _tries(step, place, attempt)
        held |= {step["task"]} if code != 0 else set()
        begun = [*found.get("begins", ()), *begins(step, answer)]
        said = summary(step, answer, code)
        is_first = not found.get("code") or (found["code"] == WRONG_CALL and code not in {0, WRONG_CALL})
        found = {**found, **said} if is_first else {**said, **found}
        found |= {"begins": begun} if begun else {}
    return found


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each task of a job is called with; most jobs are one task."""
    shared = {name: value for name, value in job.items() if name not in OF_A_TASK}
    return [{**shared, **step} for step in job["steps"]] if job.get("steps") else [job]


def unpack(payload: Path, folder: Path) -> Path:
    """Unpack a payload; return the folder with `project`, the graphs and `firnflow`, unless that is installed here."""
    with zipfile.ZipFile(payload / "project.zip") as file:
        file.extractall(folder / "project")
    with zipfile.ZipFile(payload / "firnflow.zip") as file:
        if not _is_installed(file):
            file.extractall(folder / "firnflow")
    for graph in payload.glob("*.graph.json"):
        (folder / graph.name).write_bytes(graph.read_bytes())
    return folder


def _is_installed(file: zipfile.ZipFile) -> bool:
    """Return whether this Python has the very Firnflow of a payload: one that is unpacked is compiled by each task."""
    found = importlib.util.find_spec("firnflow")
    if found is None or found.origin is None:
        return False
    root = Path(found.origin).parents[1]
    try:
        return all(zlib.crc32((root / each.filename).read_bytes()) == each.CRC for each in file.infolist())
    except OSError:
        return False


def _tries(job: dict[str, Any], folder: Path, attempt: Attempt) -> tuple[int, dict[str, Any]]:
    """Execute a task until it succeeds, or may not be tried again; return exit code and answer of the last try."""
    retries = job.get("retries", 0)
    for count in range(retries + 1):
        code, answer = attempt(job, folder)
        if code != 0 and (said := why(answer)):
            tell(said)
        if code in {0, WRONG_CALL} or count == retries:
            break
        wait = job.get("retry_delay", 1.0) * job.get("backoff", 2.0) ** count
        tell(f"Try {count + 1} of {retries + 1} has failed; the next in {wait:g} s")
        time.sleep(wait)
    return code, answer


def tell(text: str) -> None:
    """Say something to who reads the container's log, each line with its moment: the log itself has none."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    for line in text.splitlines():
        sys.stderr.write(f"{now} {line}\n")
    sys.stderr.flush()


def why(answer: dict[str, Any]) -> str:
    """Return why a try has failed: what was raised and where, as far as the answer says so."""
    error = answer.get("error") or {}
    return str(error.get("traceback") or f"{error['type']}: {error.get('message', '')}" if error.get("type") else "")


def command(job: dict[str, Any], folder: Path) -> list[str]:
    """Return the call of `firnflow exec`, as a program."""
    return [sys.executable, "-m", "firnflow", *arguments(job, folder)]


def arguments(job: dict[str, Any], folder: Path) -> list[str]:
    """Return what stands after `firnflow` in the call of `firnflow exec`."""
    graph = str(folder / f"{job['pipeline']}.graph.json")
    task = ["--graph", graph, "--task", job["task"], "--run", job["run"], "--env", job["env"]]
    for name, value in job.get("values", {}).items():
        task += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    if job.get("partition"):
        task += ["--partition", job["partition"]]
    elif job.get("partitioned"):
        task += ["--due", moment(job["due"])] if job.get("due") else []
    if share := job.get("share") or (f"{os.environ[INDEX]}/{job['instances']}" if job.get("instances") else None):
        task += ["--share", share]
    task += [word for pipeline in job.get("wakes") or () for word in ("--wakes", pipeline)]
    for option in ("element", "memory"):
        task += [f"--{option}", str(job[option])] if job.get(option) is not None else []
    return ["exec", *task]


def moment(text: str) -> str:
    """Return a moment as ISO 8601 writes it: Snowflake puts a blank before the zone."""
    return re.sub(r"\s+(Z|[+-]\d{2}:?\d{2})$", r"\1", text.strip())


def variables(job: dict[str, Any], folder: Path) -> dict[str, str]:
    """Return the environment of the call: the container's, what the settings name, and where Firnflow is."""
    path = os.pathsep.join(part for part in (str(folder / "firnflow"), os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, **job.get("variables", {}), "PYTHONPATH": path}


def _try(job: dict[str, Any], folder: Path) -> tuple[int, dict[str, Any]]:
    """Execute a task once; after its time, or where the container is stopped, all that it has started is ended."""
    seconds = job.get("timeout")
    reads, writes = os.pipe()
    program = subprocess.Popen(  # noqa: S603 - no shell; the words are ours and the run's parameters
        command(job, folder),
        cwd=folder / "project",
        env=variables(job, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writes,
        start_new_session=True,
    )
    os.close(writes)
    errors: list[str] = []
    reader = threading.Thread(target=_echo, args=(reads, errors), daemon=True)
    reader.start()
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        said, _ = program.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(program)
        return TIMED_OUT, timed_out(seconds)
    finally:
        if program.returncode is None:
            _end(program)
        _kill(program)
        reader.join(GRACE)
    code = program.returncode if program.returncode >= 0 else 128 - program.returncode
    return code, answered(code, said, errors)


def timed_out(seconds: float | None) -> dict[str, Any]:
    """Return the answer of a try that took too long."""
    message = f"was ended after {seconds:g} s"
    return {"state": "failed", "error": {"type": "TaskTimeoutError", "message": message}}


def answered(code: int, said: bytes | str, errors: list[str]) -> dict[str, Any]:
    """Return the answer of `firnflow exec`, or why it was refused; empty where it has said neither."""
    refused = {"state": "failed", "error": {"type": "firnflow exec", "message": errors[-1]}} if errors else {}
    return _parsed(said) or (refused if code == WRONG_CALL else {})


def _echo(reads: int, errors: list[str]) -> None:
    """Pass on what a program says, as it comes, and keep its errors."""
    with os.fdopen(reads, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            tell(line)
            errors += errors_in(line)


def errors_in(line: str) -> list[str]:
    """Return why a call was refused, where a line says so."""
    return [line.removeprefix(ERROR).strip()] if line.startswith(ERROR) else []


def _end(program: subprocess.Popen[bytes]) -> None:
    """Ask a program to stop, and kill it after a grace."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(GRACE)
    _kill(program)
    program.wait()


def _kill(program: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)


def _parsed(said: bytes | str) -> dict[str, Any]:
    """Return the answer of `firnflow exec`; empty where it has given none."""
    try:
        answer = json.loads(said)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def summary(job: dict[str, Any], answer: dict[str, Any], code: int) -> dict[str, Any]:
    """Return what the procedure is to know: how it has ended, why it has failed, and what it has decided."""
    error = answer.get("error") or {}
    found = {"run": job["run"], "task": job["task"], "code": code, "state": answer.get("state")}
    if code != 0:
        why = f"{error.get('type', 'firnflow exec')}: {error.get('message', f'exit code {code}')}"
        found["error"] = why[:_LONGEST_MESSAGE]
    ref = (answer.get("outputs") or {}).get(job.get("decides")) or {}
    if isinstance(ref.get("inline"), str):
        case = json.loads(ref["inline"])
        found["decided"] = case if isinstance(case, str) else json.dumps(case)
    return found


def begins(job: dict[str, Any], answer: dict[str, Any]) -> list[list[Any]]:
    """Return what a new version starts that a task has published: root tasks, each with the config of its run."""
    found: list[list[Any]] = []
    for each in answer.get("wakes") or ():
        partition = {"partition": each["partition"]} if each["partition"] is not None else {}
        found.append([job["wakes"][each["pipeline"]], {**partition, CONFIG: {"run": each["run"]}}])
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
