"""A chain of tasks that do nothing, to be run by Airflow."""

from __future__ import annotations

import firnflow as ff

TASKS = 8


@ff.task
def step(x: int) -> int:
    """Add one to a number."""
    return x + 1


@ff.pipeline
def chain() -> None:
    x = step.options(name="step_0")(0)
    for number in range(1, TASKS):
        x = step.options(name=f"step_{number}")(x)
