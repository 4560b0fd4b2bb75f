"""The detectors of all categories as one model: registered, promoted and taken back together."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import ValidationError

from firnflow.errors import DataError
from firnflow.models.section import Section
from firnflow.monitoring.anomalies.detector import Detector
from firnflow.monitoring.anomalies.settings import DetectorSettings
from firnflow.values.model import Document, Model

if TYPE_CHECKING:
    from collections.abc import Mapping


class Detectors(Section):
    """Detectors by category, fitted with the same settings.

    Attributes:
        settings: what they were fitted with: that is what a contest is about.
        detectors: category → thresholds.
    """

    settings: DetectorSettings
    detectors: dict[str, Detector]

    @property
    def until(self) -> dt.date | None:
        """The last day that they were fitted on; None where there is none."""
        return max((detector.until for detector in self.detectors.values()), default=None)

    def to_model(self) -> Model:
        """Return the model that is stored and registered: plain JSON."""
        return Model(Document(self.model_dump(mode="json")))

    @classmethod
    def of(cls, model: Model) -> Detectors:
        """Return what `to_model` has made a model of. Raises DataError where the model is another one."""
        if not isinstance(model.estimator, Document):
            raise DataError(f"The model holds no detectors, but a {type(model.estimator).__name__}")
        try:
            return cls.model_validate(model.estimator.data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(f"The model holds no detectors: {where}: {first['msg']}") from error


def fitted(detectors: Mapping[str, Detector], settings: DetectorSettings) -> Detectors:
    """Return the detectors as one. Raises DataError where one was fitted with other settings."""
    for category, detector in detectors.items():
        if detector.settings != settings:
            raise DataError(f"The detector of {category} was fitted with other settings. Mend: fit it again")
    return Detectors(settings=settings, detectors=dict(detectors))
