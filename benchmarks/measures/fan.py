"""A fan-out of 200 tasks and a join."""

from __future__ import annotations

import sys

from harness import FIRNFLOW, PROJECTS, Bench, Contender, forget, project, script
from measures.chain import peers
from report import Result, comparison

WIDTH = 200
PEERS = {
    "kedro": (200, "200 nodes and a join; values in memory"),
    "dagster": (200, "dynamic outputs, in-process; values pickled to files"),
    "prefect": (200, "`task.map`; inside ends when its API has written all task runs"),
    "metaflow": (50, "foreach of 50, two workers"),
}


def measure(bench: Bench) -> Result:
    folder = project(PROJECTS / "small", "fan")
    contenders = [
        Contender("by hand", script(sys.executable, "by_hand/small.py", "fan", WIDTH), WIDTH),
        Contender("firnflow", [FIRNFLOW, "run", "fan", "--json"], WIDTH, folder, forget(folder), "succeeded"),
        *peers(bench, "fan", PEERS),
    ]
    found = bench.interleave(contenders, bench.rounds(3))
    result = Result(
        "Fan-out of 200 and a join",
        "A map over 200 numbers whose results one task sums up. By hand: calls in one process, a durable commit each. "
        "There is no budget for this.",
    )
    result.tables.append(comparison(found, "by hand"))
    return result
