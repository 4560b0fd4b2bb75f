"""Evidence without models: labels and scores as they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from firnflow.models.evaluation.base import Scored
from firnflow.models.gates.evidence import Evidence
from firnflow.models.gates.settings import Gating
from firnflow.models.gates.verdict import HoldoutUse


def evidence(
    labels: Any,
    scores: Any,
    champion: Any = None,
    *,
    threshold: float = 0.5,
    kind: str = "binary",
    rows: dict[str, Any] | None = None,
    trouble: str | None = None,
    **gating: Any,
) -> Evidence:
    labels = np.asarray(labels, dtype=np.float64)
    return Evidence(
        gating=Gating(**{"name": "credit", "resamples": 200, **gating}),
        kind=kind,
        predictor=None,
        rows=pa.table(rows or {"row": np.arange(len(labels))}),
        challenger=Scored(labels, np.asarray(scores), threshold),
        champion=None if champion is None else Scored(labels, np.asarray(champion), threshold),
        trouble=trouble,
        use=HoldoutUse(
            rows=len(labels), given=len(labels), seen_by_challenger=0, seen_by_champion=0, unlabelled=0, digest="0" * 64
        ),
    )


def world(rows: int, seed: int = 0, rate: float = 0.78) -> tuple[Any, Any]:
    """Return labels and the probabilities that they were drawn from."""
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(-rng.normal(np.log(rate / (1 - rate)) * 1.25, 1.3, rows)))
    return (rng.random(rows) < chance).astype(float), chance


@pytest.fixture
def helpers() -> Any:
    """The functions above, for test modules, which cannot import this one."""

    class Helpers:
        evidence = staticmethod(evidence)
        world = staticmethod(world)

    return Helpers
