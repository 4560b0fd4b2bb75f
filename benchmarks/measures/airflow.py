"""What Airflow pays for our DAGs beside plain ones: to parse them, and for each task."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from harness import FIRNFLOW, PROJECTS, Bench, Contender, RunError, environment, fresh, once, project, script
from report import Result, Verdict, failed, table
from venvs import ROOT

if TYPE_CHECKING:
    from harness import Samples

PYTHON = ROOT / ".venv/airflow/bin/python"
FLOWS, TASKS, CHAIN = 50, 50, 8
BUDGET_PARSING, BUDGET_TASK = 1.0, 2.0
OURS, PLAIN = "firnflow", "plain Airflow"


def measure(bench: Bench) -> Result:
    result = Result(
        "Airflow",
        f"Parsing: {FLOWS} chains of {TASKS} tasks, deployed by `firnflow apply`, and written by hand as DAGs of "
        "`@task` functions. Each file is parsed in a fork of a process that has loaded Airflow, as Airflow's DAG "
        "processor does it; *inside* is the sum over the files, of which each has its DAG made and serialized. "
        "*One file, cold* is a process that loads Airflow and parses one of them. Memory is the most that a file takes "
        "for itself, with the pages of Airflow that it touches.\n\n"
        f"Tasks: two chains of {CHAIN} tasks that add one to a number, in turns on one Airflow with LocalExecutor, "
        "which has its data in PostgreSQL, as the state of Firnflow has. Plain tasks run in Airflow's own process; "
        "ours in the project's environment, so that a second Python starts for each.",
    )
    if not PYTHON.exists():
        result.verdicts.append(Verdict("Airflow", "–", "not measured: make airflow", None))
        return result
    _parsing(bench, result)
    _tasks(bench, result)
    return result


def _parsing(bench: Bench, result: Result) -> None:
    ours, plain = fresh("airflow_ours"), fresh("airflow_plain")
    variables = {**environment(scripted=False), "FIRNFLOW_AIRFLOW": f'{{ dags = "{ours}" }}'}
    deploy = [FIRNFLOW, "apply", "--env", "prod", "--yes"]
    source = project(PROJECTS / "airflow_many", "airflow_many")
    subprocess.run(deploy, cwd=source, env=variables, check=True, stdout=subprocess.DEVNULL)
    wanted = [word for number in range(FLOWS) for word in (f"flow_{number}", str(TASKS))]
    subprocess.run(script(sys.executable, "shared/airflow_dags.py", plain, *wanted), check=True)
    parts = (("all files", ()), ("one file, cold", ("flow_7.py",)))
    contenders = [
        Contender(f"{who}, {what}", script(PYTHON, "by_hand/airflow_parse.py", folder, *files))
        for what, files in parts
        for who, folder in ((OURS, ours), (PLAIN, plain))
    ]
    found = bench.interleave(contenders, bench.rounds(3))
    result.tables.append(_parsed(found))
    label = f"Airflow parses {FLOWS} DAGs of {TASKS} tasks"
    budget = f"≤ {BUDGET_PARSING:g} × the same by hand"
    both = [found[f"{who}, all files"] for who in (OURS, PLAIN)]
    if not all(samples.runs for samples in both):
        result.verdicts.append(Verdict(label, budget, failed(both), None))
        return
    seconds = [samples.inside or 0.0 for samples in both]
    ratio = seconds[0] / seconds[1]
    said = f"{ratio:.2f} × ({seconds[0]:.2f} s, {seconds[1]:.2f} s)"
    result.verdicts.append(Verdict(label, budget, said, ratio <= BUDGET_PARSING, "airflow_parsing"))


def _parsed(found: dict[str, Samples]) -> str:
    rows = []
    for name, samples in found.items():
        if not samples.runs:
            rows.append([name, "0", *["–"] * 5, f"failed: {samples.error}"])
            continue
        said = samples.runs[-1].said
        memory = samples.median(lambda run: float(run.said["memory"])) or 0.0
        figures = [f"{samples.inside:.3f}", f"{samples.wall:.3f}", f"{memory / 2**20:.1f}"]
        rows.append([name, str(len(samples.runs)), f"{said['found']:,}", *figures, f"{said['bytes']:,}", ""])
    head = ["what", "runs", "tasks", "inside, s", "whole process, s", "memory, MiB", "serialized, bytes", "note"]
    return table(head, rows)


def _tasks(bench: Bench, result: Result) -> None:
    folder = project(PROJECTS / "airflow_chain", "airflow_chain")
    fresh("airflow_home")
    command = script(sys.executable, "by_hand/airflow_tasks.py", folder, CHAIN, bench.rounds(3))
    label, budget = "a task on Airflow that does nothing, from start to start", f"≤ {BUDGET_TASK:g} × a plain `@task`"
    try:
        said = once(Contender("tasks", command, cwd=folder)).said
    except RunError as error:
        result.verdicts.append(Verdict(label, budget, f"not measured: {error}", None))
        return
    ours, plain = said["firnflow"], said["airflow"]
    rows = [
        [
            who,
            str(each["tasks"]),
            f"{each['duration']:.2f}",
            f"{each['gap']:.2f}",
            f"{each['gap'] / plain['gap']:.2f}",
            "",
        ]
        for who, each in ((PLAIN, plain), (OURS, ours))
    ]
    head = ["who", "tasks", "duration, s", "start to start, s", f"× {PLAIN}", "note"]
    result.tables.append(table(head, rows))
    ratio = ours["gap"] / plain["gap"]
    figure = f"{ratio:.2f} × ({ours['gap']:.2f} s, {plain['gap']:.2f} s)"
    result.verdicts.append(Verdict(label, budget, figure, ratio <= BUDGET_TASK, "airflow_task"))
