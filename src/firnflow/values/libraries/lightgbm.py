"""LightGBM's Booster in its own format, a text. Its classes with scikit-learn's interface are scikit-learn's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.values.libraries import Packed

if TYPE_CHECKING:
    from firnflow.values.base import Trust


class LightGBM:
    """`lightgbm.Booster`."""

    name: ClassVar[str] = "lightgbm"
    types: ClassVar[tuple[str, ...]] = ("lightgbm.Booster",)

    def pack(self, estimator: Any, trust: Trust) -> Packed:  # noqa: ARG002 - the protocol's
        """Return the model with all its trees."""
        info = {"class": "Booster", "best_iteration": int(estimator.best_iteration)}
        return Packed(estimator.model_to_string(num_iteration=-1).encode(), "txt", info)

    def unpack(self, packed: Packed, trust: Trust) -> Any:  # noqa: ARG002 - the protocol's
        """Return the Booster."""
        import lightgbm

        booster = lightgbm.Booster(model_str=packed.content.decode())
        booster.best_iteration = int(packed.info["best_iteration"])
        return booster

    def version(self) -> str:
        """Return LightGBM's version."""
        import lightgbm

        return str(lightgbm.__version__)
