"""The pipelines in prefect: its own ephemeral API on SQLite; tables as persisted results (pickled files).

python with_prefect.py chain|fan|frames|churn N

One task runs before the clock of `inside` starts, so that starting the API is not in it. The API writes task runs down
in the background, and what it has not written when the process ends is lost: `inside` ends when all are written, and
`returned` says when the flow had returned.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import time
from pathlib import Path

from prefect import flow, task

STEPS = 5
WAIT_SECONDS = 600
DATABASE = Path.home() / ".prefect/prefect.db"

# A key of its own for each call: else equal calls of one run are made once, and with no key no result is kept.
KEPT = {"persist_result": True, "cache_key_fn": lambda context, _: str(context.task_run.id)}


def chain(n: int) -> int:
    from small.functions import increment

    step, x = task(increment, **KEPT), 1
    for _ in range(n):
        x = step(x)
    return x


def fan(n: int) -> int:
    from small.functions import square, total

    squares = task(square, **KEPT).map(list(range(n)))
    return task(total, **KEPT)(squares.result())


def frames(rows: int) -> None:
    from frames.functions import change_frame, make_frame

    x = task(make_frame, **KEPT)(rows)
    change = task(change_frame, **KEPT)
    for _ in range(STEPS - 1):
        x = change(x)


def churn(customers: int) -> None:
    from churn_steps import Arrow, churn_steps

    values: dict[str, object] = {}
    for step in churn_steps(customers):
        call = task(step.__call__, name=step.name, **KEPT)
        values.update(zip(step.gives, call(Arrow(), *(values[name] for name in step.needs)), strict=True))


def main(what: str, n: int) -> None:
    before = recorded()
    flow(chain, name="warm")(1)
    wait_for(before + 1)
    pipeline = flow({"chain": chain, "fan": fan, "frames": frames, "churn": churn}[what], name=what)
    before, began = recorded(), time.perf_counter()
    pipeline(n)
    returned = time.perf_counter() - began
    wait_for(before + {"chain": n, "fan": n + 1, "frames": STEPS, "churn": 16}[what])
    print(json.dumps({"inside": time.perf_counter() - began, "returned": returned}))


def wait_for(count: int) -> None:
    for _ in range(WAIT_SECONDS * 20):
        if recorded() >= count:
            return
        time.sleep(0.05)
    raise TimeoutError(f"of {count} task runs, {recorded()} were written after {WAIT_SECONDS} s")


def recorded() -> int:
    """Return how many finished task runs the API's database holds."""
    if not DATABASE.is_file():
        return 0
    with contextlib.closing(sqlite3.connect(DATABASE)) as database:
        return database.execute("SELECT count(*) FROM task_run WHERE state_type = 'COMPLETED'").fetchone()[0]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
