"""What is searched: for each setting a range or a choice."""

from __future__ import annotations

import builtins
import itertools
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from pydantic import model_validator

from firnflow.errors import ParameterError
from firnflow.models.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    import optuna

Scalar: TypeAlias = builtins.bool | builtins.int | builtins.float | str
Point: TypeAlias = dict[str, Scalar]
"""Setting → value."""
DIGITS = 4
"""Significant digits of a proposed float: more would say nothing, and differ with the machine's `log` and `exp`."""


class Dimension(Section):
    """The values that a setting may have: one of `int`, `float` and `choice`.

    Attributes:
        int: lowest and highest whole number.
        float: lowest and highest number.
        choice: the values.
        step: of a range: its values are `lowest + n * step`.
        log: of a range: small values are looked at as closely as large ones.
    """

    int: tuple[builtins.int, builtins.int] | None = None
    float: tuple[builtins.float, builtins.float] | None = None
    choice: tuple[Scalar, ...] | None = None
    step: builtins.int | builtins.float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if sum(each is not None for each in (self.int, self.float, self.choice)) != 1:
            raise ValueError("give one of int = [lowest, highest], float = [lowest, highest], choice = [values]")
        if self.choice is not None:
            if not self.choice or len({(type(value), value) for value in self.choice}) < len(self.choice):
                raise ValueError("choice: give each value once, and at least one")
            if self.log or self.step is not None:
                raise ValueError("choice has neither log nor step")
            return self
        low, high = self.bounds
        if low > high:
            raise ValueError(f"the lowest value {low:g} is above the highest {high:g}")
        if self.log and (low <= 0 or self.step is not None):
            raise ValueError("log: the lowest value must be above 0, and there is no step")
        if self.step is not None and (self.step <= 0 or (self.int is not None and self.step != round(self.step))):
            raise ValueError(f"step {self.step:g} does not fit the range")
        return self

    @property
    def bounds(self) -> tuple[builtins.float, builtins.float]:
        """Lowest and highest value of a range."""
        found = self.int or self.float
        assert found is not None  # noqa: S101 - asked of ranges only
        return found

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """Return what Optuna calls it."""
        from optuna import distributions

        if self.choice is not None:
            return distributions.CategoricalDistribution(self.choice)
        if self.int is not None:
            return distributions.IntDistribution(*self.int, log=self.log, step=builtins.int(self.step or 1))
        return distributions.FloatDistribution(*self.bounds, log=self.log, step=self.step)

    def __contains__(self, value: object) -> bool:
        """Return whether the setting may have a value."""
        if self.choice is not None:
            return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in self.choice)
        if isinstance(value, bool) or not isinstance(value, builtins.int | builtins.float):
            return False
        low, high = self.bounds
        steps = (value - low) / self.step if self.step is not None else 0.0
        return low <= value <= high and abs(steps - round(steps)) < 1e-9

    def rounded(self, value: Scalar) -> Scalar:
        """Return a proposed value with as many digits as make sense."""
        if self.float is None or self.step is not None:
            return value
        low, high = self.bounds
        return min(max(builtins.float(f"{value:.{DIGITS}g}"), low), high)

    def grid(self, name: str) -> list[Scalar]:
        """Return all values. Raises ParameterError for a range of endlessly many."""
        if self.choice is not None:
            return list(self.choice)
        if self.int is not None and not self.log:
            return list(range(self.int[0], self.int[1] + 1, builtins.int(self.step or 1)))
        if self.float is not None and self.step is not None:
            low, high = self.float
            count = builtins.int((high - low) / self.step + 1e-9) + 1
            return [builtins.float(f"{low + number * self.step:.12g}") for number in range(count)]
        raise ParameterError(
            f"tuning.space.{name}: a grid needs each value. Mend: choice = […], or a range with a step and without log"
        )


Space: TypeAlias = dict[str, Dimension]


def combinations(space: Mapping[str, Dimension]) -> list[Point]:
    """Return every point of a grid, the last setting fastest."""
    values = [dimension.grid(name) for name, dimension in space.items()]
    return [dict(zip(space, each, strict=True)) for each in itertools.product(*values)]


def key(point: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return what two equal points have in common."""
    return tuple(sorted(point.items()))
