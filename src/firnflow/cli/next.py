"""`firnflow next`."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer

from firnflow.cli import _options
from firnflow.cli._elsewhere import steered

if TYPE_CHECKING:
    from firnflow.graph.model import Schedule
    from firnflow.stores.state import State
    from firnflow.stores.state.ledger import Due

_LIMIT = typer.Option(1, "--limit", "-n", min=1, max=1000, help="How many moments of each pipeline.")


@steered(state_will_do=True)
def command(
    pipeline: str | None = _options.PIPELINE,
    environment: str | None = _options.ENVIRONMENT,
    limit: int = _LIMIT,
    as_json: bool = _options.JSON,
) -> None:
    """Show when pipelines are due next, which are paused, and how the last due run went."""
    from firnflow.cli import _project, _schedules
    from firnflow.cli._print import print_json, stdout_is_data

    with stdout_is_data():
        project = _project.load(environment)
        names = [_schedules.scheduled(project, pipeline, "next")] if pipeline else sorted(project.pipelines)
    state = _project.find_state(project.root, project.settings)
    schedules = {name: schedule for name in names if (schedule := project.pipeline(name).schedule) is not None}
    found = _found(schedules, state, project.settings.environment, limit)
    is_up = state is not None and _schedules.is_up(state, project.settings.environment)
    if as_json:
        print_json({"environment": project.settings.environment, "up": is_up, "pipelines": found})
    elif found:
        _print(found, schedules)
    else:
        typer.echo("No pipeline has a schedule. Give one: @ff.pipeline(schedule=ff.Cron(…))")
    if found and not is_up and not as_json:
        typer.echo("Nothing starts by itself now. Mend: firnflow up", err=True)


def _found(schedules: dict[str, Schedule], state: State | None, environment: str, limit: int) -> list[dict[str, Any]]:
    from firnflow.engine.schedules.calendar import moments
    from firnflow.stores.state.ledger import Ledger

    ledger = Ledger(state, environment) if state is not None else None
    standings, there, last = (ledger.standings(), ledger.open(), ledger.last()) if ledger else ({}, [], {})
    now = time.time()
    return [
        {
            "pipeline": name,
            "schedule": schedule.model_dump(mode="json"),
            "next": [_text(schedule, each) for each in itertools.islice(moments(schedule, now), limit)],
            "paused": (standing := standings.get(name)) is not None and standing.paused_at is not None,
            "open": [_due(each) for each in there if each.pipeline == name],
            "last": _due(last[name]) if name in last else None,
        }
        for name, schedule in schedules.items()
    ]


def _due(due: Due) -> dict[str, Any]:
    moment = dt.datetime.fromtimestamp(due.due, dt.UTC).isoformat(timespec="seconds")
    what = {"partition": due.partition, "run": due.run}
    return {"due": moment, "cause": due.cause, **what, "status": due.status, "outcome": due.outcome}


def _text(schedule: Schedule, moment: float) -> str:
    zone = ZoneInfo(getattr(schedule, "timezone", "UTC"))
    precise = "seconds" if moment == int(moment) else "milliseconds"
    return dt.datetime.fromtimestamp(moment, zone).isoformat(timespec=precise)


def _print(found: list[dict[str, Any]], schedules: dict[str, Schedule]) -> None:
    from firnflow.cli._print import print_table
    from firnflow.graph.draw.picture import schedule_text
    from firnflow.graph.model import Cron, Every

    rows = []
    for each in found:
        schedule = schedules[each["pipeline"]]
        nothing = ["never" if isinstance(schedule, Cron | Every) else f"with the next {_news(schedule)}"]
        standing = "paused" if each["paused"] else ", ".join(due["status"] for due in each["open"])
        last = f"{each['last']['outcome']}".partition("\n")[0] if each["last"] else ""
        rest = (schedule_text(schedule), standing, last)
        rows += [(each["pipeline"], moment.replace("T", " "), *rest) for moment in each["next"] or nothing]
    print_table(("pipeline", "next", "schedule", "now", "last"), rows)


def _news(schedule: Schedule) -> str:
    from firnflow.graph.model import updates_of

    kinds = dict.fromkeys("version" if each.table is not None else "file" for each in updates_of(schedule))
    return " or ".join(kinds)
