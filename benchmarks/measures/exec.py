"""How long `firnflow exec` takes for a task that does nothing: what another scheduler pays for each task."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

from harness import FIRNFLOW, PROJECTS, Bench, Contender, environment, project
from report import Result, Verdict, failed, table

BUDGET = 1.5
FLOOR = "import firnflow, sqlalchemy, pyarrow"
EXEC = f"{FIRNFLOW} exec --graph one.json --task n0 --no-cache --run"
IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)")
TOLD = ("sqlalchemy", "pydantic", "typer", "firnflow")
"""Libraries that are told by name; what remains is the standard library and small ones."""


def measure(bench: Bench) -> Result:
    result = Result(
        "firnflow exec",
        "Whole processes: one task of a new run, which adds one to a number; the state is SQLite, and has the run and "
        "the attempt written down. The floor imports what a task with a table cannot do without.",
    )
    folder = project(PROJECTS / "small", "exec")
    variables = environment(scripted=False)
    write = [FIRNFLOW, "show", "one", "--format", "json", "--output", "one.json"]
    subprocess.run(write, cwd=folder, env=variables, check=True)
    contenders = [
        Contender("python -c pass", [sys.executable, "-c", "pass"]),
        Contender(FLOOR, [sys.executable, "-c", FLOOR]),
        Contender("firnflow exec", ["sh", "-c", f"FIRNFLOW_TRACKING=none exec {EXEC} r$$"], cwd=folder),
    ]
    found = bench.interleave(contenders, bench.rounds(11, 5))
    rows = [
        [name, str(len(s.runs)), f"{s.wall:.3f}", f"{s.median(lambda run: run.cpu):.3f}", ""]
        if s.runs
        else [name, "0", "–", "–", f"failed: {s.error}"]
        for name, s in found.items()
    ]
    result.tables.append(table(["command", "runs", "whole process, s", "processor, s", "note"], rows))
    floor, ours = found[FLOOR], found["firnflow exec"]
    said = f"≤ {BUDGET:g} × `{FLOOR}`"
    if not (floor.runs and ours.runs):
        result.verdicts.append(
            Verdict("`firnflow exec` of a task that does nothing", said, failed([floor, ours]), None)
        )
        return result
    ratio = ours.wall / floor.wall
    figure = f"{ratio:.2f} × ({ours.wall:.3f} s, {floor.wall:.3f} s)"
    result.verdicts.append(
        Verdict("`firnflow exec` of a task that does nothing", said, figure, ratio <= BUDGET, "exec")
    )
    result.tables.append(_imports(folder, variables))
    return result


def _imports(folder: object, variables: dict[str, str]) -> str:
    """Return how long each library takes to be imported, in one call."""
    command = [sys.executable, "-X", "importtime", "-m", *EXEC.replace(FIRNFLOW, "firnflow").split(), "imports"]
    done = subprocess.run(command, cwd=str(folder), env=variables, check=True, capture_output=True, text=True)
    spent: Counter[str] = Counter()
    for microseconds, name in IMPORTED.findall(done.stderr):
        spent[name.removesuffix("_core") if name.removesuffix("_core") in TOLD else "others"] += int(microseconds)
    rows = [[name, f"{spent[name] / 1e6:.3f}", ""] for name in (*TOLD, "others")]
    return table(["imported by `firnflow exec`", "s (measuring takes time too)", ""], rows)
