"""A pipeline's schedule as Airflow's: cron and intervals as timetables, updates of tables and sources as conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.graph.cron import interval_as_cron
from firnflow.graph.model import AllOf, AnyOf, Cron, Every, OnUpdate, updates_of
from firnflow.graph.units import format_duration

if TYPE_CHECKING:
    from firnflow.graph.model import Schedule


def compile_schedule(schedule: Schedule | None, prefix: str) -> dict[str, Any] | None:
    """Return the schedule as the runtime reads it; None: the pipeline runs when somebody starts it.

    Args:
        schedule: of the pipeline.
        prefix: of the names of assets.
    """
    if schedule is None:
        return None
    if isinstance(schedule, Cron):
        return {"kind": "cron", "expression": schedule.expression, "timezone": schedule.timezone}
    if isinstance(schedule, Every):
        expression = interval_as_cron(schedule.seconds)
        if expression is not None:
            return {"kind": "cron", "expression": expression, "timezone": "UTC"}
        return {"kind": "every", "seconds": schedule.seconds}
    if isinstance(schedule, OnUpdate):
        found = source_asset(schedule.source, prefix) if schedule.source else asset(str(schedule.table), prefix)
        return {"kind": "asset", **found}
    return {"kind": schedule.kind, "of": [compile_schedule(each, prefix) for each in schedule.of]}


def asset(table: str, prefix: str) -> dict[str, str]:
    """Return what Airflow calls a named table; every environment with this prefix means the same by it."""
    name = f"{prefix}{table}"
    return {"name": name, "uri": f"firnflow://tables/{name}"}


def source_asset(source: str, prefix: str) -> dict[str, str]:
    """Return what Airflow calls a source, of which somebody tells it; no table has a dash in its name."""
    return {"name": f"{prefix}source-{source}", "uri": f"firnflow://sources/{prefix}{source}"}


def in_words(schedule: Schedule | None) -> str:
    """Return a schedule for people."""
    if isinstance(schedule, Cron):
        return f"{schedule.expression} {schedule.timezone}"
    if isinstance(schedule, Every):
        return f"every {format_duration(schedule.seconds)}"
    if isinstance(schedule, OnUpdate):
        return f"when {schedule.table or schedule.source} has a new version"
    if isinstance(schedule, AllOf | AnyOf):
        word = " & " if isinstance(schedule, AllOf) else " | "
        parts = [in_words(each).removeprefix("when ").removesuffix(" has a new version") for each in schedule.of]
        parts = [f"({part})" if " " in part else part for part in parts]
        return f"when {word.join(parts)} has a new version"
    return "none"


def weak_points(pipeline: str, schedule: Schedule | None, prefix: str) -> list[str]:
    """Return what of a schedule Airflow does otherwise than `firnflow up`."""
    sources = [each.source for each in updates_of(schedule) if each.source is not None] if schedule else []
    found = [
        f"{pipeline}: Airflow does not look at source {source}: what puts files there makes an event of the asset "
        f"{source_asset(source, prefix)['name']}"
        for source in sources
    ]
    if isinstance(schedule, Cron | Every) and schedule.catch_up != "last":
        found.append(
            f"{pipeline}: catch_up={schedule.catch_up!r} is not Airflow's: it makes up for the last moment only"
        )
    if isinstance(schedule, Every) and interval_as_cron(schedule.seconds) is None:
        found.append(
            f"{pipeline}: Every({format_duration(schedule.seconds)!r}) does not divide the day, so Airflow counts it "
            "from the first run"
        )
    return found
