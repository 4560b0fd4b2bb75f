"""The pipelines in kedro: its SequentialRunner, datasets in memory except where said.

python with_kedro.py chain|fan|frames|churn N        frames: every table through kedro's ParquetDataset
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner


def chain(n: int) -> tuple[Pipeline, dict[str, AbstractDataset]]:
    from small.functions import increment

    return Pipeline([node(increment, f"x{i}", f"x{i + 1}", name=f"n{i}") for i in range(n)]), {"x0": MemoryDataset(1)}


def fan(n: int) -> tuple[Pipeline, dict[str, AbstractDataset]]:
    from small.functions import square, total

    squares = [node(square, f"x{i}", f"y{i}", name=f"square{i}") for i in range(n)]
    join = node(lambda *xs: total(list(xs)), [f"y{i}" for i in range(n)], "total", name="total")
    return Pipeline([*squares, join]), {f"x{i}": MemoryDataset(i) for i in range(n)}


def frames(rows: int) -> tuple[Pipeline, dict[str, AbstractDataset]]:
    from frames.functions import STEPS, change_frame, make_frame
    from kedro_datasets.pandas import ParquetDataset

    steps = [node(change_frame, f"x{i}", f"x{i + 1}", name=f"change{i}") for i in range(STEPS - 1)]
    stored = {f"x{i}": ParquetDataset(filepath=str(Path.cwd() / f"{i}.parquet")) for i in range(STEPS)}
    return Pipeline([node(make_frame, "rows", "x0", name="make"), *steps]), {"rows": MemoryDataset(rows), **stored}


def churn(customers: int) -> tuple[Pipeline, dict[str, AbstractDataset]]:
    from churn_steps import Memory, Step, churn_steps

    holder = Memory()

    def call(step: Step) -> Any:
        return lambda *values: step(holder, *values) if len(step.gives) > 1 else step(holder, *values)[0]

    steps = churn_steps(customers)
    nodes = [
        node(call(s), list(s.needs) or None, list(s.gives) if len(s.gives) > 1 else s.gives[0], name=s.name)
        for s in steps
    ]
    return Pipeline(nodes), {name: MemoryDataset(copy_mode="assign") for s in steps for name in s.gives}


def main(what: str, n: int) -> None:
    began = time.perf_counter()
    pipeline, datasets = {"chain": chain, "fan": fan, "frames": frames, "churn": churn}[what](n)
    SequentialRunner().run(pipeline, DataCatalog(datasets))
    print(json.dumps({"inside": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
