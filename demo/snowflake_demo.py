"""`make demo-snowflake`: churn and mortgage on an emulated Snowflake: planned, applied, run, planned again."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".snowflake"
"""Holds the account, how to log in, and the copies of the examples; all of it is made anew each time."""
RUNS = {"churn": ("--set", "customers=20000"), "mortgage": ("--set", "applications=40000", "--set", "days=180")}
"""Example, and pipeline → parameters of its run."""
ENVIRONMENT = """
# On Snowflake (docs/snowflake.md): what `make demo-snowflake` has added.
[environments.snowflake]
inherits = "local"
orchestrator = "snowflake"
tracking = "snowflake"
warehouse = "snowflake"
state = "snowflake"
artifacts = "snowflake"

[environments.snowflake.snowflake]
connection = "demo"
database = "demo"
schema = "{name}"
warehouse = "demo_wh"
image = "/demo/{name}/images/{name}:1"
pool = "small"
pools.small = {{ name = "demo_{name}", family = "CPU_X64_S", max_nodes = 2 }}
files = ["data/*.csv"]
"""
LOGIN = """[demo]
protocol = "http"
host = "127.0.0.1"
port = {port}
account = "emulator"
user = "EMULATOR"
password = "nobody looks at it"
"""
DONE = re.compile(r"Done|Applied|Error|Mend")
"""How lines begin that say what apply has done; what it would do, the plan has shown."""
STARTS = 90.0
"""Seconds that the emulator may take to start."""
_OPTION = ("--env", "snowflake")
_calls: set[subprocess.Popen[str]] = set()
"""Those that are under way."""


def main() -> int:
    """Run the demo; return 0 if all of it went as it should."""
    parser = argparse.ArgumentParser(prog="make demo-snowflake", description=__doc__)
    parser.add_argument("--stop", action="store_true", help="stop when all is done, do not wait for Ctrl-C")
    stop = parser.parse_args().stop or bool(os.environ.get("CI"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    try:
        with _emulator() as port:
            _prepare(port)
            is_same = _show()
            say(f"\nDone in {time.monotonic() - begin:.0f} s. All of it was emulated: nothing has left this machine.")
            if not stop:
                _wait(port)
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    return 0 if is_same else 1


def _show() -> bool:
    """Deploy the examples, run them, and show what that has come to; return whether a second plan finds no change."""
    for name in RUNS:
        firnflow(name, "plan", *_OPTION)
    for name in RUNS:
        firnflow(name, "apply", "--yes", *_OPTION, only=DONE)
    _run()
    for name in RUNS:
        firnflow(name, "send", *_OPTION)
        firnflow(name, "models", "list", *_OPTION)
        _registry(name)
    return all("No changes" in firnflow(name, "plan", *_OPTION) for name in RUNS)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


@contextlib.contextmanager
def _emulator() -> Iterator[int]:
    """Give the port of an emulator, which ends with this process, however that ends."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    command = [sys.executable, "-m", "firnflow", "emulate", "snowflake", "--port", "0", "--data", str(HOME / "account")]
    say(f"$ firnflow {shlex.join(command[3:])}")
    log = HOME / "emulator.log"
    with Guard() as guard, log.open("w") as file:
        process = subprocess.Popen(command, stderr=file, stdout=file, env={**os.environ, **guard.variables})
        try:
            yield _port(process, log)
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + STARTS
    while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
        if process.poll() is not None or time.monotonic() > until:
            sys.exit(f"The emulator has not started:\n{log.read_text()}")
        time.sleep(0.1)
    say(log.read_text().strip())
    return int(found[1])


def _prepare(port: int) -> None:
    """Copy the examples, which stay as they are but for one environment, and make what an administrator makes."""
    os.environ["SNOWFLAKE_HOME"] = str(HOME / "login")
    (HOME / "login").mkdir(mode=0o700)
    login = HOME / "login" / "connections.toml"
    login.touch(mode=0o600)
    login.write_text(LOGIN.format(port=port))
    hidden = shutil.ignore_patterns(".firnflow", "tests", "__pycache__", "data")
    made = ["CREATE DATABASE demo", "CREATE WAREHOUSE demo_wh"]
    for name in RUNS:
        shutil.copytree(ROOT / "examples" / name, HOME / name, ignore=hidden)
        settings = HOME / name / "firnflow.toml"
        settings.write_text(settings.read_text() + ENVIRONMENT.format(name=name))
        _write_sources(HOME / name)
        made += [f"CREATE SCHEMA demo.{name}", f"CREATE IMAGE REPOSITORY demo.{name}.images"]
    say("\nWhat an administrator makes once in an account:")
    for statement in made:
        say(f"  {statement};")
    _ask(*made)


def _write_sources(folder: Path) -> None:
    """Write the files that a catalog names, without rows: their pipelines are deployed too, but not run."""
    for source in tomllib.loads((folder / "catalog.toml").read_text()).values():
        file = folder / source["path"]
        file.parent.mkdir(exist_ok=True)
        file.write_text(",".join(source["columns"]) + "\n")


def _ask(*statements: str) -> list[dict[str, Any]]:
    """Send statements by Snowflake's connector, and return the rows of the last one."""
    from snowflake.connector import DictCursor, connect

    with connect(connection_name="demo") as connection, connection.cursor(DictCursor) as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()  # type: ignore[return-value] # dictionaries, as asked for


def _run() -> None:
    """Run all pipelines at once, each line behind the name of whose it is."""
    say("\nBoth run at once; each task is a container's process, which has to start: that takes a few minutes.")
    with ThreadPoolExecutor(len(RUNS)) as pool:
        jobs = [pool.submit(firnflow, each, "run", each, *given, *_OPTION, prefix=each) for each, given in RUNS.items()]
        try:
            for job in jobs:
                job.result()
        except BaseException:  # one has failed, or somebody wants an end
            for call in list(_calls):
                call.terminate()
            raise


def _registry(name: str) -> None:
    """Show what stands in Snowflake's Model Registry."""
    statement = f"SHOW VERSIONS IN MODEL demo.{name}.{name}"
    say(f"\nWhat Snowflake's Model Registry says: {statement}")
    for row in _ask(statement):
        default = ", the default" if row["is_default_version"] == "true" else ""
        say(f"  {row['model_name']} {row['name']}: aliases {row['aliases']}{default}")


def _wait(port: int) -> None:
    """Say how to look further, and wait for Ctrl-C."""
    program = Path(sys.executable).with_name("firnflow")
    say(f"\nThe account is there until Ctrl-C, at 127.0.0.1:{port}. In another terminal:")
    say(f"  export SNOWFLAKE_HOME={shlex.quote(os.environ['SNOWFLAKE_HOME'])}")
    say(f"  cd {shlex.quote(str(HOME / 'churn'))}")
    for line in ("runs", "logs", "run churn --set customers=5000", "pause churn", "models list", "destroy"):
        say(f"  {program} {line} {shlex.join(_OPTION)}")
    while True:
        time.sleep(1)


def firnflow(name: str, *arguments: str, prefix: str = "", only: re.Pattern[str] | None = None) -> str:
    """Call `firnflow` in an example, show what it says as it comes, and return that; end the demo where it fails.

    Args:
        name: of the example.
        arguments: as people type them.
        prefix: what stands before each line.
        only: how the lines begin that are shown; None: all are.
    """
    say(f"\n{name} $ firnflow {shlex.join(arguments)}")
    command = [sys.executable, "-m", "firnflow", *arguments]
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=HOME / name, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    told = []
    _calls.add(process)
    with process:
        for line in process.stdout:
            told.append(line)
            if only is None or only.match(line):
                say(f"{prefix + ' | ' if prefix else ''}{line.rstrip()}")
    _calls.discard(process)
    if process.returncode:
        sys.exit(f"It has failed: firnflow {shlex.join(arguments)}, in {HOME / name}")
    return "".join(told)


if __name__ == "__main__":
    sys.exit(main())
