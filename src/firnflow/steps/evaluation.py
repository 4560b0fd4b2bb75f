"""What is known about a model from rows that it has never seen: `evaluate` makes it, `report` draws it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from firnflow.models.evaluation.thresholds import Costs
from firnflow.models.section import Section


class Bounds(Section):
    """The ends of a confidence interval."""

    low: float
    high: float


class FeatureWeight(Section):
    """How much a feature counts.

    Attributes:
        feature: its name.
        contribution: mean absolute contribution to what the model says of a row (SHAP): to the log-odds, or to the
            number in the unit of the label.
        gain: share of the loss that its splits took away in training.
        effects: contribution per sampled row.
        levels: the feature's value in the same rows, as its rank from 0 (lowest) to 1; None where it is missing.
    """

    feature: str
    contribution: float
    gain: float
    effects: tuple[float, ...] = ()
    levels: tuple[float | None, ...] = ()


class Reason(Section):
    """A feature that moved what is said of a row: `effect` is its contribution to the log-odds, or to the number."""

    feature: str
    value: float | None
    effect: float


class Segment(Section):
    """Rows with one value of a column.

    Attributes:
        name: the value, or a band of values, as text.
        rows: how many.
        observed: their share of positives, or mean label.
        predicted: their mean probability, or mean prediction.
        value: the metric; None where it is not defined, as AUC without positives.
        bounds: of its interval; None where they are not known.
    """

    name: str
    rows: int
    observed: float
    predicted: float
    value: float | None
    bounds: Bounds | None


class Segmentation(Section):
    """A column, and the metric in each of its values.

    Attributes:
        column: its name.
        metric: its name.
        better: which way it is better.
        whole: the metric of all rows.
        segments: by falling number of rows.
        small: how many segments have fewer than `min_rows` rows, and are left out.
        small_rows: how many rows those have.
        beyond: how many more are left out since there are too many to show.
        beyond_rows: how many rows those have.
        min_rows: the fewest rows of a segment.
    """

    column: str
    metric: str
    better: Literal["higher", "lower", "nearer to 0"]
    whole: float | None
    segments: tuple[Segment, ...]
    small: int
    small_rows: int
    beyond: int
    beyond_rows: int
    min_rows: int


class Confusion(Section):
    """Rows by label and decision."""

    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int


class Curve(Section):
    """A curve of at most about 200 points."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class CalibrationBin(Section):
    """A tenth of the rows, by rising probability; `low` and `high` bound the share of positives (95 %)."""

    predicted: float
    observed: float
    rows: int
    low: float
    high: float


class Histogram(Section):
    """Rows per probability, by label: `edges` has one value more than the others."""

    edges: tuple[float, ...]
    negatives: tuple[int, ...]
    positives: tuple[int, ...]


class Price(Section):
    """What a row costs on average when rows are decided from a threshold on."""

    threshold: float
    cost: float


class Pricing(Section):
    """What decisions cost on the test part.

    Attributes:
        costs: what a row of each kind costs.
        curve: cost per row over the threshold.
        own: of the model's threshold.
        by_costs: of the threshold that the costs alone ask for, which is the cheapest where probabilities are true.
        lowest: of the threshold that happens to be the cheapest on these rows: to look at, not to use.
        nobody: cost per row where nobody is decided for.
        everybody: where everybody is.
    """

    costs: Costs
    curve: Curve
    own: Price
    by_costs: Price
    lowest: Price
    nobody: float
    everybody: float


class Example(Section):
    """A row that the model is surest about, with its three strongest reasons."""

    key: str
    probability: float
    positive: bool
    reasons: tuple[Reason, ...]


class Miss(Section):
    """A row that the model is far off, with its three strongest reasons; `residual`: label less prediction."""

    key: str
    label: float
    prediction: float
    residual: float
    reasons: tuple[Reason, ...]


class ResidualBin(Section):
    """A tenth of the rows, by rising prediction: mean prediction and label, and the quartiles of the residuals."""

    predicted: float
    observed: float
    rows: int
    low: float
    middle: float
    high: float


class Residuals(Section):
    """How far labels lie from predictions: label less prediction.

    Attributes:
        edges: of the histogram, from the 1st to the 99th percentile: one more than `counts`.
        counts: of the histogram.
        bins: by rising prediction.
        low: nine in ten residuals lie between it …
        high: … and this.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    bins: tuple[ResidualBin, ...]
    low: float
    high: float


BINARY = (
    *("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity"),
    *("false_positive_rate", "false_negative_rate", "log_loss", "d2_log_loss", "brier"),
)
REGRESSION = ("r2", "rmse", "mae", "mape", "smape", "bias")


class _OfAnyKind(Section):
    """What there is for models of every kind.

    Attributes:
        label: the column that is predicted.
        rows: of the test part.
        confidence: of the intervals.
        intervals: metric → interval, of those that have one.
        segments: by column.
        features: how many the model reads.
        importance: all features by falling contribution.
        explained: how many rows have reasons in the predictions table.
        notes: what a reader must know: samples that were taken.
    """

    label: str
    rows: int
    confidence: float
    intervals: dict[str, Bounds]
    segments: tuple[Segmentation, ...]
    features: int
    importance: tuple[FeatureWeight, ...]
    explained: int
    notes: tuple[str, ...]


class BinaryEvaluation(_OfAnyKind):
    """Figures, curves and explanations of a binary classification on the test part.

    Attributes:
        positives: rows whose label is 1.
        threshold: the probability from which a row counts as positive; chosen before the test part was seen.
        ece: expected calibration error.
        pricing: None: nobody said what mistakes cost.
        examples: the rows with the highest probabilities.
    """

    kind: Literal["binary"] = "binary"
    positives: int
    threshold: float
    roc_auc: float
    average_precision: float
    accuracy: float
    balanced_accuracy: float
    precision: float
    recall: float
    f1: float
    specificity: float
    false_positive_rate: float
    false_negative_rate: float
    log_loss: float
    d2_log_loss: float
    brier: float
    ece: float
    confusion: Confusion
    roc: Curve
    precision_recall: Curve
    calibration: tuple[CalibrationBin, ...]
    histogram: Histogram
    pricing: Pricing | None
    examples: tuple[Example, ...]

    @property
    def figures(self) -> dict[str, float]:
        """The figures of merit by name, the threshold, and the cost per row where costs are known."""
        found = {name: float(getattr(self, name)) for name in (*BINARY, "ece", "threshold")}
        return found if self.pricing is None else {**found, "cost": self.pricing.own.cost}


class RegressionEvaluation(_OfAnyKind):
    """Figures, residuals and explanations of a regression on the test part, in the unit of the label.

    Attributes:
        mean: of the label.
        deviation: its standard deviation.
        r2: share of the label's variance that the model explains; None for a constant label.
        mape: mean of |error| / |label|, a share; None where every label is 0.
        smape: mean of 2 |error| / (|label| + |prediction|), a share.
        bias: mean of prediction less label.
        sample: predictions (x) and labels (y) of some rows, to be drawn.
        examples: the rows with the largest residuals.
    """

    kind: Literal["regression"] = "regression"
    mean: float
    deviation: float
    r2: float | None
    rmse: float
    mae: float
    mape: float | None
    smape: float
    bias: float
    residuals: Residuals
    sample: Curve
    examples: tuple[Miss, ...]

    @property
    def figures(self) -> dict[str, float]:
        """The figures of merit by name, those that are defined."""
        found = {name: getattr(self, name) for name in REGRESSION}
        return {name: float(value) for name, value in found.items() if value is not None}


Evaluation: TypeAlias = Annotated[BinaryEvaluation | RegressionEvaluation, Field(discriminator="kind")]
"""What `evaluate` finds out: `kind` says of what kind of model."""
