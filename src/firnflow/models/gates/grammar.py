"""The text form of a rule about a metric.

::

    rule   = METRIC OPERATOR bound
    bound  = [sign] NUMBER | BASELINE [sign NUMBER]
    sign   = "+" | "-"

METRIC is a name of `firnflow.models.evaluation.catalog`, OPERATOR `>=`, `>`, `<=` or `<`, BASELINE `champion`,
`baseline`, `majority`, `mean` or `last`.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias, get_args

from firnflow._text import listing, nearest
from firnflow.models.evaluation.catalog import ALIASES, METRICS, NAMES

Operator: TypeAlias = Literal[">=", ">", "<=", "<"]
OPERATORS: tuple[str, ...] = get_args(Operator)
BASELINES = ("champion", "baseline", "majority", "mean", "last")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[^\W\d]\w*)|(?P<sign>[+-])|(?P<other>[<>=!]+|\S))"
)
_LONGEST = 200


def parse(text: str) -> dict[str, Any]:
    """Return the fields of a `MetricRule`. Raises ValueError, with the nearest right name, for what is no rule."""
    if len(text) > _LONGEST:
        raise ValueError(f"a rule has at most {_LONGEST} characters")
    tokens = [(found.lastgroup or "other", found.group(found.lastgroup or 0)) for found in _TOKEN.finditer(text)]
    left = _Tokens(text, tokens)
    metric = left.take("name", "the name of a metric")
    op = left.take("other", "an operator")
    if op not in OPERATORS:
        raise left.wrong(f"the operator {op!r} is not known; write one of {', '.join(OPERATORS)}")
    reference = left.take_if("name")
    if reference is None:
        offset = left.signed("a number or a baseline")
    else:
        if reference not in BASELINES:
            raise left.wrong(f"{reference!r} is no baseline.{nearest(reference, BASELINES)} One of: {_BASELINES}")
        offset = left.signed("a number") if left.tokens and left.tokens[0][0] == "sign" else 0.0
    if left.tokens:
        raise left.wrong(f"{left.tokens[0][1]!r} is too much")
    return {"metric": metric, "op": op, "reference": reference, "offset": offset}


_BASELINES = listing(BASELINES)


class _Tokens:
    """What is left of the text."""

    def __init__(self, text: str, tokens: list[tuple[str, str]]) -> None:
        self.text, self.tokens = text, tokens

    def wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.text!r}: {what}")

    def take_if(self, kind: str) -> str | None:
        return self.tokens.pop(0)[1] if self.tokens and self.tokens[0][0] == kind else None

    def take(self, kind: str, what: str) -> str:
        found = self.take_if(kind)
        if found is None:
            instead = f", not {self.tokens[0][1]!r}" if self.tokens else ""
            raise self.wrong(f"here {what} should stand{instead}; a rule is written as 'recall >= 0.6'")
        return found

    def signed(self, what: str) -> float:
        sign = self.take_if("sign")
        return float(self.take("number", what)) * (-1 if sign == "-" else 1)


def check_metric(name: str, op: Operator) -> None:
    """Raise ValueError where there is no such metric, or where the rule would ask a model to be worse."""
    wanted = ALIASES.get(name, name)
    found = next((metrics[wanted] for metrics in METRICS.values() if wanted in metrics), None)
    if found is None:
        raise ValueError(f"{name!r} is no metric.{nearest(name, NAMES)} Known: {listing(NAMES, 40)}")
    if found.better == {">": "lower", "<": "higher"}[op[0]]:
        turned = op.replace(">", "<") if op[0] == ">" else op.replace("<", ">")
        raise ValueError(f"{name} is better when {found.better}, so the rule reads `{name} {turned} …`")
