"""How good a detector is on days that people have labelled, and whether a challenger is better than the champion."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError
from firnflow.models.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firnflow.monitoring.anomalies.verdict import Verdict


class Window(Section):
    """Days on which something happened.

    Attributes:
        first, last: both belong to it.
        kind: what happened.
    """

    first: dt.date
    last: dt.date
    kind: str = ""

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last


class Evaluation(Section):
    """Flags beside labels.

    Attributes:
        windows: how many could have been found: those with a day that was judged.
        found: how many have a flag.
        missed: the first days of the others.
        days: how many were judged.
        false_days: flagged ones outside every window.
        delays: of each window that was found, days from its first judged day to its first flag.
        open_days: flagged ones that nobody has said anything about; empty where every day was looked at.
    """

    windows: int
    found: int
    missed: tuple[dt.date, ...]
    days: int
    false_days: tuple[dt.date, ...]
    delays: tuple[int, ...]
    open_days: tuple[dt.date, ...] = ()

    @property
    def delay(self) -> float | None:
        """Mean days to the first flag; None where nothing was found."""
        return sum(self.delays) / len(self.delays) if self.delays else None

    @property
    def false_a_year(self) -> float | None:
        """False days for each 365.25 judged ones; None where none was judged."""
        return len(self.false_days) / self.days * 365.25 if self.days else None


class Contest(Section):
    """Champion and challenger on the same days.

    Attributes:
        champion, challenger: each one's evaluation.
        better: the challenger finds as many windows with as few false days, and is better in one of both. A trade of
            one for the other is nobody's but the owner's to make.
        reason: a line that says so in figures.
    """

    champion: Evaluation
    challenger: Evaluation
    better: bool
    reason: str

    @classmethod
    def of(cls, champion: Evaluation, challenger: Evaluation) -> Contest:
        """Return the contest of two evaluations on the same days and labels."""
        gained = challenger.found - champion.found
        fewer = len(champion.false_days) - len(challenger.false_days)
        return cls(
            champion=champion,
            challenger=challenger,
            better=gained >= 0 and fewer >= 0 and gained + fewer > 0,
            reason=f"{challenger.found} of {challenger.windows} windows and {len(challenger.false_days)} false days, "
            f"the champion {champion.found} and {len(champion.false_days)}",
        )


def windows_of(pairs: Iterable[Window | Sequence[Any]]) -> tuple[Window, ...]:
    """Return windows from pairs of moments (dates, or text in ISO 8601), as labels are mostly kept; windows stay.

    Raises:
        DataError: a pair is none, cannot be read, or ends before it begins.
    """
    return tuple(pair if isinstance(pair, Window) else _window(pair) for pair in pairs)


def _window(pair: Sequence[Any]) -> Window:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise DataError(f"A window is a pair of a first and a last moment, not {pair!r}")
    first, last = (_date(each) for each in pair)
    if last < first:
        raise DataError(f"The window from {first} ends before it begins: {last}. Mend: swap the two")
    return Window(first=first, last=last)


def evaluate(
    verdicts: Iterable[Verdict],
    windows: Iterable[Window | Sequence[Any]],
    normal: Iterable[Window | Sequence[Any]] | None = None,
) -> Evaluation:
    """Return how verdicts compare with labels. Days that were not judged count for nothing.

    Args:
        verdicts: on the days of one series.
        windows: when something had happened: windows, or pairs as `windows_of` takes them.
        normal: when somebody has seen that nothing had happened: flags there are false, those that are in no window at
            all stay open. None: every day was looked at, so that each flag outside `windows` is false.

    Raises:
        DataError: as `windows_of`.
    """
    judged = {verdict.day: verdict.anomaly for verdict in verdicts if verdict.status in {"normal", "anomaly"}}
    every = sorted(windows_of(windows), key=lambda window: (window.first, window.last))
    quiet = None if normal is None else windows_of(normal)
    possible = {window: days for window in every if (days := [day for day in sorted(judged) if day in window])}
    hits = {window: next((day for day in days if judged[day]), None) for window, days in possible.items()}
    outside = [day for day in sorted(judged) if judged[day] and not any(day in window for window in every)]
    false = [day for day in outside if quiet is None or any(day in window for window in quiet)]
    return Evaluation(
        windows=len(possible),
        found=sum(hit is not None for hit in hits.values()),
        missed=tuple(window.first for window, hit in hits.items() if hit is None),
        days=len(judged),
        false_days=tuple(false),
        delays=tuple((hit - possible[window][0]).days for window, hit in hits.items() if hit is not None),
        open_days=tuple(day for day in outside if day not in false),
    )


def compare(
    champion: Sequence[Verdict],
    challenger: Sequence[Verdict],
    windows: Iterable[Window | Sequence[Any]],
    normal: Iterable[Window | Sequence[Any]] | None = None,
) -> Contest:
    """Return both on the days that both have judged; the labels are those of `evaluate`.

    Raises:
        DataError: there is no such day.
    """
    labels, quiet = windows_of(windows), None if normal is None else windows_of(normal)
    first = {v.day for v in champion if v.status in {"normal", "anomaly"}}
    both = first & {v.day for v in challenger if v.status in {"normal", "anomaly"}}
    if not both:
        raise DataError("Champion and challenger have judged no day in common. Mend: replay both on the same series")
    old, new = (evaluate([v for v in each if v.day in both], labels, quiet) for each in (champion, challenger))
    return Contest.of(old, new)


def together(contests: Iterable[Contest]) -> Contest:
    """Return the contests about several series as one: windows, days and flags are added up."""
    every = tuple(contests)
    return Contest.of(_sum([each.champion for each in every]), _sum([each.challenger for each in every]))


def _sum(parts: Sequence[Evaluation]) -> Evaluation:
    joined = ("missed", "false_days", "delays", "open_days")
    return Evaluation.model_validate(
        {name: sum(getattr(part, name) for part in parts) for name in ("windows", "found", "days")}
        | {name: tuple(sorted(each for part in parts for each in getattr(part, name))) for name in joined}
    )


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.fromisoformat(value).date()
    except (TypeError, ValueError) as error:
        raise DataError(f"{value!r} is no date. Mend: write 2014-11-27, or 2014-11-27 12:00:00") from error
