"""The pipelines in metaflow: a process a step, artifacts in its local datastore.

python with_metaflow.py chain|fan|frames|churn N

A chain is one method a step, so its file is written first. `inside` is the whole `run` command, which starts the
processes of the steps: that is how metaflow runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

HEAD = """
from metaflow import FlowSpec, step

class Bench(FlowSpec):
"""
TAIL = """
if __name__ == "__main__":
    Bench()
"""


def method(name: str, *lines: str, arguments: str = "self") -> str:
    body = "".join(f"        {line}\n" for line in lines)
    return f"    @step\n    def {name}({arguments}):\n{body}\n"


def chain(n: int) -> str:
    names = ["start", *(f"n{i}" for i in range(1, n - 1)), "end"]
    steps = []
    for i, name in enumerate(names):
        value = "increment(self.x)" if i else "increment(1)"
        after = [f"self.next(self.{names[i + 1]})"] if name != "end" else []
        steps.append(method(name, "from small.functions import increment", f"self.x = {value}", *after))
    return "".join(steps)


def fan(n: int) -> str:
    return "".join(
        [
            method("start", f"self.numbers = list(range({n}))", "self.next(self.square, foreach='numbers')"),
            method(
                "square",
                "from small.functions import square",
                "self.y = square(self.input)",
                "self.next(self.join)",
            ),
            method(
                "join",
                "from small.functions import total",
                "self.total = total([i.y for i in inputs])",
                "self.next(self.end)",
                arguments="self, inputs",
            ),
            method("end", "pass"),
        ]
    )


def frames(rows: int) -> str:
    names = ["start", "change1", "change2", "change3", "end"]
    steps = []
    for i, name in enumerate(names):
        value = "change_frame(self.frame)" if i else f"make_frame({rows})"
        after = [f"self.next(self.{names[i + 1]})"] if name != "end" else []
        imports = "from frames.functions import change_frame, make_frame"
        steps.append(method(name, imports, f"self.frame = {value}", *after))
    return "".join(steps)


def churn(customers: int) -> str:
    from churn_steps import churn_steps

    all_steps = churn_steps(customers)
    names = ["start", *(step.name for step in all_steps[1:-1]), "end"]
    methods = []
    for i, (name, step) in enumerate(zip(names, all_steps, strict=True)):
        needs = "".join(f", self.{n}" for n in step.needs)
        body = [
            "from churn_steps import Arrow, churn_steps",
            f"returned = churn_steps({customers})[{i}](Arrow(){needs})",
            f"{', '.join(f'self.{n}' for n in step.gives)}, = returned",
        ]
        after = [f"self.next(self.{names[i + 1]})"] if name != "end" else []
        methods.append(method(name, *body, *after))
    return "".join(methods)


def main(what: str, n: int) -> None:
    body = {"chain": chain, "fan": fan, "frames": frames, "churn": churn}[what](n)
    Path("bench_flow.py").write_text(HEAD + body + TAIL, encoding="utf-8")
    command = [sys.executable, "bench_flow.py", "--no-pylint", "--quiet", "run", "--max-workers", "2"]
    command += ["--max-num-splits", "1000"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(json.dumps({"inside": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
