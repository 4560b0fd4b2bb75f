"""Anomalies in a series, day by day, as production sees them: by what was known at the end of the day, nothing later.

`days_of` reads a series, `fit` makes a `Detector`, its `score` judges a day, `replay` a whole series, `evaluate` and
`compare` hold verdicts against labels. docs/anomalies.md says how to use them.
"""

from __future__ import annotations

from firnflow.monitoring.anomalies.days import Days, days_of
from firnflow.monitoring.anomalies.detector import Detector, fit, replay
from firnflow.monitoring.anomalies.evaluation import Contest, Evaluation, Window, compare, evaluate, windows_of
from firnflow.monitoring.anomalies.settings import DetectorSettings, Holiday
from firnflow.monitoring.anomalies.verdict import Verdict

__all__ = [
    "Contest",
    "Days",
    "Detector",
    "DetectorSettings",
    "Evaluation",
    "Holiday",
    "Verdict",
    "Window",
    "compare",
    "days_of",
    "evaluate",
    "fit",
    "replay",
    "windows_of",
]
