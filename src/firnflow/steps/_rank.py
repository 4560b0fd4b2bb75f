"""What each node does when several train one model: read its rows, and boost together with the others.

Nothing of Firnflow is imported here: Ray sends the functions of this module as they stand (`pickle by value`), so
that a cluster needs Ray and XGBoost, and no Firnflow.
"""

from __future__ import annotations

from typing import Any


def boost(config: dict[str, Any]) -> bytes:
    """Return the model as UBJSON from the first rank, nothing from the others.

    Args:
        config: `parts`: for each rank references to its rows, pairs of labels and features; `features`: their names;
            `settings`: XGBoost's parameters; `trees`: how many.
    """
    import ray.train
    import xgboost

    rank = ray.train.get_context().get_world_rank()
    data = xgboost.QuantileDMatrix(_reader(config["parts"][rank], config["features"]))
    booster = xgboost.train(config["settings"], data, num_boost_round=config["trees"])
    return bytes(booster.save_raw("ubj")) if rank == 0 else b""


def _reader(parts: list[Any], names: list[str]) -> Any:
    """Return an iterator of XGBoost's over rows in Ray's object store: only one part is on its way at a time."""
    import ray
    import xgboost

    class Parts(xgboost.DataIter):  # type: ignore[misc] # has no types
        place = 0

        def reset(self) -> None:
            self.place = 0

        def next(self, input_data: Any) -> bool:
            if self.place == len(parts):
                return False
            labels, features = ray.get(parts[self.place])
            input_data(data=features, label=labels, feature_names=names)
            self.place += 1
            return True

    return Parts()
