"""The base of settings and of plain results, and which column of a table is what."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """The base: frozen, unknown names are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Columns(Section):
    """Which column is what. Every other column is a feature.

    Attributes:
        key: names a row; never a feature. Integers or text.
        label: what is predicted: two values, or a number.
        positive: of two values the one that counts as 1; the other one counts as 0.
        ignore: columns that are left out.
        time: says when a row was known; never a feature. Needed for `training.validation = "time"` only.
    """

    key: str
    label: str
    positive: str | int | bool = 1
    ignore: tuple[str, ...] = ()
    time: str | None = None

    @property
    def no_features(self) -> tuple[str, ...]:
        """Key, label and time."""
        return (self.key, self.label) if self.time is None else (self.key, self.label, self.time)
