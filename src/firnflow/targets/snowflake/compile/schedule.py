"""A pipeline's schedule as Snowflake's.

https://docs.snowflake.com/en/sql-reference/sql/create-task (SCHEDULE, OVERLAP_POLICY)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import UsageError
from firnflow.graph.cron import interval_as_cron
from firnflow.graph.model import AllOf, AnyOf, Cron, Every, OnUpdate, updates_of
from firnflow.graph.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from firnflow.graph.model import Graph, Schedule, Trigger

_LONGEST = 11_520
"""Minutes of an interval: 8 days."""
_DAYS_OF_WEEK = 4


def compile_schedule(graph: Graph) -> str | None:
    """Return the SCHEDULE of a root task; None: it runs when somebody starts it.

    Raises:
        UsageError: Snowflake cannot run it so.
    """
    schedule = graph.schedule
    if schedule is None or any(updates_of(schedule)):
        return None
    if isinstance(schedule, Cron):
        return f"USING CRON {_cron(graph, schedule.expression)} {schedule.timezone}"
    assert isinstance(schedule, Every)  # noqa: S101 - the last of the schedules
    return _every(graph, schedule.seconds)


def waits_for(graph: Graph, streamed: Collection[str] = ()) -> list[str]:
    """Return the named tables whose new versions start a pipeline; none where a clock starts it, or nobody.

    Args:
        graph: of the pipeline.
        streamed: the sources that are tables and views in Snowflake, on which there are streams.

    Raises:
        UsageError: it waits for another source, which nobody looks at there.
    """
    waits = list(dict.fromkeys(updates_of(graph.schedule)))
    source = next((each.source for each in waits if each.source is not None and each.source not in streamed), None)
    if source is None:
        return [each.table for each in waits if each.table is not None]
    raise UsageError(
        f"pipeline {graph.pipeline!r}: to wait for files of source {source!r} is not there yet on Snowflake, where "
        f"only sources that are a table or a view of it are looked at. Mend: schedule=ff.Cron(…), or let what brings "
        f"the files start it: firnflow run {graph.pipeline}"
    )


def as_waiting(graphs: Iterable[Graph], streamed: Collection[str] = ()) -> dict[str, list[str]]:
    """Return named table → the pipelines that wait for it. Raises UsageError as `waits_for`."""
    found: dict[str, list[str]] = {}
    for graph in graphs:
        for table in waits_for(graph, streamed):
            found.setdefault(table, []).append(graph.pipeline)
    return found


def told(schedule: Schedule | None) -> str:
    """Return what a schedule waits for, for people: `a & b | c`."""
    if isinstance(schedule, AllOf | AnyOf):
        return (" & " if isinstance(schedule, AllOf) else " | ").join(_inside(schedule, each) for each in schedule.of)
    return (schedule.table or f"source {schedule.source}") if isinstance(schedule, OnUpdate) else ""


def _inside(outer: AllOf | AnyOf, part: Trigger) -> str:
    text = told(part)
    return f"({text})" if isinstance(outer, AllOf) and isinstance(part, AnyOf) else text


def is_overlapping(schedule: Schedule | None) -> bool:
    """Whether runs of a pipeline may be under way at once."""
    return isinstance(schedule, Cron | Every) and schedule.overlap


def weak_points(graph: Graph, streamed: Collection[str] = ()) -> list[str]:
    """Return what of a schedule Snowflake does otherwise than `firnflow up`; `streamed` as of `waits_for`."""
    schedule = graph.schedule
    found = [
        f"{graph.pipeline}: starts when a task on Snowflake publishes {table!r}; a version that is published elsewhere "
        "starts nothing there"
        for table in waits_for(graph, streamed)
    ]
    if isinstance(schedule, Cron | Every) and schedule.catch_up == "all":
        found.append(f"{graph.pipeline}: catch_up='all' is not Snowflake's: it makes up for no moment that has passed")
    if isinstance(schedule, Every) and interval_as_cron(schedule.seconds) is None:
        found.append(
            f"{graph.pipeline}: Every({format_duration(schedule.seconds)!r}) does not divide the day, so Snowflake "
            "counts it from when it is applied"
        )
    return found


def _cron(graph: Graph, expression: str) -> str:
    """Return the expression with Sunday as 0. Raises UsageError where days of month and of week are both given."""
    fields = expression.split()
    if fields[2] != "*" and fields[_DAYS_OF_WEEK] != "*":
        raise UsageError(
            f"pipeline {graph.pipeline!r}: {expression!r} names days of the month and of the week, and what that means "
            "on Snowflake is not known. Mend: name the one or the other"
        )
    fields[_DAYS_OF_WEEK] = ",".join(_sundays(item) for item in fields[_DAYS_OF_WEEK].split(","))
    return " ".join(fields)


def _sundays(item: str) -> str:
    """Return an item of the days of the week in which Sunday is 0, as Snowflake wants it, not 7."""
    if item == "7":
        return "0"
    first, dash, last = item.partition("-")
    return f"{first}-6,0" if dash and last == "7" else item


def _every(graph: Graph, seconds: float) -> str:
    expression = interval_as_cron(seconds)
    if expression is not None:
        return f"USING CRON {expression} UTC"
    if seconds % 60 or not 1 <= seconds // 60 <= _LONGEST:
        raise UsageError(
            f"pipeline {graph.pipeline!r}: Snowflake runs every 1 to {_LONGEST} whole minutes, not every "
            f"{format_duration(seconds)}. Mend: another interval, or schedule=ff.Cron(…)"
        )
    return f"{int(seconds // 60)} MINUTES"
