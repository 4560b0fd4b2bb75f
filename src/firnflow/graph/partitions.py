"""What each run of a pipeline is for: a day, an hour, a week or a key.

Partitions of time follow one another without a gap in a time zone: a day begins with the first moment that the wall
clock shows its date, so it has 23, 24 or 25 hours; an hour that comes twice is two partitions, the second with a `b`
(`2026-10-25T02b`). What the clock skips is no partition. A week is that of ISO 8601, from Monday (`2026-W05`).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from firnflow._text import nearest
from firnflow.graph.cron import check_timezone
from firnflow.graph.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 100
"""How many characters a key has at the most."""
_KEY = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{LONGEST - 1}}}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOUR = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2})(b?)")
_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_YEARS = range(1000, 9999)  # four digits, with room at the end for the last moment of a week
_QUARTER = 900.0  # seconds; what the clocks of all zones are set by is a multiple of it


@dataclass(frozen=True, slots=True)
class Span:
    """When a partition begins and ends, in seconds since 1970; the end is the first moment that is not in it.

    No datetimes: Python compares two of one time zone by what the wall clock shows, which may show it twice.
    """

    start: float
    end: float


class _Timed(Written):
    """Partitions that follow one another in time."""

    fields: ClassVar[tuple[str, ...]] = ("key", "day", "start", "end")
    word: ClassVar[str]
    start: Annotated[str, BeforeValidator(str)]
    """The key of the first one."""
    timezone: Annotated[str, AfterValidator(check_timezone)] = "UTC"

    @model_validator(mode="after")
    def _check_start(self) -> _Timed:
        try:
            self._span(self.start)
        except ValueError as error:
            raise ValueError(f"start: {error}") from None
        return self

    def __init__(self, start: str | dt.date = "", timezone: str = "UTC", **unknown: Any) -> None:
        super().__init__(start=self._first(start), timezone=timezone, **unknown)

    def check(self, key: str) -> str:
        """Return the key. Raises ValueError where there is no such partition, or the clock never shows it."""
        if self.span(key).start < self._span(self.start).start:
            raise ValueError(f"{key} is before the first partition, {self.start}")
        return key

    def span(self, key: str) -> Span:
        """Return when a partition begins and ends. Raises ValueError where the clock never shows it."""
        span = self._span(key)
        if span.start >= span.end:
            raise ValueError(f"{key}: the clock of {self.timezone} skips it")
        return span

    def values(self, key: str) -> dict[str, str]:
        """Return of each field what it is for a partition, as JSON has it. Raises ValueError as `check`."""
        span = self.span(self.check(key))
        start, end = self._zoned(span.start), self._zoned(span.end)
        return {"key": key, "day": f"{self._day(key)}", "start": start.isoformat(), "end": end.isoformat()}

    def is_over(self, key: str, now: float) -> bool:
        """Return whether a partition is complete at a moment (seconds since 1970)."""
        return self.span(key).end <= now

    def moment(self, at: float) -> str:
        """Return a moment (seconds since 1970) as the clock of the time zone shows it."""
        return self._zoned(at).isoformat(sep=" ", timespec="minutes")

    def newest(self, now: float) -> str | None:
        """Return the newest partition that is complete at a moment, or None."""
        try:
            under_way = self._span(self._at(now))
            return self.check(self._at(under_way.start - 1))
        except ValueError:  # the first one has not ended
            return None

    def between(self, first: str, last: str) -> Iterator[str]:
        """Yield the keys from one to another. Raises ValueError where one is no partition."""
        until, key = self.span(self.check(last)).start, self.check(first)
        while (span := self.span(key)).start <= until:
            yield key
            key = self._at(span.end)

    def following(self, key: str) -> str:
        """Return the partition that comes right after one. Raises ValueError as `span`."""
        return self._at(self.span(key).end)

    def ended_between(self, since: float, now: float) -> list[str]:
        """Return the partitions that became complete in (since, now], which are seconds since 1970."""
        found, last = [], self.newest(now)
        while last is not None and (span := self._span(last)).end > since:
            found.append(last)
            before = self._at(span.start - 1)
            last = before if span.start > self._span(self.start).start else None
        return found[::-1]

    def _first(self, given: Any) -> Any:
        """Return the key that `start=` stands for; another key of time may stand for the one that it is in."""
        return given.isoformat() if isinstance(given, dt.date) else given

    def _day(self, key: str) -> dt.date:
        return self._zoned(self._span(key).start).date()

    def _zoned(self, moment: float) -> dt.datetime:
        return dt.datetime.fromtimestamp(moment, ZoneInfo(self.timezone))

    def _midnight(self, day: dt.date) -> float:
        """Return when a day begins, for the first time; where the clock skips midnight, the moment of the jump."""
        return dt.datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.timezone)).timestamp()

    def _span(self, key: str) -> Span:
        raise NotImplementedError

    def _at(self, moment: float) -> str:
        raise NotImplementedError


class _Days(_Timed):
    """Partitions of whole days."""

    length: ClassVar[dt.timedelta]

    def _span(self, key: str) -> Span:
        day = self._read(key)
        return Span(self._midnight(day), self._midnight(day + self.length))

    def _at(self, moment: float) -> str:
        day = self._zoned(moment).date()
        while self._midnight(day) > moment:
            day -= dt.timedelta(days=1)
        while self._midnight(day + dt.timedelta(days=1)) <= moment:  # a clock set back over midnight
            day += dt.timedelta(days=1)
        return self._key(day)

    def _day(self, key: str) -> dt.date:
        return self._read(key)

    def _read(self, key: str) -> dt.date:
        raise NotImplementedError

    def _key(self, day: dt.date) -> str:
        raise NotImplementedError


class Daily(_Days):
    """A run a day: `Daily(start="2026-01-01", timezone="Europe/Zurich")`, keys like `2026-01-05`."""

    kind: Literal["daily"] = "daily"
    word: ClassVar[str] = "day"
    length: ClassVar[dt.timedelta] = dt.timedelta(days=1)

    def _read(self, key: str) -> dt.date:
        return _day(key, f"{key!r} is no day: write it like 2026-01-05")

    def _key(self, day: dt.date) -> str:
        return day.isoformat()


class Weekly(_Days):
    """A run a week of ISO 8601: `Weekly(start="2026-W01")`, keys like `2026-W05`. A day stands for its week."""

    kind: Literal["weekly"] = "weekly"
    word: ClassVar[str] = "week"
    length: ClassVar[dt.timedelta] = dt.timedelta(days=7)

    def _first(self, given: Any) -> Any:
        given = super()._first(given)
        return self._key(_day(given, "")) if isinstance(given, str) and _is_day(given) else given

    def _read(self, key: str) -> dt.date:
        match = _WEEK.fullmatch(key)
        try:
            if match is not None and int(match[1]) in _YEARS:
                return dt.date.fromisocalendar(int(match[1]), int(match[2]), 1)
        except ValueError:  # the year has no such week
            pass
        raise ValueError(f"{key!r} is no week: write it like 2026-W05")

    def _key(self, day: dt.date) -> str:
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"


class Hourly(_Timed):
    """A run an hour: `Hourly(start="2026-01-01T00")`, keys like `2026-01-05T13`. A day stands for its first hour."""

    kind: Literal["hourly"] = "hourly"
    word: ClassVar[str] = "hour"

    def _first(self, given: Any) -> Any:
        if isinstance(given, dt.datetime):
            return given.strftime("%Y-%m-%dT%H")
        given = super()._first(given)
        return f"{given}T00" if isinstance(given, str) and _is_day(given) else given

    def _span(self, key: str) -> Span:
        begin = self._begin(key)
        if self._at(begin) != key:  # the clock skips it
            return Span(begin, begin)
        after = begin + _QUARTER
        while (following := self._at(after)) == key:
            after += _QUARTER
        return Span(begin, self._begin(following))

    def _begin(self, key: str) -> float:
        match, said = _HOUR.fullmatch(key), f"{key!r} is no hour: write it like 2026-01-05T13"
        if match is None or int(match[2]) not in range(24):
            raise ValueError(said)
        day, zone = _day(match[1], said), ZoneInfo(self.timezone)
        wall = dt.datetime(day.year, day.month, day.day, int(match[2]), tzinfo=zone)
        if match[3] and not _comes_twice(wall):
            raise ValueError(f"{key}: this hour comes once in {self.timezone}")
        return wall.replace(fold=int(bool(match[3]))).timestamp()

    def _at(self, moment: float) -> str:
        # An hour is named as it begins: where the clock is changed in the middle of it (in St. John's at one minute
        # past midnight, until 2011) what is left of it is no other hour, and none comes in two pieces.
        shown = self._zoned(moment)
        begin = self._zoned(moment - dt.timedelta(minutes=shown.minute, seconds=shown.second).total_seconds())
        wall = begin.replace(minute=0, second=0, microsecond=0)
        return f"{wall:%Y-%m-%dT%H}{'b' if wall.fold and _comes_twice(wall) else ''}"


class ByKey(Written):
    """A run a key: `ByKey("orders", "trial")`; `ByKey()` takes any key of letters, digits and `_.-`."""

    kind: Literal["by_key"] = "by_key"
    fields: ClassVar[tuple[str, ...]] = ("key",)
    word: ClassVar[str] = "key"
    keys: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_keys(self) -> ByKey:
        for key in self.keys:
            check_key(key)
        if len(set(self.keys)) < len(self.keys):
            raise ValueError("keys: one is there twice")
        return self

    def __init__(self, *keys: str, **data: Any) -> None:
        super().__init__(**{"keys": keys, **data})

    def check(self, key: str) -> str:
        """Return the key. Raises ValueError where it is none."""
        if self.keys and key not in self.keys:
            known = nearest(key, self.keys) or f" It is one of {', '.join(self.keys[:12])}."
            raise ValueError(f"{key!r} is no key of it.{known}")
        return check_key(key)

    def values(self, key: str) -> dict[str, str]:
        """Return of each field what it is for a partition. Raises ValueError as `check`."""
        return {"key": self.check(key)}

    def is_over(self, key: str, now: float) -> bool:  # noqa: ARG002 - time is nothing to a key
        """Return True: a key is complete at any time."""
        return True


Timed = Daily | Hourly | Weekly
Partition = Annotated[Daily | Hourly | Weekly | ByKey, Field(discriminator="kind")]


def check_key(key: str) -> str:
    """Return a key that may stand in a path or URL. Raises ValueError where it could lead elsewhere."""
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"{key!r:.120} is no key: letters, digits and `_.-`, a letter or digit first, at most {LONGEST}"
        )
    return key


def _is_day(text: str) -> bool:
    return _DAY.fullmatch(text) is not None


def _day(text: str, said: str) -> dt.date:
    try:
        if _is_day(text) and int(text[:4]) in _YEARS:
            return dt.date.fromisoformat(text)
    except ValueError:  # the 30th of February
        pass
    raise ValueError(said or f"{text!r} is no day: write it like 2026-01-05")


def _comes_twice(wall: dt.datetime) -> bool:
    """Return whether the clock shows a time twice: not once, and not never."""
    first, second = wall.replace(fold=0).utcoffset(), wall.replace(fold=1).utcoffset()
    return first is not None and second is not None and first > second
