"""The data steps of the churn example with 10,000,000 customers: memory, and time beside the same SQL by hand."""

from __future__ import annotations

import sys

from harness import FIRNFLOW, Bench, Contender, Samples, forget, project, script
from report import Result, Verdict, comparison, failed, table
from venvs import ROOT

GIB = 2**30
BUDGET_GIB, BUDGET_RATIO, BUDGET_GROWTH = 3, 1.2, 1.5
LAST = "train_features,test_features"
STEPS = {
    "generate": ("generate_transactions", "generate_demographics"),
    "preprocess": ("preprocess",),
    "split": ("split",),
    "fit": ("impute", "cap_outliers", "derive", "encode"),
    "features": ("train_features", "test_features"),
}


def measure(bench: Bench) -> Result:
    large = 1_000_000 if bench.quick else 10_000_000
    small = large // 10
    folder = project(ROOT / "examples/churn", "churn_10m")

    def hand(rows: int) -> Contender:
        return Contender(f"by hand, {rows:,}", script(sys.executable, "by_hand/churn_data.py", rows))

    def ours(rows: int) -> Contender:
        command = [FIRNFLOW, "run", "churn", "--json", "--to", LAST, "--set", f"customers={rows}"]
        return Contender(f"firnflow, {rows:,}", command, cwd=folder, reset=forget(folder), state="succeeded")

    bench.interleave([hand(small), ours(small)], 0)  # only the round that does not count
    contenders = [hand(small), ours(small), hand(large), ours(large)]
    found = bench.interleave(contenders, bench.rounds(3), warm=False)
    result = Result(
        f"Churn data steps, {large:,} customers",
        "From the generator to 40+ features of both parts, each step into Parquet. By hand: SQL for DuckDB "
        "(`churn_sql.py`, 2 GB, 2 threads), one process, equal tables; nothing is digested or synced. Firnflow: as it "
        "runs by default. Ratios are of whole processes; memory of a task is the peak resident memory of its worker.",
    )
    result.tables.append(comparison(found, f"by hand, {large:,}", whole=True))
    _, ours_small, hand_large, ours_large = found.values()
    what = f"churn data steps, {large:,} customers"
    if not all(samples.runs for samples in found.values()):
        result.verdicts.append(Verdict(what, "", failed(found.values()), None))
        return result
    result.tables += [_steps(hand_large, ours_large), _memory(ours_large)]
    result.verdicts += _verdicts(what, hand_large, ours_large, ours_small)
    return result


def _verdicts(what: str, hand: Samples, ours: Samples, ours_small: Samples) -> list[Verdict]:
    peak = max(_peaks(ours).values()) / GIB
    ratio, growth = ours.wall / hand.wall, ours.wall / ours_small.wall / 10
    times = f"{ours.wall:.1f} s, {hand.wall:.1f} s"
    return [
        Verdict(f"{what}: memory", f"< {BUDGET_GIB} GiB", f"{peak:.2f} GiB", peak < BUDGET_GIB, "churn_memory"),
        Verdict(
            f"{what}: time",
            f"≤ {BUDGET_RATIO} × the same SQL by hand",
            f"{ratio:.2f} × ({times})",
            ratio <= BUDGET_RATIO,
            "churn_sql",
        ),
        Verdict(
            f"{what}: growth",
            f"≤ {BUDGET_GROWTH} × ten times a tenth of the customers",
            f"{growth:.2f} ×",
            growth <= BUDGET_GROWTH,
            "churn_growth",
        ),
    ]


def _peaks(ours: Samples) -> dict[str, int]:
    """Return the largest peak of each task over the runs, in bytes."""
    tasks = ours.runs[0].said["tasks"]
    return {name: max(run.said["tasks"][name]["peak_memory"] or 0 for run in ours.runs) for name in tasks}


def _steps(hand: Samples, ours: Samples) -> str:
    rows = []
    for step, tasks in STEPS.items():
        by_hand = hand.median(lambda run, step=step: run.said["steps"][step])
        spent = ours.median(lambda run, tasks=tasks: sum(run.said["tasks"][task]["seconds"] for task in tasks))
        rows.append([step, f"{by_hand:.2f}", f"{spent:.2f}", f"{spent / by_hand:.2f}", ", ".join(tasks)])
    return table(["step", "by hand, s", "firnflow, s of work", "ratio", "tasks (of which two run at a time)"], rows)


def _memory(ours: Samples) -> str:
    peaks = _peaks(ours)
    rows = []
    for name, peak in peaks.items():
        seconds = ours.median(lambda run, name=name: run.said["tasks"][name]["seconds"])
        rows.append([name, f"{seconds:.2f}", f"{peak / GIB:.2f}", ""])
    return table(["task", "median, s", "peak memory, GiB", ""], rows)
