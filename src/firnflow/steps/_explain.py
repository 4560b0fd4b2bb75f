"""Why a model says what it says: exact SHAP values of trees, by XGBoost itself (`pred_contribs`).

S. M. Lundberg et al., "From local explanations to global understanding with explainable AI for trees" (2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.models.explanation.contributions import xgboost_effects
from firnflow.steps.evaluation import Example, FeatureWeight, Reason

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from firnflow.steps._matrix import Examples

    Floats = npt.NDArray[np.float32]

REASONS = 3
POINTS = 300


def contributions(booster: Any, rows: Examples) -> Floats:
    """Return n × m contributions to the log-odds; with the model's bias they add up to each row's prediction."""
    return xgboost_effects(booster, rows.features)[:, :-1]


def strongest(effects: Floats) -> npt.NDArray[np.int64]:
    """Return n × 3 feature numbers, the strongest first; of equals the first feature."""
    import numpy as np

    return np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :REASONS]


def importance(booster: Any, rows: Examples, effects: Floats, top: int) -> tuple[FeatureWeight, ...]:
    """Return all features by falling contribution; the first `top` with points to draw."""
    import numpy as np

    gains = booster.get_score(importance_type="total_gain")
    total = sum(gains.values()) or 1.0
    mean = np.abs(effects).mean(axis=0, dtype=np.float64)
    weights = []
    for rank, place in enumerate(np.argsort(-mean, kind="stable")):
        name = rows.names[place]
        drawn = rank < top
        weights.append(
            FeatureWeight(
                feature=name,
                contribution=short(mean[place]),
                gain=short(gains.get(name, 0.0) / total),
                effects=tuple(short(v) for v in effects[:POINTS, place]) if drawn else (),
                levels=_levels(rows.features[:POINTS, place]) if drawn else (),
            )
        )
    return tuple(weights)


def _levels(values: Floats) -> tuple[float | None, ...]:
    import numpy as np

    known = ~np.isnan(values)
    distinct, place = np.unique(values[known], return_inverse=True)
    levels = np.full(len(values), np.nan)
    levels[known] = place / max(len(distinct) - 1, 1)
    return tuple(None if np.isnan(v) else round(float(v), 3) for v in levels)


def surest(rows: Examples, effects: Floats, probabilities: Floats, most: int) -> tuple[Example, ...]:
    """Return the rows with the highest probabilities, with their reasons."""
    import numpy as np

    return tuple(
        Example(
            key=str(rows.keys[int(row)].as_py()),
            probability=short(probabilities[row]),
            positive=bool(rows.labels[row] == 1),
            reasons=reasons(rows, effects, int(row)),
        )
        for row in np.argsort(-probabilities, kind="stable")[:most]
    )


def reasons(rows: Examples, effects: Floats, row: int) -> tuple[Reason, ...]:
    """Return the three strongest reasons of a row."""
    import numpy as np

    return tuple(
        Reason(
            feature=rows.names[place],
            value=None if np.isnan(rows.features[row, place]) else short(rows.features[row, place]),
            effect=short(effects[row, place]),
        )
        for place in strongest(effects[row : row + 1])[0]
    )


def short(value: Any) -> float:
    """Return a float to 6 significant digits, for data that people read."""
    return float(f"{float(value):.6g}")
