"""How long one waits for `firnflow --help` and `firnflow runs`."""

from __future__ import annotations

import sys

from harness import FIRNFLOW, PROJECTS, Bench, Contender, RunError, once, project, script
from report import Result, Verdict, failed, table

BUDGET = 0.3
RUNS = 100


def measure(bench: Bench) -> Result:
    result = Result(
        "Command line",
        f"Whole processes, in a project with {RUNS} runs (of one task each). The floor is an interpreter that does "
        "nothing.",
    )
    folder = project(PROJECTS / "small", "cli")
    try:
        once(Contender("runs", script(sys.executable, "by_hand/many_runs.py", folder, RUNS), cwd=folder))
    except RunError as error:
        result.verdicts.append(Verdict("`firnflow runs`", f"≤ {BUDGET} s", f"not measured: {error}", None))
        return result
    contenders = [
        Contender("python -c pass", [sys.executable, "-c", "pass"]),
        Contender("firnflow --help", [FIRNFLOW, "--help"], cwd=folder),
        Contender("firnflow runs", [FIRNFLOW, "runs"], cwd=folder),
        Contender("firnflow runs --json --limit 100", [FIRNFLOW, "runs", "--json", "--limit", "100"], cwd=folder),
    ]
    found = bench.interleave(contenders, bench.rounds(11, 5))
    rows = []
    for name, samples in found.items():
        walls = sorted(run.wall for run in samples.runs)
        figures = [f"{samples.wall:.3f}", f"{walls[0]:.3f}–{walls[-1]:.3f}"] if walls else ["–", "–"]
        rows.append([name, str(len(walls)), *figures, samples.error or ""])
    result.tables.append(table(["command", "runs", "median, s", "least to most", "note"], rows))
    for name in ("firnflow --help", "firnflow runs"):
        samples = found[name]
        measured = f"{samples.wall:.3f} s" if samples.runs else failed([samples])
        met = samples.wall <= BUDGET if samples.runs else None
        result.verdicts.append(Verdict(f"`{name}`", f"≤ {BUDGET} s", measured, met, "cli"))
    return result
