"""The rules that always apply, unless `gating.off` names them.

- `constant`: a model that says or decides the same for every row fails.
- `majority` (binary): `roc_auc > majority` and `balanced_accuracy > majority`: order and decisions must be better than
  chance. Accuracy is no rule: where 78 % are approved, approving everyone is right in 78 %.
- `information` (binary): `d2_log_loss >= majority + 0.01`: the probabilities must say more than the share of positives.
  The first two rules do not find out a model that learnt from shuffled labels: it orders rows at random, but by the
  same columns that the truth depends on, so that its AUC is 0.5 ± 0.05 however many rows it is judged on. Its
  probabilities hardly differ, though: of 136 such models 40 % had an AUC above 0.52 and none took away 1 % of the loss.
- `mean` (regression): `r2 >= mean + 0.01`, for the same reason.
- `champion`: the primary metric must be better than the champion's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.models.evaluation.catalog import metric
from firnflow.models.gates.rules import MetricRule

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Kind
    from firnflow.models.gates.settings import Gating

LEAST = 0.01
PRIMARY = {"binary": "roc_auc", "regression": "rmse"}


def primary(gating: Gating, kind: Kind) -> str:
    """Return the metric that a challenger must be better in. Raises UsageError where such models do not have it."""
    return metric(kind, gating.primary or PRIMARY[kind]).name


def defaults(gating: Gating, kind: Kind) -> list[MetricRule]:
    """Return the rules about metrics that apply by default; `constant` is no rule about a metric."""
    name = primary(gating, kind)
    better = metric(kind, name).better == "higher"
    rules = {
        "binary": [
            ("majority", MetricRule(metric="roc_auc", op=">", reference="majority")),
            ("majority", MetricRule(metric="balanced_accuracy", op=">", reference="majority")),
            ("information", MetricRule(metric="d2_log_loss", op=">=", reference="majority", offset=LEAST)),
        ],
        "regression": [("mean", MetricRule(metric="r2", op=">=", reference="mean", offset=LEAST))],
    }[kind]
    rules.append(("champion", MetricRule(metric=name, op=">" if better else "<", reference="champion")))
    return [rule for switch, rule in rules if switch not in gating.off]
