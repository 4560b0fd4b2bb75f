"""Writes plain DAGs of Airflow, each in a file of its own, as one would by hand.

python airflow_dags.py FOLDER NAME TASKS [NAME TASKS ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

HEAD = '''\
"""Add one {tasks} times."""
from airflow.sdk import dag, task


'''
TASK = '''\
@task
def step_{number}(x: int) -> int:
    """Add one to a number."""
    return x + 1


'''
DAG = """\
@dag(schedule=None, catchup=False, doc_md=__doc__)
def {name}():
    x = step_0(0)
"""


def written(name: str, tasks: int) -> str:
    """Return the file of a DAG: a chain."""
    calls = "".join(f"    x = step_{number}(x)\n" for number in range(1, tasks))
    functions = "".join(TASK.format(number=number) for number in range(tasks))
    return HEAD.format(tasks=tasks) + functions + DAG.format(name=name) + calls + f"\n\n{name}()\n"


def main(folder: str, *wanted: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, tasks in zip(wanted[::2], wanted[1::2], strict=True):
        (Path(folder) / f"{name}.py").write_text(written(name, int(tasks)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
