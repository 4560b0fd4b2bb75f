"""What drives an unusual day: which categories, and how much of the difference each of them explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import DataError
from firnflow.models.section import Section
from firnflow.monitoring.anomalies.scale import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.monitoring.anomalies.verdict import Verdict


class Driver(Section):
    """A category on an unusual day.

    Attributes:
        category: its name.
        value, expected: what it was, and should have been.
        difference: value less expected.
        share: of all categories' differences that go the same way as their sum, between 0 and 1; 0 for those that go
            the other way.
        anomaly: whether the category itself is flagged.
    """

    category: str
    value: float
    expected: float
    difference: float
    share: float
    anomaly: bool


def drivers(verdicts: Mapping[str, Verdict]) -> tuple[Driver, ...]:
    """Return the categories of a day, the one that explains most first.

    Args:
        verdicts: category → its verdict, all on one day. Those without a value or a forecast are left out.

    Raises:
        DataError: the verdicts are on different days.
    """
    days = {verdict.day for verdict in verdicts.values()}
    if len(days) > 1:
        raise DataError(f"The verdicts are on different days: {min(days)} to {max(days)}. Mend: give those of one day")
    known = {
        category: (verdict, verdict.value, verdict.expected)
        for category, verdict in verdicts.items()
        if verdict.value is not None and verdict.expected is not None
    }
    differences = {category: value - expected for category, (_, value, expected) in known.items()}
    sign = 1.0 if sum(differences.values()) >= 0 else -1.0
    whole = sum(max(0.0, sign * difference) for difference in differences.values())
    found = [
        Driver(
            category=category,
            value=value,
            expected=expected,
            difference=rounded(differences[category]),
            share=rounded(max(0.0, sign * differences[category]) / whole) if whole else 0.0,
            anomaly=verdict.anomaly,
        )
        for category, (verdict, value, expected) in known.items()
    ]
    return tuple(sorted(found, key=lambda driver: (-driver.share, -abs(driver.difference), driver.category)))
