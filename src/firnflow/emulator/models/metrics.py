"""The table functions that say what a model monitor has found, for each day, week or other span of time.

https://docs.snowflake.com/en/sql-reference/functions-model-monitors
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from firnflow.emulator import errors
from firnflow.emulator.models import drift, performance
from firnflow.emulator.models.monitor_parts import FEATURES, ROLES
from firnflow.emulator.models.monitors import held_rows
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import relation
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session

_SPAN = re.compile(r"(\d+)\s+(DAY|WEEK|MONTH|QUARTER|YEAR)S?", re.IGNORECASE)
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_BEFORE = dt.timedelta(days=60)
"""What is asked for where nobody says from when."""
_MONDAY = -3
"""Days from 1970-01-01 to the Monday before it, from which weeks are counted."""
_TAIL = (("SEGMENT_COLUMN", "text"), ("SEGMENT_VALUE", "text"))
_HEAD = (("EVENT_TIMESTAMP", "timestamp_ntz"), ("METRIC_VALUE", "real"))


@dataclass(frozen=True)
class _Asked:
    """The monitor, which rows of its source count, by the spans of time that they are in, and the segment."""

    monitor: Object
    spans: dict[Any, Any]
    segment: tuple[str | None, str | None]

    @property
    def columns(self) -> dict[str, Any]:
        held: dict[str, Any] = self.monitor.body["columns"]
        return held

    def column(self, text: str) -> str:
        """Return a column that the monitor watches: a feature, a prediction, an actual or a metric of one's own."""
        name = Reader(text).name()[-1]
        roles = (*FEATURES.values(), *(role for role in ROLES.values() if role != "id_columns"))
        if name not in [each for role in roles for each in self.columns[role]]:
            raise errors.invalid(f"Column '{name}' does not exist in model monitor '{self.monitor.name}'.")
        return name


def _asked(
    session: Session,
    monitor: str,
    granularity: str | None = None,
    start: Any = None,
    end: Any = None,
    extra: Any = None,
) -> _Asked:
    """Read what each of these functions is told last: the spans of time, from when until when, and the segment."""
    thing = session.find("MODEL MONITOR", session.path("MODEL MONITOR", Reader(monitor).name()))
    table = held_rows(session, thing, "source")
    segment = _segment(thing, extra)
    times = table[thing.body["columns"]["timestamp_column"]].to_numpy().astype("datetime64[us]")
    until = _moment(end) or dt.datetime.now(dt.UTC).replace(tzinfo=None)
    since = _moment(start) or until - _BEFORE
    counts = (times >= np.datetime64(since)) & (times < np.datetime64(until))
    if segment[0] is not None:
        counts &= np.array([value == segment[1] for value in table[segment[0]].to_pylist()], dtype=bool)
    begun = _begins(times, granularity, since)
    spans = {moment: table.filter(counts & (begun == moment)) for moment in np.unique(begun[counts])}
    return _Asked(thing, spans, segment)


def _segment(thing: Object, extra: str | None) -> tuple[str | None, str | None]:
    if extra is None:
        return None, None
    try:
        (only,) = json.loads(extra)["SEGMENTS"]
        column, value = Reader(only["column"]).name()[-1], str(only["value"])
    except (ValueError, KeyError, TypeError):
        raise errors.invalid(
            'extra_args must be {"SEGMENTS": [{"column": "…", "value": "…"}]}, with one segment'
        ) from None
    if column not in thing.body["columns"]["segment_columns"]:
        raise errors.invalid(f"Segment column '{column}' does not exist in model monitor '{thing.name}'.")
    return column, value


def _moment(value: Any) -> dt.datetime | None:
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo is not None else value
    return dt.datetime.combine(value, dt.time()) if isinstance(value, dt.date) else dt.datetime.fromisoformat(value)


def _begins(times: Any, granularity: str | None, since: dt.datetime) -> Any:
    """Return for each moment the begin of the span that it is in; all begin with the range where it is `ALL`."""
    text = "1 DAY" if granularity is None else granularity.strip()
    if text.upper() == "ALL":
        return np.full(len(times), np.datetime64(since).astype("datetime64[us]"))
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        raise errors.invalid(
            f"Invalid granularity '{granularity}': '<num> DAY | WEEK | MONTH | QUARTER | YEAR' or 'ALL'"
        )
    number, unit = int(found[1]), found[2].upper()
    if unit in _MONTHS:
        months = times.astype("datetime64[M]").astype(int)
        size = number * _MONTHS[unit]
        return (months // size * size).astype("datetime64[M]").astype("datetime64[us]")
    size, offset = (7 * number, _MONDAY) if unit == "WEEK" else (number, 0)
    days = times.astype("datetime64[D]").astype(int)
    return ((days - offset) // size * size + offset).astype("datetime64[D]").astype("datetime64[us]")


def _values(table: Any, *names: str) -> tuple[list[Any], int]:
    """Return columns without the rows in which one is NULL, and how many those were.

    Raises:
        SnowflakeError: there are values that suspend a monitor: NaN, or infinite ones.
    """
    columns = [table[name].combine_chunks() for name in names]
    valid = np.ones(table.num_rows, dtype=bool)
    for each in columns:
        valid &= each.is_valid().to_numpy(zero_copy_only=False)
    found = [_as_numpy(each.filter(valid)) for each in columns]
    for name, each in zip(names, found, strict=True):
        if each.dtype == np.float64 and not np.isfinite(each).all():
            raise errors.invalid(
                f"Column '{name}' has invalid values (NaN or infinite), which suspend a model monitor."
            )
    return found, int((~valid).sum())


def _as_numpy(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_boolean(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([str(each) for each in column.to_pylist()])
    return np.array(column.to_pylist(), dtype=np.float64)


def _moments(asked: _Asked) -> Iterator[tuple[dt.datetime, Any]]:
    for moment, table in asked.spans.items():
        yield moment.astype("datetime64[us]").item(), table


def _known(name: str, among: Any, what: str) -> Any:
    found = among.get(name.upper())
    if found is None:
        raise errors.invalid(f"Invalid metric '{name}' for {what}. Valid are: {', '.join(among)}")
    return found


@relation("MODEL_MONITOR_DRIFT_METRIC")
def _drift(session: Session, monitor: str, metric: str, column: str, *within: Any) -> Result:
    """Say how far a column has moved from the baseline.

    https://docs.snowflake.com/en/sql-reference/functions/model-monitor-drift-metric
    """
    asked = _asked(session, monitor, *within)
    name = asked.column(column)
    compute = _known(metric, {**drift.OF_ANY, **drift.OF_NUMBERS}, "drift")
    baseline = held_rows(session, asked.monitor, "baseline")
    if name not in baseline.column_names:
        raise errors.invalid(f"The baseline has no column '{name}'.")
    (before,), left_out = _values(baseline, name)
    if metric.upper() in drift.OF_NUMBERS and before.dtype != np.float64:
        raise errors.invalid(f"Metric '{metric}' needs a numerical column, and '{name}' is none.")
    made = []
    for moment, table in _moments(asked):
        (after,), unused = _values(table, name)
        value = compute(before, after) if len(before) and len(after) else None
        counted = (len(after), unused, len(before), left_out)
        made.append((moment, value, *counted, metric.upper(), name, *asked.segment))
    counts = [(f"{of}COL_COUNT_{how}", "fixed") for of in ("", "BASELINE_") for how in ("USED", "UNUSED")]
    return rows([*_HEAD, *counts, ("METRIC_NAME", "text"), ("COLUMN_NAME", "text"), *_TAIL], made)


@relation("MODEL_MONITOR_PERFORMANCE_METRIC")
def _performance(session: Session, monitor: str, metric: str, *within: Any) -> Result:
    """Say how good the predictions were.

    https://docs.snowflake.com/en/sql-reference/functions/model-monitor-performance-metric
    """
    asked = _asked(session, monitor, *within)
    task = asked.monitor.body["task"]
    found = _known(metric, performance.OF_TASK[task], task)
    pair = _compared(asked.columns, found.predicted, task)
    made = []
    for moment, table in _moments(asked):
        value, used, unused = None, 0, table.num_rows
        if pair is not None:
            (said, true), unused = _values(table, *pair)
            _check_scores(said, pair[0], task)
            value, used = found.compute(said, true) if len(said) else None, len(said)
        made.append((moment, value, used, unused, metric.upper(), *asked.segment))
    counts = [("COUNT_USED", "fixed"), ("COUNT_UNUSED", "fixed")]
    return rows([*_HEAD, *counts, ("METRIC_NAME", "text"), *_TAIL], made)


def _compared(columns: dict[str, Any], predicted: str, task: str) -> tuple[str, str] | None:
    """Return the columns that a metric compares; None where the monitor lacks one: then it is NULL."""
    kinds = ("score", "class") if task == "TABULAR_REGRESSION" else (predicted,)
    said = [name for kind in kinds for name in columns[f"prediction_{kind}_columns"]]
    true = columns["actual_score_columns"] + columns["actual_class_columns"]
    return (said[0], true[0]) if said and true else None


def _check_scores(scores: Any, name: str, task: str) -> None:
    """Raise SnowflakeError for probabilities that are none: they suspend a monitor."""
    if task == "TABULAR_BINARY_CLASSIFICATION" and len(scores) and (scores.min() < 0 or scores.max() > 1):
        raise errors.invalid(f"Column '{name}' has values outside of 0 to 1, which suspend a model monitor.")


_COUNTS = {"COUNT": lambda column: len(column) - column.null_count, "COUNT_NULL": lambda column: column.null_count}


@relation("MODEL_MONITOR_STAT_METRIC")
def _stat(session: Session, monitor: str, metric: str, column: str, *within: Any) -> Result:
    """Say how many values a column has.

    https://docs.snowflake.com/en/sql-reference/functions/model-monitor-stat-metric
    """
    asked = _asked(session, monitor, *within)
    name = asked.column(column)
    count = _known(metric, _COUNTS, "counts")
    made = [
        (moment, float(count(table[name])), metric.upper(), name, *asked.segment) for moment, table in _moments(asked)
    ]
    return rows([*_HEAD, ("METRIC_NAME", "text"), ("COLUMN_NAME", "text"), *_TAIL], made)
