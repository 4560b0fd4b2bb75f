"""The churn example with 100,000 customers from nothing to a report, durable, with nothing in the cache."""

from __future__ import annotations

import dataclasses
import os
import sys

from harness import FIRNFLOW, Bench, Contender, Samples, forget, project, script
from measures.chain import peers
from report import Result, Verdict, comparison, failed
from venvs import ROOT

BUDGET = 1.05
STEPS = 16
NOTES = {
    "kedro": "values in memory: nothing durable",
    "dagster": "values pickled to files",
    "prefect": "persisted results: pickled files",
    "metaflow": "artifacts: pickled, compressed; a process a task",
}


def measure(bench: Bench) -> Result:
    customers = 20_000 if bench.quick else 100_000
    folder = project(ROOT / "examples/churn", "churn")
    run = [FIRNFLOW, "run", "churn", "--json", "--set", f"customers={customers}"]
    sizes = {name: (customers, note) for name, note in NOTES.items()}
    contenders = [
        Contender("by hand", script(sys.executable, "by_hand/churn.py", customers, 1), STEPS),
        Contender(
            "by hand, threads",
            script(sys.executable, "by_hand/churn.py", customers, os.cpu_count()),
            STEPS,
            note=f"XGBoost with {os.cpu_count()} threads",
        ),
        Contender("firnflow", run, STEPS, folder, forget(folder)),
        Contender("firnflow, one worker", [*run, "--workers", "1"], STEPS, folder, forget(folder)),
        Contender(
            "firnflow, MLflow told",
            run,
            STEPS,
            folder,
            forget(folder),
            tracking="mlflow",
            note="by a process beside it, which takes the processor from it",
        ),
        *(dataclasses.replace(peer, units=STEPS) for peer in peers(bench, "churn", sizes)),
    ]
    found = bench.interleave(contenders, bench.rounds(3))
    result = Result(
        f"Churn, {customers:,} customers, end to end",
        "By hand: the functions of the example's tasks called in order in one process, tables in DuckDB's memory, "
        "nothing durable; the training of one model uses one thread, as the example sets it. Firnflow: nothing in the "
        "cache, every value durable; its default is as many workers as cores, which train candidates at the same time. "
        "Here ratios are of whole processes, and of *by hand*.",
    )
    result.tables.append(comparison(found, "by hand", whole=True))
    hand = found["by hand"]
    what = f"churn, {customers:,} customers, end to end"
    result.verdicts.append(_verdict(what, found["firnflow"], hand))
    result.verdicts.append(_verdict("… with one worker, as by hand", found["firnflow, one worker"], hand))
    return result


def _verdict(what: str, ours: Samples, hand: Samples) -> Verdict:
    budget = f"≤ {BUDGET} × by hand"
    if not (ours.runs and hand.runs):
        return Verdict(what, budget, failed([ours, hand]), None)
    ratio = ours.wall / hand.wall
    return Verdict(what, budget, f"{ratio:.2f} × ({ours.wall:.1f} s, {hand.wall:.1f} s)", ratio <= BUDGET, "churn")
