"""Estimators of classes that the project lets be pickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.values import pickles
from firnflow.values.libraries import Packed
from firnflow.values.refusal import full_name

if TYPE_CHECKING:
    from firnflow.values.base import Trust


class Pickled:
    """Whatever `[models] pickle` names."""

    name: ClassVar[str] = "pickle"
    types: ClassVar[tuple[str, ...]] = ()

    def pack(self, estimator: Any, trust: Trust) -> Packed:
        """Return the pickle."""
        return Packed(pickles.dumps(estimator, trust), "pkl", {"class": full_name(type(estimator))})

    def unpack(self, packed: Packed, trust: Trust) -> Any:
        """Return the estimator, if the project allows its class."""
        return pickles.loads(packed.content, packed.info["class"], trust)

    def version(self) -> str:
        """Return the version of the format."""
        return str(pickles.PROTOCOL)
