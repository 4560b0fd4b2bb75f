"""What is known about a model from rows that it has never seen: `evaluate` makes it, `report` draws it."""

from __future__ import annotations

from firnflow.models.section import Section


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
    """A tenth of the rows, by rising probability."""

    predicted: float
    observed: float
    rows: int


class FeatureWeight(Section):
    """How much a feature counts.

    Attributes:
        feature: its name.
        contribution: mean absolute contribution to the log-odds of a row (SHAP).
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
    """A feature that moved a row's probability: `effect` is its contribution to the log-odds."""

    feature: str
    value: float | None
    effect: float


class Example(Section):
    """A row that the model is surest about, with its three strongest reasons."""

    key: str
    probability: float
    positive: bool
    reasons: tuple[Reason, ...]


class Histogram(Section):
    """Rows per probability, by label: `edges` has one value more than the others."""

    edges: tuple[float, ...]
    negatives: tuple[int, ...]
    positives: tuple[int, ...]


class Evaluation(Section):
    """Figures, curves and explanations on the test part. The README of the example says how to read them.

    Attributes:
        rows: of the test part.
        positives: of them, by label.
        threshold: the probability from which a row counts as positive; chosen before the test part was seen.
        features: how many the model reads.
        explained: how many rows have reasons in the predictions table.
        notes: what a reader must know: samples that were taken.
    """

    rows: int
    positives: int
    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    roc_auc: float
    average_precision: float
    specificity: float
    false_positive_rate: float
    false_negative_rate: float
    log_loss: float
    brier: float
    confusion: Confusion
    roc: Curve
    precision_recall: Curve
    calibration: tuple[CalibrationBin, ...]
    histogram: Histogram
    features: int
    importance: tuple[FeatureWeight, ...]
    examples: tuple[Example, ...]
    explained: int
    notes: tuple[str, ...]
