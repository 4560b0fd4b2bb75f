"""How figures are written in reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firnflow.models.gates.verdict import Bounds

WORDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}
WHAT = {
    "champion": "the champion",
    "baseline": "the baseline model",
    "majority": "always deciding for the more frequent class",
    "mean": "always predicting the mean",
    "last": "predicting the value before",
}
_NOTHING = 1e-9
"""What is left of 0 when sums are divided."""


def figure(value: float, unit: str = "") -> str:
    """Return e.g. `0.7312`, `74,012 rows`, `3.2 ms`."""
    if abs(value) < _NOTHING:
        value = 0.0
    return f"{value:,.0f} {unit}".rstrip() if abs(value) >= 1000 else f"{value:.4g} {unit}".rstrip()


def change(value: float) -> str:
    """Return a difference with its sign: `+0.0022`, `−0.011`, `0`."""
    if abs(value) < _NOTHING:
        return "0"
    return (f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.2g}").replace("-", "−")


def having(reference: str, value: float) -> str:
    """Return e.g. `the champion has 0.7312`."""
    return f"{WHAT[reference]} {'has' if reference in {'champion', 'baseline'} else 'gives'} {figure(value)}"


def cut(text: str, most: int = 24) -> str:
    """Return a text, its end cut off where it is longer: names of segments come from data."""
    return text if len(text) <= most else text[: most - 1] + "…"


def span(found: Bounds | None) -> str:
    """Return ` (0.7268 to 0.7356)`, nothing where it is not known."""
    return f" ({figure(found[0])} to {figure(found[1])})" if found else ""
