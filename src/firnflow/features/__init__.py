"""Features: what is known of something at a moment, defined once and read without looking ahead.

`Entity` and `FeatureView` (or `@feature_view`) define; `training_set` adds the features of views to the rows of a
spine, each as it was known at the row's own time; `window` aggregates over the rows before each row. `materialize`
fills the online store with what is known now, and `online_features` looks entities up there.
docs/features.md says how to use them, and what is defined about late, tied and missing values.
"""

from __future__ import annotations

from firnflow.features.entity import Entity
from firnflow.features.materializing import Materialized, materialize
from firnflow.features.online import online_features
from firnflow.features.training import training_set
from firnflow.features.view import FeatureView, Use, feature_view
from firnflow.features.windows import window

__all__ = [
    "Entity",
    "FeatureView",
    "Materialized",
    "Use",
    "feature_view",
    "materialize",
    "online_features",
    "training_set",
    "window",
]
