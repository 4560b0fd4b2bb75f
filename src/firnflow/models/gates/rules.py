"""The kinds of rules. Each is plain data: from Python, from TOML, or, for metrics, from a line of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from firnflow._text import listing, nearest
from firnflow.models.evaluation.base import Kind
from firnflow.models.evaluation.fairness import Measure
from firnflow.models.gates.grammar import Operator, check_metric, parse
from firnflow.models.section import Section, Share

Reference: TypeAlias = Literal["champion", "baseline", "majority", "mean", "last"]


class BaseRule(Section):
    """What all kinds of rules have.

    Attributes:
        name: what the rule is called; None: as it is written.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("binary", "regression")
    name: str | None = None

    @property
    def called(self) -> str:
        """The name, or the rule as it is written."""
        return self.name or str(self)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the holdout that the rule reads."""
        return ()


class MetricRule(BaseRule):
    """A metric of all rows, against a number or against a baseline: `recall >= 0.6`, `auc >= champion - 0.002`.

    Against a baseline the difference counts, on the same rows: its one-sided bound must keep the rule, so that noise
    does not. Against a number the metric itself counts, unless `confident`.

    Attributes:
        metric: its name.
        op: `>=`, `>`, `<=` or `<`.
        reference: `champion`; `baseline`: another model, which is given; `majority`: the class that is most frequent,
            always; `mean`: of the label, always; `last`: the label of the row before in time. None: the number stands
            alone.
        offset: the number, or what is added to the baseline's figure.
        confident: whether the metric's bound must keep the rule too.
    """

    metric: str
    op: Operator
    reference: Reference | None = None
    offset: float = 0.0
    confident: bool = False

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        check_metric(self.metric, self.op)
        return self

    def __str__(self) -> str:
        """Return the rule as one writes it."""
        if self.reference is None:
            return f"{self.metric} {self.op} {self.offset:g}"
        sign = "+" if self.offset > 0 else "-"
        return f"{self.metric} {self.op} {self.reference}" + (f" {sign} {abs(self.offset):g}" if self.offset else "")


class SegmentRule(BaseRule):
    """A metric in each segment: no county, region or group may fall below its floor.

    Attributes:
        segment: the column whose values are the segments.
        metric: its name.
        floor: the lowest figure, of a metric that is better when higher.
        ceiling: the highest, of one that is better when lower.
        min_rows: smaller segments are not judged; the verdict says how many they are.
    """

    segment: str
    metric: str
    floor: float | None = None
    ceiling: float | None = None
    min_rows: int = Field(default=200, ge=1)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if (self.floor is None) == (self.ceiling is None):
            raise ValueError("a segment rule has a floor or a ceiling: one of them")
        check_metric(self.metric, self.op)
        return self

    @property
    def op(self) -> Operator:
        """Which side of the bound is good."""
        return "<=" if self.floor is None else ">="

    @property
    def bound(self) -> float:
        """The floor or the ceiling."""
        return (self.ceiling if self.floor is None else self.floor) or 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The segments' column."""
        return (self.segment,)

    def __str__(self) -> str:
        """Return the rule in words."""
        return f"{self.metric} {self.op} {self.bound:g} per {self.segment}"


class CalibrationRule(BaseRule):
    """The expected calibration error: how far probabilities are from what comes true, on average.

    Attributes:
        calibration: the largest.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)
    calibration: float = Field(gt=0, le=1)

    def __str__(self) -> str:
        """Return the rule in words."""
        return f"calibration error <= {self.calibration:g}"


class LatencyRule(BaseRule):
    """How long the prediction of a single row takes, from raw columns: the 99th percentile of the processor's time.

    Attributes:
        latency_ms: the longest, in milliseconds.
    """

    latency_ms: float = Field(gt=0)

    def __str__(self) -> str:
        """Return the rule in words."""
        return f"latency <= {self.latency_ms:g} ms"


class SizeRule(BaseRule):
    """How large the stored model is.

    Attributes:
        size_mb: the largest, in megabytes of 10⁶ bytes.
    """

    size_mb: float = Field(gt=0)

    def __str__(self) -> str:
        """Return the rule in words."""
        return f"size <= {self.size_mb:g} MB"


class FairnessRule(BaseRule):
    """The largest difference of two groups.

    Attributes:
        fairness: of how many of them are decided for (`demographic_parity`), or of how many of their positives
            (`equal_opportunity`).
        by: the column whose values are the groups.
        max: the largest.
        min_rows: groups with fewer rows that count are left out.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)
    fairness: Measure
    by: str
    max: Share
    min_rows: int = Field(default=200, ge=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """The groups' column."""
        return (self.by,)

    def __str__(self) -> str:
        """Return the rule in words."""
        return f"{self.fairness.replace('_', ' ')} by {self.by} <= {self.max:g}"


class DataRule(BaseRule):
    """What the holdout itself must be like: a model cannot be judged on spoilt data.

    Attributes:
        data: `rows`: how many; `null_share`: of `column`; `positive_rate`: of the label.
        column: whose nulls are counted.
        at_least: the lowest.
        at_most: the highest.
    """

    data: Literal["rows", "null_share", "positive_rate"]
    column: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if (self.data == "null_share") != (self.column is not None):
            raise ValueError("`column` belongs to data = 'null_share', and only to it")
        if self.at_least is None and self.at_most is None:
            raise ValueError("a data rule has at_least, at_most, or both")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The column whose nulls are counted."""
        return (self.column,) if self.column is not None else ()

    def __str__(self) -> str:
        """Return the rule in words."""
        what = f"null share of {self.column}" if self.column else self.data.replace("_", " ")
        low = f" >= {self.at_least:g}" if self.at_least is not None else ""
        high = f" <= {self.at_most:g}" if self.at_most is not None else ""
        return what + low + (" and" if low and high else "") + high


AnyRule: TypeAlias = MetricRule | SegmentRule | CalibrationRule | LatencyRule | SizeRule | FairnessRule | DataRule
_BY_KEY: dict[str, type[AnyRule]] = {
    "segment": SegmentRule,  # before `metric`, which it has too
    "metric": MetricRule,
    "calibration": CalibrationRule,
    "latency_ms": LatencyRule,
    "size_mb": SizeRule,
    "fairness": FairnessRule,
    "data": DataRule,
}


def rule(given: Any) -> AnyRule:
    """Return a rule from a line of text, from a dict, or as it is.

    A dict is known by a key that only rules of its kind have; `{ rule = "auc >= 0.7", confident = true }` gives a line
    of text its settings.

    Raises:
        ValueError: it is no rule; the message says what is wrong with it, with the nearest right name.
    """
    if isinstance(given, BaseRule):
        return given  # type: ignore[return-value] # the set is closed
    if isinstance(given, str):
        return _made(MetricRule, parse(given))
    if not isinstance(given, Mapping):
        raise ValueError(f"a rule is a text such as 'recall >= 0.6' or a table, not {given!r}")  # noqa: TRY004
    fields = dict(given)
    if isinstance(text := fields.pop("rule", None), str):
        fields = {**parse(text), **fields}
    kind = next((kind for key, kind in _BY_KEY.items() if key in fields), None)
    if kind is None:
        near = next((n for key in fields if (n := nearest(str(key), [*_BY_KEY, "rule"]))), "")
        raise ValueError(f"no kind of rule has {listing(map(str, fields))}.{near} One of: rule, {listing(_BY_KEY)}")
    return _made(kind, fields)


def _made(kind: type[AnyRule], fields: dict[str, Any]) -> AnyRule:
    known = list(kind.model_fields)
    for key in fields:
        if key not in known:
            raise ValueError(f"{kind.__name__} has no {key!r}.{nearest(str(key), known)} It has: {listing(known)}")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}: {message}" if where else message) from None


Rule: TypeAlias = Annotated[AnyRule, BeforeValidator(rule, json_schema_input_type=str | dict[str, Any])]
"""A field of this type takes text, dicts and rules."""
