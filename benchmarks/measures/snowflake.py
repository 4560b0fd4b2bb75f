"""Compiling and planning a pipeline of 1,000 tasks for Snowflake, and what an apply sends where nothing has changed."""

from __future__ import annotations

import sys

from harness import Bench, Contender, script
from report import Result, Verdict, failed, table

PARTS = {
    "again": "plan without changes, s",
    "sent_first": "sent",
    "sent_again": "sent again",
}


def measure(bench: Bench) -> Result:
    contender = Contender("1,000 tasks", script(sys.executable, "by_hand/snowflake_plan.py", 1000))
    found = bench.interleave([contender], bench.rounds(7, 3))["1,000 tasks"]
    result = Result(
        "Planning for Snowflake",
        "A chain of 998 tasks, with root and finalizer, against an account in memory that answers at once. The first "
        "plan builds the graph, packs the code and compiles; *sent* are the statements of its apply, uploads among "
        "them; the second plan and apply find everything as it should be.",
    )
    if not found.runs:
        result.verdicts.append(Verdict("compile and plan 1,000 tasks for Snowflake", "≤ 1 s", failed([found]), None))
        return result
    said = {part: found.median(lambda run, part=part: run.said[part]) for part in PARTS}
    row = ["1,000 tasks", str(len(found.runs)), f"{found.inside:.3f}", f"{said['again']:.3f}"]
    row += [f"{said['sent_first']:,.0f}", f"{said['sent_again']:,.0f}"]
    result.tables.append(table(["graph", "runs", "first plan, s", *PARTS.values()], [row]))
    seconds, sent = max(found.inside, said["again"]), said["sent_again"]
    result.verdicts += [
        Verdict("compile and plan 1,000 tasks for Snowflake", "≤ 1 s", f"{seconds:.3f} s", seconds <= 1.0),
        Verdict("statements and uploads of an apply without changes", "0", f"{sent:.0f}", sent == 0),
    ]
    return result
