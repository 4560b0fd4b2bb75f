"""`make demo-airflow`: the four examples on a real Airflow, from nothing to a page to look at."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_server import Airflow, free_port
from databases import Missing, Postgres
from guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_rest import Rest

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".airflow"
"""Where the examples' environment `airflow` writes its DAGs; all of it is made anew each time."""
PYTHON = ROOT / ".venv" / "airflow" / "bin" / "python"
EXAMPLES = ("churn", "cookies", "usage_anomalies", "mortgage")
DAY = "2026-01-05"
PAGE = 8080
TRIGGERED = {"churn": {"customers": 20_000}, "mortgage": {"applications": 40_000, "days": 180}}
"""DAG → parameters, as somebody types them into Airflow's form."""
WANTED = (*TRIGGERED, "usage_anomalies", "cookies_etl", "cookies_train", "cookies_predict")
"""The DAGs that must have run: beside those above one by its schedule, and three by assets."""
RESULTS = (
    ("churn", ("models", "list")),
    ("mortgage", ("models", "list")),
    ("usage_anomalies", ("models", "list")),
    ("cookies", ("data", "log", "cookie_predictions")),
)
OFTEN = 15.0
"""Seconds between two looks at the runs that are told."""


def main() -> int:
    """Run the demo; return 0 if every run has succeeded."""
    parser = argparse.ArgumentParser(prog="make demo-airflow", description=__doc__)
    parser.add_argument("--stop", action="store_true", help="stop when all runs have ended, do not wait for Ctrl-C")
    stop = parser.parse_args().stop or bool(os.environ.get("CI"))
    ended: dict[str, str] = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with _airflow() as airflow:
            ended = _run(airflow)
            _show_results()
            if not stop:
                if airflow.port != PAGE:
                    say(f"Port {PAGE} is taken: export FIRNFLOW_AIRFLOW='{{ url = \"{airflow.url}\" }}'")
                say("In the examples: firnflow run churn --env airflow, and so on.")
                say(f"\nLook at {airflow.url}: whoever comes is admin, nobody has to sign in. Ctrl-C ends it.")
                while True:
                    airflow.revive()
                    time.sleep(1)
    except KeyboardInterrupt:
        say("Stopped.")
    return 0 if set(ended.values()) == {"success"} else 1


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


@contextlib.contextmanager
def _airflow() -> Iterator[Airflow]:
    """Give an Airflow that knows the DAGs of the examples; what is started ends with this process, however it ends."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    (HOME / "dags").mkdir()
    for example in EXAMPLES:
        shutil.rmtree(ROOT / "examples" / example / ".firnflow" / "airflow", ignore_errors=True)
        say(f"examples/{example} $ firnflow apply --env airflow --yes")
        firnflow(example, "apply", "--env", "airflow", "--yes", quiet=True)
    with Guard() as guard, _database(guard) as database:
        port = PAGE if _is_free(PAGE) else free_port()
        say("Airflow is starting: API server, scheduler, DAG processor, triggerer. That takes about half a minute.")
        with Airflow(PYTHON, HOME, database, {**guard.variables, "FIRNFLOW_TRACKING": "none"}, port=port) as airflow:
            say(f"Its page: {airflow.url}")
            airflow.rest.wait_for_dags(set(WANTED))
            yield airflow


@contextlib.contextmanager
def _database(guard: Guard) -> Iterator[str]:
    """Give the URL of a database for Airflow: PostgreSQL where it is installed."""
    try:
        with Postgres(guard.variables) as postgres:
            yield postgres.create("airflow").replace("postgresql://", "postgresql+psycopg2://")
    except Missing as missing:
        say(f"{missing}. Without it Airflow keeps its data in SQLite, which is slower.")
        yield f"sqlite:///{HOME}/airflow.db"


def _run(airflow: Airflow) -> dict[str, str]:
    """Run everything, tell how it goes, and return DAG → how its run has ended."""
    rest, begin, told = airflow.rest, time.monotonic(), 0.0
    runs = {dag: rest.trigger(dag, **conf) for dag, conf in TRIGGERED.items()}
    _bring_files(rest)
    ended: dict[str, str] = {}
    while not set(WANTED) <= set(ended) and not ("failed" in ended.values() and set(runs) == set(ended)):
        airflow.revive()
        for dag in WANTED:
            if dag not in runs and (found := rest.runs(dag)):
                runs[dag] = found[0]["dag_run_id"]
                say(f"  {dag} was started by {_cause(rest, dag, runs[dag])}")
        for dag, run in runs.items():
            if dag not in ended and (state := rest.state(dag, run)) in {"success", "failed"}:
                ended[dag] = state
                say(f"  {dag}: {state}, {time.monotonic() - begin:.0f} s")
        if time.monotonic() - told > OFTEN and len(ended) < len(runs):
            told = time.monotonic()
            say("  " + ", ".join(_progress(rest, dag, run) for dag, run in runs.items() if dag not in ended))
        time.sleep(1)
    return ended


def _bring_files(rest: Rest) -> None:
    """Write the files of a day, and say so to Airflow, as whatever brings files in production does."""
    command = [sys.executable, "-m", "cookies.generate", DAY, "--customers", "600"]
    subprocess.run(command, cwd=ROOT / "examples" / "cookies", check=True, stdout=subprocess.DEVNULL)
    for source in ("trial_customers", "orders"):
        rest.tell_of(f"source-{source}", partition=DAY)
    say(f"The cookies of {DAY} are there, and the assets source-orders and source-trial_customers say so.")


def _cause(rest: Rest, dag: str, run: str) -> str:
    """Return what has started a run."""
    events = rest.get(f"dags/{dag}/dagRuns/{run}/upstreamAssetEvents")["asset_events"]
    return ", ".join(sorted({each["name"] for each in events})) or "its schedule"


def _progress(rest: Rest, dag: str, run: str) -> str:
    tasks = rest.tasks(dag, run).values()
    done = sum(each["state"] in {"success", "skipped", "failed"} for each in tasks)
    return f"{dag} {done} of {len(tasks)} tasks"


def _show_results() -> None:
    """Ask `firnflow` what has come out."""
    for example, command in RESULTS:
        say(f"\nexamples/{example} $ firnflow {' '.join(command)} --env airflow")
        firnflow(example, *command, "--env", "airflow")


def firnflow(example: str, *arguments: str, quiet: bool = False) -> None:
    """Call `firnflow` in an example; if it fails, what it has said is shown."""
    command = [sys.executable, "-m", "firnflow", *arguments]
    said = subprocess.PIPE if quiet else None
    done = subprocess.run(command, cwd=ROOT / "examples" / example, stdout=said, stderr=said, text=True, check=False)
    if done.returncode and quiet:
        sys.exit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    sys.exit(main())
