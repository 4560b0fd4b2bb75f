"""The churn example by hand: its tasks' functions called in order in one process, values in memory, nothing durable.

python churn.py CUSTOMERS THREADS
"""

from __future__ import annotations

import json
import sys
import time

began = time.perf_counter()
from churn_steps import Memory, churn_steps  # noqa: E402 - the clock includes the imports, as of the others


def main(customers: int, threads: int) -> None:
    holder, values, seconds = Memory(), {}, {"import": time.perf_counter() - began}
    for step in churn_steps(customers, threads):
        at = time.perf_counter()
        values.update(zip(step.gives, step(holder, *(values[name] for name in step.needs)), strict=True))
        seconds[step.name] = round(time.perf_counter() - at, 3)
    auc = values["evaluation"].roc_auc
    print(json.dumps({"inside": time.perf_counter() - began, "auc": auc, "steps": seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
