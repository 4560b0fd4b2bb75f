"""Calls the command line in forks of this process, which has loaded it once: a call costs milliseconds.

Reads requests from stdin, one JSON object a line; answers each with its exit code, or null where it had to be killed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time


def main() -> None:
    import firnflow.cli._app as app

    for verb in app.VERBS:
        importlib.import_module(f"firnflow.cli.{verb}")
    ours = ("firnflow.engine.run", "firnflow.engine.external.task", "firnflow.stores")
    for module in (*ours, "ibis", "duckdb", "psutil"):
        importlib.import_module(module)
    for module in ("pyarrow.parquet", "firnflow.stores.state.migrate", "alembic.command", "rich.table", "_strptime"):
        importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            call(app.main, request)
        sys.stdout.write(json.dumps(code_of(pid, request["seconds"])) + "\n")
        sys.stdout.flush()


def call(main, request) -> None:
    code = 70
    try:
        os.setsid()
        for fd, path, flags in ((0, os.devnull, os.O_RDONLY), (1, request["out"], WRITE), (2, request["err"], WRITE)):
            os.dup2(os.open(path, flags, 0o600), fd)
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        code = main(request["arguments"])
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
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


if __name__ == "__main__":
    main()
