"""What the tasks of the small pipelines compute, by every framework alike."""

from __future__ import annotations


def increment(x: int) -> int:
    return x + 1  # so that no two calls are the same, which a cache would notice


def square(x: int) -> int:
    return x * x


def total(xs: list[int]) -> int:
    return sum(xs)
