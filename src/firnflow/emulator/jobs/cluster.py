"""Ray among the instances of an ML Job, in the processes of the job: a head beside the first, a node beside each other.

https://docs.snowflake.com/en/developer-guide/snowflake-ml/ml-jobs/overview: there all instances of a job are one Ray
cluster. Here it is started when the payload imports Ray, since that takes seconds, and ends with the job's processes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER, SCRATCH = "FIRNFLOW_JOB_FOLDER", "FIRNFLOW_RAY_FOLDER"
"""Variables: where the instances of a job meet, and where Ray's files are, whose sockets need a short path."""
BESIDE = Path(__file__).parent / "beside"
_ADDRESS = "RAY_ADDRESS"
_FILE = "ray_address"
_LOOK, _JOINED = 0.2, 120.0
_STORE = 256 * 2**20
_HERE = "127.0.0.1"
_COMMON = (
    *(f"--node-ip-address={_HERE}", "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"),
    f"--object-store-memory={_STORE}",
)


def begin() -> None:
    """Start the head of the cluster where there is none; Ray then finds it by itself.

    Raises:
        RuntimeError: it does not start.
    """
    if _ADDRESS in os.environ:
        return
    port = _free_port()
    where = (f"--port={port}", f"--temp-dir={os.environ[SCRATCH]}")
    found = subprocess.run(  # noqa: S603 - words of ours
        [*_ray("start"), "--head", *where, "--include-dashboard=false", *_COMMON],
        env=_variables(_path(sys.path)),
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise RuntimeError(f"Ray does not start: {(found.stderr or found.stdout)[-1000:]}")
    os.environ[_ADDRESS] = f"{_HERE}:{port}"
    file = Path(os.environ[FOLDER]) / _FILE
    told = {"address": os.environ[_ADDRESS], "path": _path(sys.path)}
    file.with_suffix(".new").write_text(json.dumps(told), encoding="utf-8")
    file.with_suffix(".new").rename(file)


def connect(ray: Any) -> None:
    """Connect to the cluster once all instances have joined it, as Snowflake's launcher does before the payload runs.

    Raises:
        RuntimeError: some have not.
    """
    count = int(os.environ.get("SNOWFLAKE_JOBS_COUNT", "1"))
    ray.init(address="auto", ignore_reinit_error=True, log_to_driver=False, logging_level="CRITICAL")
    until = time.monotonic() + _JOINED
    while (there := sum(each["Alive"] for each in ray.nodes())) < count:
        if time.monotonic() > until:
            raise RuntimeError(f"{there} of {count} instances have joined the Ray cluster in {_JOINED:g} s")
        time.sleep(_LOOK)


def join() -> None:
    """Wait for a head, which may never come, and be a node of its cluster from then on."""
    file = Path(os.environ[FOLDER]) / _FILE
    while not file.exists():
        time.sleep(_LOOK)
    told = json.loads(file.read_text(encoding="utf-8"))
    words = [*_ray("start"), f"--address={told['address']}", "--block", *_COMMON]
    os.execve(words[0], words, _variables(told["path"]))  # noqa: S606 - words of ours


def _ray(verb: str) -> list[str]:
    return [sys.executable, "-m", "ray.scripts.scripts", verb]


def _path(given: Iterable[str]) -> str:
    """Return where Ray's processes look for modules: where the payload does, but not at what stands before Ray."""
    return os.pathsep.join(each for each in given if each and Path(each) != BESIDE)


def _variables(path: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": path, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_HERE, 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    join()
