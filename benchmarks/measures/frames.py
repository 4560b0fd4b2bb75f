"""A table of 1,000,000 × 20 float64 through five tasks, as pandas frames and as ibis tables."""

from __future__ import annotations

import dataclasses
import sys

from harness import FIRNFLOW, PROJECTS, Bench, Contender, Samples, forget, project, script
from measures.chain import peers
from report import Result, Verdict, comparison, failed

ROWS, TASKS, BUDGET = 1_000_000, 5, 1.5
LABELS = {"frames": "pandas frames", "tables": "ibis tables"}
NOTES = {
    "kedro": "kedro-datasets' ParquetDataset (snappy)",
    "dagster": "default io manager: pickled files",
    "prefect": "persisted results: pickled files",
    "metaflow": "artifacts: pickled, compressed; a process a task",
}


def measure(bench: Bench) -> Result:
    folder = project(PROJECTS / "frames", "frames")
    result = Result(
        "1,000,000 × 20 float64 through five tasks",
        "One task makes the table, four change a column. By hand: the same calls, each result written to Parquet "
        "(zstd) and synced. *Write once* is the whole table written once, by the same script in the same round. "
        "The verdict is the inside time of all five tasks, computing included, over five and over *write once*.",
    )
    for what in ("frames", "tables"):
        command = [FIRNFLOW, "run", what, "--json", "--set", f"rows={ROWS}"]
        contenders = [
            Contender("by hand", script(sys.executable, "by_hand/frames.py", what, ROWS), TASKS),
            Contender("firnflow", command, TASKS, folder, forget(folder), "succeeded"),
        ]
        if what == "frames":
            sizes = {name: (ROWS, note) for name, note in NOTES.items()}
            contenders += [dataclasses.replace(peer, units=TASKS) for peer in peers(bench, what, sizes)]
        found = bench.interleave(contenders, bench.rounds(5))
        label = LABELS[what]
        result.verdicts.append(_verdict(what, found["by hand"], found["firnflow"]))
        result.tables.append(f"{label.capitalize()}:\n\n{comparison(found, 'by hand')}")
    return result


def _verdict(kind: str, hand: Samples, ours: Samples) -> Verdict:
    what, budget = f"1,000,000 × 20 through 5 tasks, {LABELS[kind]}", f"≤ {BUDGET} × writing it once, per task"
    if not (hand.runs and ours.runs):
        return Verdict(what, budget, failed([hand, ours]), None)
    write = hand.median(lambda run: run.said["write"])
    ratio = ours.inside / TASKS / write
    by_hand = hand.inside / TASKS / write
    measured = f"{ratio:.2f} × {write:.3f} s (by hand with its computing: {by_hand:.2f} ×)"
    return Verdict(what, budget, measured, ratio <= BUDGET, kind)
