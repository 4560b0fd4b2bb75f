"""Builds a graph, writes it as JSON and reads it back; prints the seconds of each.

python build.py chain|wide N
"""

from __future__ import annotations

import json
import sys
import time

import firnflow as ff
from firnflow.graph.model import Graph


@ff.task
def step(x: int) -> int:
    return x


@ff.task
def combine(a: int, b: int, c: float) -> int:
    return a + b + int(c)


def wire(shape: str, n: int) -> None:
    x = step.options(name="n0")(1)
    for i in range(1, n):
        x_next = step.options(name=f"n{i}")(x) if shape == "chain" else combine.options(name=f"n{i}")(x, b=i, c=0.5)
        x = x_next if shape == "chain" else x


def main(shape: str, n: int) -> None:
    @ff.pipeline
    def flow() -> None:
        wire(shape, n)

    at = [time.perf_counter()]
    graph = flow.build()
    at.append(time.perf_counter())
    text = graph.model_dump_json()
    at.append(time.perf_counter())
    again = Graph.model_validate_json(text)
    at.append(time.perf_counter())
    assert again == graph
    assert len(again.tasks) == n
    parts = {name: at[i + 1] - at[i] for i, name in enumerate(("build", "write", "read"))}
    print(json.dumps({"inside": at[-1] - at[0], "bytes": len(text), **parts}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
