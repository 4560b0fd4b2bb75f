"""Which rows a model has never seen: the division that kept them from it, as data that travels with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from firnflow.models.evaluation.keyhash import HASH, with_hash
from firnflow.models.section import Section

if TYPE_CHECKING:
    import ibis

    from firnflow.values.model import Model


class Holdout(Section):
    """How rows were divided: those of a label whose hash is below its bound were there to learn from.

    A row that came later and falls below the bound counts as seen, though the model may not have seen it. That is the
    safe side: no row above the bound was ever in reach of the training.

    Attributes:
        scheme: what the hash is; another scheme is not understood, and then nobody knows which rows were seen.
        key: the column that was hashed.
        label: the column whose value (0 or 1) chooses the bound.
        seed: of the hash.
        test_share: the share of each class that was kept.
        bounds: for the labels 0 and 1.
    """

    scheme: Literal["key-hash-1"] = "key-hash-1"
    key: str
    label: str
    seed: int
    test_share: float
    bounds: tuple[float, float]

    def seen(self, table: ibis.Table, name: str) -> ibis.Table:
        """Return the table with a boolean column more: whether the row was in reach of the training.

        Args:
            table: has `key` and `label`, the latter 0 or 1.
            name: of the new column.
        """
        hashed = with_hash(table, self.key, self.seed, "split")
        return hashed.mutate(**{name: self.for_training(hashed)}).drop(HASH)

    def for_training(self, hashed: ibis.Table) -> Any:
        """Return the condition of the rows to learn from, on a table that `with_hash` returned."""
        import ibis

        return hashed[HASH] < ibis.cases((hashed[self.label] == 1, self.bounds[1]), else_=self.bounds[0])


def holdout_of(model: Model) -> Holdout | None:
    """Return what the model's metadata say; None where they say nothing that is understood."""
    try:
        return Holdout.model_validate(model.metadata.get("holdout"))
    except ValidationError:
        return None
