"""Typed, configurable tasks for models on tables, binary or of a number: from raw rows to an explained model.

Row by row: `clean`, `join`. Divide: `split`. Learn preprocessing from the training part, one step each, and apply it:
`impute`, `cap_outliers`, `derive`, `encode`, `transform`. Trees: `tune`, `cross_validate`, `train`. Look at them:
`evaluate`, `report`. Every setting is a section of `Params`: `steps.Training` with `p.training`, and so on.
`examples/churn/churn/telco.py` is a whole pipeline of them.
"""

from __future__ import annotations

from firnflow.models.card import Describing
from firnflow.models.evaluation.thresholds import Costs
from firnflow.models.gates.settings import Gating
from firnflow.models.gates.verdict import Verdict
from firnflow.models.preprocessing import Preprocessing
from firnflow.models.section import Columns, Section
from firnflow.models.tuning.space import Dimension
from firnflow.steps.anomalies import report_anomalies
from firnflow.steps.checking import Checked, check
from firnflow.steps.cleaning import clean, join
from firnflow.steps.config import (
    Capping,
    Cleaning,
    Deriving,
    Encoding,
    Evaluating,
    Flag,
    Imputing,
    Joining,
    Reporting,
    Splitting,
    Training,
    Tuning,
)
from firnflow.steps.evaluating import Evaluated, evaluate
from firnflow.steps.evaluation import BinaryEvaluation, Evaluation, RegressionEvaluation
from firnflow.steps.fitting import cap_outliers, derive, encode, impute, transform
from firnflow.steps.gating import Gated, gate
from firnflow.steps.promoting import Promoted, promote
from firnflow.steps.registering import Registered, register
from firnflow.steps.reporting import report
from firnflow.steps.retiring import Cleaned, Cleanup, cleanup
from firnflow.steps.splitting import Split, SplitQuality, split
from firnflow.steps.training import train
from firnflow.steps.tuning import Study, Trial, Tuned, tune
from firnflow.steps.validating import CrossValidation, NumberScores, Scores, cross_validate
from firnflow.stores.checks.result import CheckResult

__all__ = [
    "BinaryEvaluation",
    "Capping",
    "CheckResult",
    "Checked",
    "Cleaned",
    "Cleaning",
    "Cleanup",
    "Columns",
    "Costs",
    "CrossValidation",
    "Deriving",
    "Describing",
    "Dimension",
    "Encoding",
    "Evaluated",
    "Evaluating",
    "Evaluation",
    "Flag",
    "Gated",
    "Gating",
    "Imputing",
    "Joining",
    "NumberScores",
    "Preprocessing",
    "Promoted",
    "Registered",
    "RegressionEvaluation",
    "Reporting",
    "Scores",
    "Section",
    "Split",
    "SplitQuality",
    "Splitting",
    "Study",
    "Training",
    "Trial",
    "Tuned",
    "Tuning",
    "Verdict",
    "cap_outliers",
    "check",
    "clean",
    "cleanup",
    "cross_validate",
    "derive",
    "encode",
    "evaluate",
    "gate",
    "impute",
    "join",
    "promote",
    "register",
    "report",
    "report_anomalies",
    "split",
    "train",
    "transform",
    "tune",
]
