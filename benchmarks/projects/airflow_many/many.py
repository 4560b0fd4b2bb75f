"""Fifty pipelines of fifty tasks, to be parsed by Airflow."""

from __future__ import annotations

import firnflow as ff

PIPELINES, TASKS = 50, 50


@ff.task
def step(x: int) -> int:
    """Add one to a number."""
    return x + 1


def _pipeline(name: str) -> ff.Pipeline:
    def wire() -> None:
        x = step.options(name="step_0")(0)
        for number in range(1, TASKS):
            x = step.options(name=f"step_{number}")(x)

    wire.__name__ = wire.__qualname__ = name
    wire.__doc__ = f"Add one {TASKS} times."
    return ff.pipeline(wire)


globals().update({f"flow_{number}": _pipeline(f"flow_{number}") for number in range(PIPELINES)})
