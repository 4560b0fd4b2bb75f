"""The pipelines in dagster: executed in this process, events in its SQLite instance, values pickled to files.

python with_dagster.py chain|fan|frames|churn N
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterator


def chain(n: int) -> dg.JobDefinition:
    from small.functions import increment

    @dg.op
    def start() -> int:
        return 1

    @dg.op
    def step(x: int) -> int:
        return increment(x)

    @dg.job
    def job() -> None:
        x = start()
        for i in range(1, n):
            x = step.alias(f"n{i}")(x)

    return job


def fan(n: int) -> dg.JobDefinition:
    from small.functions import square, total

    @dg.op(out=dg.DynamicOut(int))
    def numbers() -> object:
        for i in range(n):
            yield dg.DynamicOutput(i, mapping_key=str(i))

    @dg.op
    def step(x: int) -> int:
        return square(x)

    @dg.op
    def join(xs: list[int]) -> int:
        return total(xs)

    @dg.job
    def job() -> None:
        join(numbers().map(step).collect())

    return job


def frames(rows: int) -> dg.JobDefinition:
    from frames.functions import STEPS, change_frame, make_frame

    @dg.op
    def make() -> object:
        return make_frame(rows)

    @dg.op
    def change(frame):
        return change_frame(frame)

    @dg.job
    def job() -> None:
        x = make()
        for i in range(1, STEPS):
            x = change.alias(f"change{i}")(x)

    return job


def churn(customers: int) -> dg.JobDefinition:
    from churn_steps import Arrow, Step, churn_steps

    def op(step: Step) -> dg.OpDefinition:
        def compute(_, inputs: dict[str, object]) -> Iterator[dg.Output]:
            for name, value in zip(step.gives, step(Arrow(), *(inputs[n] for n in step.needs)), strict=True):
                yield dg.Output(value, name)

        ins, outs = {n: dg.In() for n in step.needs}, {n: dg.Out() for n in step.gives}
        return dg.OpDefinition(compute_fn=compute, name=step.name, ins=ins, outs=outs)

    @dg.job
    def job() -> None:
        values = {}
        for step in churn_steps(customers):
            made = op(step)(**{name: values[name] for name in step.needs})
            values.update({name: getattr(made, name) if len(step.gives) > 1 else made for name in step.gives})

    return job


def main(what: str, n: int) -> None:
    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    began = time.perf_counter()
    job = {"chain": chain, "fan": fan, "frames": frames, "churn": churn}[what](n)
    stored = {"io_manager": dg.FilesystemIOManager(base_dir=str(Path.cwd()))}
    result = job.execute_in_process(resources=stored, instance=dg.DagsterInstance.get())
    assert result.success
    print(json.dumps({"inside": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
