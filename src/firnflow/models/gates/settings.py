"""`Gating`: the gates of a pipeline as a section of its parameters."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from firnflow._text import listing, nearest
from firnflow.models.evaluation.catalog import ALIASES, NAMES
from firnflow.models.gates.rules import Rule
from firnflow.models.gates.verdict import Mode
from firnflow.models.section import Columns, Section

DEFAULTS = ("constant", "majority", "information", "mean", "champion")
"""The names of the rules that always apply, unless `off` names them; `defaults` says what each is."""


class Gating(Section):
    """What a model must show before it is promoted.

    Attributes:
        name: the registered model whose champion is the one to beat.
        rules: as text (`"recall >= 0.6"`), tables or objects; see `firnflow.models.gates.rules`.
        off: default rules that do not apply, by name.
        mode: `auto`: who passes is promoted; `manual`: waits for an approval; `shadow`: is judged, nothing more.
        primary: the metric in which a challenger must be better than the champion; None: `roc_auc`, or `rmse` for a
            regression.
        confidence: of each one-sided bound: how rarely noise may pass for progress.
        resamples: of the bootstrap.
        seed: of them.
        min_rows: with fewer rows that neither model has seen, nothing is promoted.
        max_rows: of more, a sample by a hash of their keys is judged; the verdict says so.
        time: the column that orders rows in time, for the baseline `last`.
        series: the column that tells series apart, likewise.
        columns: which column is what, for models without preprocessing of `firnflow.steps`.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    off: tuple[str, ...] = ()
    mode: Mode = "auto"
    primary: str | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    resamples: int = Field(default=1000, ge=100, le=100_000)
    seed: int = 42
    min_rows: int = Field(default=200, ge=20)
    max_rows: int = Field(default=200_000, ge=1000)
    time: str | None = None
    series: str | None = None
    columns: Columns | None = None

    @field_validator("rules", mode="before")
    @classmethod
    def _numbered(cls, given: Any) -> Any:
        # A list that is one text would be taken for its letters.
        return [given] if isinstance(given, str) else given

    @field_validator("off")
    @classmethod
    def _known(cls, off: tuple[str, ...]) -> tuple[str, ...]:
        for name in off:
            if name not in DEFAULTS:
                raise ValueError(f"{name!r} is no default rule.{nearest(name, DEFAULTS)} They are: {listing(DEFAULTS)}")
        return off

    @field_validator("primary")
    @classmethod
    def _metric(cls, name: str | None) -> str | None:
        if name is not None and name not in NAMES:
            raise ValueError(f"{name!r} is no metric.{nearest(name, NAMES)} Known: {listing(NAMES, 40)}")
        return None if name is None else ALIASES.get(name, name)
