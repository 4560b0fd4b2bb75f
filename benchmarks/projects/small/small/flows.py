"""The small pipelines: chains, and a fan-out with a join."""

from __future__ import annotations

import firnflow as ff
from small import functions

increment = ff.task(functions.increment)
square = ff.task(functions.square)
total = ff.task(functions.total)


def _wire(length: int) -> None:
    x = increment.options(name="n0")(1)
    for i in range(1, length):
        x = increment.options(name=f"n{i}")(x)


@ff.pipeline
def chain():
    _wire(1000)


@ff.pipeline
def one():
    _wire(1)


@ff.pipeline
def fan():
    total(square.map(list(range(200))))
