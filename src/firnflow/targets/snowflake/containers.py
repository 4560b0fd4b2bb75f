"""The containers of a run: its jobs, which are found by what they say of themselves, and their logs."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.errors import StoreError
from firnflow.targets.operate import LogLine
from firnflow.targets.snowflake.account import is_passing
from firnflow.targets.snowflake.beside.procedure import MARK
from firnflow.targets.snowflake.grammar import render_name
from firnflow.targets.snowflake.grammar.statements import CallProcedure, Select
from firnflow.targets.snowflake.grammar.values import Call, Constant, Method, Name

if TYPE_CHECKING:
    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.compile.place import Place

LINES = 10_000
"""Of a log; Snowflake gives the last 100 kB: https://docs.snowflake.com/en/sql-reference/functions/
system_get_service_logs"""
_ABOUT = re.compile(r"firnflow run=(\S+) task=(\S+?)(?: element=(\d+))?")
_SAID = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00) (.*)")
_ENDED = ("DONE", "FAILED", "CANCELLED", "CANCELLING", "INTERNAL_ERROR", "DELETED")


@dataclass(frozen=True, slots=True)
class Container:
    """A job.

    Attributes:
        name: its name.
        tasks: which tasks of a run it is.
        element: which element of a map, or -1.
        made: when it was made, in seconds since 1970.
        is_over: whether it has ended.
        instances: how many it has.
    """

    name: Name
    tasks: tuple[str, ...]
    element: int
    made: float
    is_over: bool
    instances: int = 1


def containers(account: Account, place: Place, run: str) -> list[Container]:
    """Return the jobs of a run of Firnflow's, the oldest first."""
    found = []
    for row in account.show("SERVICES", place.schema_name):
        about = _ABOUT.fullmatch(str(row.get("comment") or ""))
        if about is not None and about[1] == run:
            name, over = place.named(str(row["name"])), str(row["status"]).upper() in _ENDED
            made = row["created_on"].timestamp()
            tasks, count = tuple(about[2].split("+")), int(row.get("target_instances") or 1)
            found.append(Container(name, tasks, int(about[3] or -1), made, over, count))
    return sorted(found, key=lambda each: each.made)


def cancel(account: Account, container: Container) -> None:
    """End a job. One that has just ended is none to end."""
    account.looked(CallProcedure(Method(container.name, Call(Name(("SPCS_CANCEL_JOB",)), ()))))


def lines(account: Account, container: Container) -> list[LogLine]:
    """Return what a job has said so far; nothing where its containers have not begun, or their logs are gone."""
    return [line for at in range(container.instances) for line in _lines(account, container, at)]


def _lines(account: Account, container: Container, instance: int) -> list[LogLine]:
    arguments = (Constant(render_name(container.name)), Constant(instance), Constant("main"), Constant(LINES))
    try:
        rows = account.do(Select((Call(Name(("SYSTEM$GET_SERVICE_LOGS",)), arguments),)))
    except StoreError as error:
        if is_passing(error):
            raise
        return []
    text = next(iter(rows[0].values())) if rows else ""
    source = container.name.last if container.instances == 1 else f"{container.name.last}/{instance}"
    return [LogLine(at, "info", source, line) for at, line in timed(str(text or ""), container.made)]


def timed(log: str, began: float) -> list[tuple[float, str]]:
    """Return the lines of a log, each with when it was said, in seconds since 1970.

    Args:
        log: as it is; a line that was not said by way of the launcher has no moment, and gets that of the one before.
        began: when it begins.
    """
    found, at = [], began
    for line in log.splitlines():
        if line.startswith(MARK):
            continue
        if (said := _SAID.fullmatch(line)) is not None:
            at, line = dt.datetime.fromisoformat(said[1]).timestamp(), said[2]  # noqa: PLW2901 - the same line
        if line.strip():
            found.append((at, line))
    return found
