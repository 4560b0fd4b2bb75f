"""Building a graph of 1,000 tasks, writing it as JSON and reading it back."""

from __future__ import annotations

import sys

from harness import Bench, Contender, script
from report import Result, Verdict, failed, table

PARTS = ("build", "write", "read")


def measure(bench: Bench) -> Result:
    shapes = ("chain", "wide")
    contenders = [Contender(shape, script(sys.executable, "by_hand/build.py", shape, 1000)) for shape in shapes]
    found = bench.interleave(contenders, bench.rounds(7, 3))
    result = Result(
        "Building a graph",
        "1,000 tasks in a chain, and 999 tasks of three arguments below one. *build* checks the wiring, *write* makes "
        "the JSON, *read* validates it; inside a process that has imported Firnflow.",
    )
    rows = []
    for name, s in found.items():
        if not s.runs:
            result.verdicts.append(Verdict(f"compile 1,000 tasks ({name})", "≤ 1 s", failed([s]), None))
            continue
        parts = [s.median(lambda run, part=part: run.said[part]) for part in PARTS]
        seconds = [f"{part:.3f}" for part in (*parts, s.inside)]
        rows.append([name, str(len(s.runs)), *seconds, f"{s.runs[-1].said['bytes']:,} bytes"])
        result.verdicts.append(
            Verdict(f"compile 1,000 tasks ({name})", "≤ 1 s", f"{s.inside:.3f} s", s.inside <= 1.0, "build")
        )
    result.tables.append(table(["graph", "runs", *(f"{p}, s" for p in PARTS), "all, s", "JSON"], rows))
    return result
