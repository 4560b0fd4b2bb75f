"""The settings of the steps: sections of a pipeline's `Params`, so that `firnflow.toml` and `--set` reach each of them.

`[pipelines.churn.params.training]` with `max_depth = 6` sets `p.training.max_depth`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from firnflow._text import listing, nearest
from firnflow.models.evaluation.catalog import ALIASES, METRICS
from firnflow.models.evaluation.thresholds import Costs
from firnflow.models.section import Section, Share
from firnflow.models.tuning.search import Pruner, Sampler
from firnflow.models.tuning.space import Space

Objective: TypeAlias = Literal["binary", "regression"]


class Cleaning(Section):
    """Row-level repairs: each looks at one row, or at rows of one key, so that nothing is learnt from the data.

    Attributes:
        deduplicate: keep one row per key: the first in the order of the other columns, nulls last.
        case: how text is written.
        numeric: text columns to read as numbers; what is no number becomes null.
        clamp: column → (lowest, highest) possible value; values beyond are moved to the bound.
    """

    deduplicate: bool = True
    case: Literal["keep", "lower", "upper"] = "keep"
    numeric: tuple[str, ...] = ()
    clamp: dict[str, tuple[float, float]] = Field(default_factory=dict)


class Joining(Section):
    """How two tables come together.

    Attributes:
        min_rate: a share of matched keys below this is warned about.
        how: `inner` drops unmatched rows of the left table, `left` keeps them with nulls.
    """

    min_rate: float = Field(default=0.95, ge=0, le=1)
    how: Literal["inner", "left"] = "inner"


class Splitting(Section):
    """How rows are divided.

    Attributes:
        test_share: the part that is kept for evaluation.
        stratify: whether the label has two values, which become 0 and 1 and are divided alike; else it is a number.
        seed: another seed, another division.
        max_rate_difference: the largest difference of the share of positives.
        max_mean_difference: the largest difference of a column's mean, relative to the mean or to the standard
            deviation, whichever is larger. A difference that chance explains (3 standard errors) passes.
        on_failure: what a failed check does.
    """

    test_share: Share = 0.2
    stratify: bool = True
    seed: int = 42
    max_rate_difference: float = Field(default=0.02, gt=0)
    max_mean_difference: float = Field(default=0.10, gt=0)
    on_failure: Literal["error", "warn"] = "error"


class Imputing(Section):
    """What stands in for missing values.

    Attributes:
        numeric: `none` leaves numbers missing, which trees can use.
        text: the most frequent value, or the text `missing`.
        indicators: whether a 0/1 column says where a value was missing.
    """

    numeric: Literal["median", "mean", "zero", "none"] = "median"
    text: Literal["mode", "missing"] = "mode"
    indicators: bool = True


class Capping(Section):
    """How outliers are moved to a bound: `q25 - factor * IQR` and `q75 + factor * IQR` (Tukey's fences).

    A column whose quartiles are equal (most rows have one value) is left as it is.

    Attributes:
        columns: which; None: every numeric one.
        factor: width of the fences.
        flags: whether a 0/1 column says where a value was moved.
    """

    columns: tuple[str, ...] | None = None
    factor: float = Field(default=1.5, gt=0)
    flags: bool = False


class Flag(Section):
    """A 0/1 column: whether a column is above or below a bound, given or fitted as a quantile.

    Attributes:
        column: which column is looked at.
        name: what the new column is called.
        above: 1 where the value is greater.
        below: 1 where the value is less.
        above_quantile: 1 where the value is at least this quantile of the training part.
        below_quantile: 1 where the value is at most this quantile of the training part.
    """

    column: str
    name: str
    above: float | None = None
    below: float | None = None
    above_quantile: Share | None = None
    below_quantile: Share | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [self.above, self.below, self.above_quantile, self.below_quantile]
        if sum(bound is not None for bound in given) != 1:
            raise ValueError(f"flag {self.name!r}: give one of above, below, above_quantile, below_quantile")
        return self


class Deriving(Section):
    """New columns, each from columns that are there before this step.

    Attributes:
        logs: `log_X`: ln(1 + max(X, 0)).
        ratios: `X_over_Y`: X / Y, null where Y is 0.
        products: `X_times_Y`.
        flags: 0/1 columns.
        bands: column → number of bands: `X_band`, the number of the quantile band (0 = lowest), fitted.
        groups: text column → numeric columns: `X_vs_G`, X less the mean of its group in the training part.
        scores: `X_score`: X less its mean, in standard deviations, both fitted.
    """

    logs: tuple[str, ...] = ()
    ratios: tuple[tuple[str, str], ...] = ()
    products: tuple[tuple[str, str], ...] = ()
    flags: tuple[Flag, ...] = ()
    bands: dict[str, Annotated[int, Field(ge=2, le=100)]] = Field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    scores: tuple[str, ...] = ()


class Encoding(Section):
    """How text becomes numbers: one 0/1 column per frequent value, and one for all others.

    Attributes:
        columns: which; None: every text column.
        max_values: how many values of a column get a 0/1 column of their own.
    """

    columns: tuple[str, ...] | None = None
    max_values: int = Field(default=20, ge=1, le=1000)


class Training(Section):
    """How gradient-boosted trees are trained (XGBoost's names and meanings where it has them).

    Attributes:
        objective: what is learnt: the probability of a label that is 0 or 1, or a number.
        metric: by which candidates are compared; None: `roc_auc`, of a number `rmse`.
        rounds: the most trees; cross-validation stops earlier.
        early_stopping: rounds without a smaller loss before a fold stops.
        max_leaves: of a tree; 0: as many as its depth allows.
        grow_policy: which leaf is split next: the one nearest to the root, or the one that gains most.
        folds: of the cross-validation.
        validation: `folds` deals the rows; `time` learns from the past of each fold only (see `columns.time`).
        threshold: how the probability from which a row counts as positive is chosen on held-out folds:
            largest F1, largest `recall - false positive rate` (Youden), lowest cost, or a number.
        seed: of folds, samples and trees.
        max_rows: above this the model learns from a deterministic sample.
        cv_rows: above this the cross-validation does.
        threads: of one model; the result does not depend on it. A search trains several models at once.
    """

    objective: Objective = "binary"
    metric: str | None = None
    rounds: int = Field(default=1000, ge=1)
    early_stopping: int = Field(default=30, ge=1)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    max_depth: int = Field(default=4, ge=1, le=16)
    max_leaves: int = Field(default=0, ge=0)
    grow_policy: Literal["depthwise", "lossguide"] = "depthwise"
    min_child_weight: float = Field(default=5.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample_bytree: float = Field(default=0.8, gt=0, le=1)
    reg_lambda: float = Field(default=1.0, ge=0)
    reg_alpha: float = Field(default=0.0, ge=0)
    gamma: float = Field(default=0.0, ge=0)
    folds: int = Field(default=5, ge=2, le=20)
    validation: Literal["folds", "time"] = "folds"
    threshold: Literal["f1", "youden"] | Share | Costs = "f1"
    seed: int = 42
    max_rows: int = Field(default=1_000_000, ge=100)
    cv_rows: int = Field(default=200_000, ge=100)
    threads: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _known_metric(self) -> Self:
        known = SCORES[self.objective]
        if self.metric is not None and self.metric not in known:
            hint = nearest(self.metric, known)
            raise ValueError(f"metric {self.metric!r} is none of {self.objective}: {listing(known)}.{hint}")
        return self

    @property
    def judge(self) -> str:
        """The metric by which candidates are compared."""
        return self.metric or next(iter(SCORES[self.objective]))

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way the metric is better."""
        return SCORES[self.objective][self.judge]

    def settings(self) -> dict[str, bool | int | float | str]:
        """Return what can be searched, by name: what XGBoost is told of the trees."""
        return {name: value for name, value in self.model_dump().items() if name not in _FIXED}


SCORES: dict[Objective, dict[str, Literal["maximize", "minimize"]]] = {
    "binary": {
        "roc_auc": "maximize",
        "average_precision": "maximize",
        "log_loss": "minimize",
        "f1": "maximize",
        "precision": "maximize",
        "recall": "maximize",
        "accuracy": "maximize",
    },
    "regression": {"rmse": "minimize", "mae": "minimize", "r2": "maximize"},
}
"""Objective → the metrics of the cross-validation, and which way each is better; the first one decides by default."""

_FIXED = frozenset(
    {
        *("objective", "metric", "rounds", "early_stopping", "folds", "validation", "threshold"),
        *("seed", "max_rows", "cv_rows", "threads"),
    }
)


class Tuning(Section):
    """Which settings of `Training` are tried, and how they are chosen.

    Attributes:
        space: setting → its values: `{ int = [2, 8] }`, `{ float = [0.01, 0.3], log = true }`, `{ choice = [1, 5] }`.
        sampler: `tpe` learns from finished trials (tree-structured Parzen estimator), `random` draws, `qmc` spreads
            evenly (Sobol), `grid` takes every combination, or a seeded choice of `trials` of them.
        trials: how many are tried, at most.
        pruner: when a trial is given up before its last fold: `median`: worse than the median of earlier trials;
            `halving`: not among the better half; `wilcoxon`: surely worse than the best one; `none`: never.
        seed: of the sampler.
    """

    space: Space = Field(default_factory=dict)
    sampler: Sampler = "tpe"
    trials: int = Field(default=20, ge=1, le=1000)
    pruner: Pruner = "median"
    seed: int = 42


class Evaluating(Section):
    """How a model is looked at.

    Attributes:
        confidence: of the intervals, two-sided.
        resamples: of the bootstrap that they come from.
        seed: of the resamples.
        costs: what a row of each kind costs, to be shown over the threshold. The threshold itself is not chosen here,
            but on held-out folds: `training.threshold`.
        segments: columns of the raw rows in whose values the model is looked at; numbers of more than 12 values are
            divided into bands.
        segment_metric: by which; None: `roc_auc`, of a number `rmse`.
        segment_rows: smaller segments are left out, and counted.
        reason_rows: how many rows get reasons: those with the highest probability, or the largest residual.
        summary_rows: where not all rows get reasons, how many rows the summary of contributions is made from: a
            deterministic sample.
        explain_seconds: the time that the reasons, and the summary, may take, each; estimated from the size of the
            model, never measured, so that the same model always has the same rows explained. None: no limit.
        top: how many features the importance and the summary show.
    """

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    resamples: int = Field(default=1000, ge=100, le=100_000)
    seed: int = 42
    costs: Costs | None = None
    segments: tuple[str, ...] = ()
    segment_metric: str | None = None
    segment_rows: int = Field(default=100, ge=2)
    reason_rows: int = Field(default=20_000, ge=0)
    summary_rows: int = Field(default=2_000, ge=1)
    explain_seconds: float | None = Field(default=60.0, gt=0)
    top: int = Field(default=15, ge=1, le=100)

    @field_validator("segments", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        # A list that is one text would be taken for its letters.
        return [given] if isinstance(given, str) else given

    @field_validator("segment_metric")
    @classmethod
    def _known_metric(cls, name: str | None) -> str | None:
        known = {*METRICS["binary"], *METRICS["regression"], *ALIASES}
        if name is not None and name not in known:
            raise ValueError(f"{name!r} is no metric.{nearest(name, known)} Known: {listing(known, 40)}")
        return name


class Reporting(Section):
    """What the report says around its figures.

    Attributes:
        title: its heading.
        positive: what a positive row is called: "leaves".
        row: what a row is called, in the plural: "customers".
        unit: of a label that is a number, and of costs: "dollars".
    """

    title: str = "Model report"
    positive: str = "positive"
    row: str = "rows"
    unit: str = ""
