"""What every target must do: for each small pipeline how its run and its tasks end; and what each target can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Can = Literal["yes", "notyet", "never"]

TARGETS = ("local", "airflow", "snowflake")


def _can(airflow: Can = "yes", snowflake: Can = "yes") -> dict[str, Can]:
    return dict(zip(TARGETS, ("yes", airflow, snowflake), strict=True))


CAPABILITIES: dict[str, tuple[str, dict[str, Can]]] = {
    "values": ("tables, several outputs, JSON, pages", _can()),
    "expressions": ("tables that the warehouse computes", _can()),
    "params": ("typed parameters, in sections, with any text", _can()),
    "maps": ("maps over lists written down, given, computed, empty, crossed", _can()),
    "branches": ("branches, joins, arguments that accept None", _can()),
    "groups": ("sub-pipelines", _can()),
    "finalizer": ("a finalizer that always runs and hides nothing", _can()),
    "retries": ("retries after an error and after a killed process", _can()),
    "timeout": ("a timeout that ends the whole process tree", _can()),
    "tables": ("named tables, and pipelines that start each other by them", _can()),
    "partitions": ("runs for a partition", _can()),
    "backfill": ("backfills of partitions", _can()),
    "sources": ("files of a source that start a pipeline", _can(airflow="notyet", snowflake="notyet")),
    "memory": ("a task's memory limit", _can()),
    "operation": ("run, logs, cancel, resume by `firnflow`", _can()),
}
"""Name → what it is, and which target can do it: `never` is refused when planning."""

BY_TESTS = {"airflow": {"backfill", "operation"}, "snowflake": {"backfill", "operation"}}
"""Target → what is shown by tests of its own rather than by a case."""

GAPS = {
    ("airflow", "sources"): r"Airflow does not look at source feed: what puts files there makes an event",
    ("snowflake", "sources"): r"for files of source 'feed' is not there.* Mend: schedule=ff.Cron",
}
"""Target and what it cannot do → what planning says of it."""


@dataclass(frozen=True)
class Case:
    """One run of one pipeline.

    Attributes:
        name: of the case.
        pipeline: that runs.
        needs: the capabilities that it shows.
        status: how the run ends.
        states: task → how it ends, where that is not `succeeded`; None: targets may say it differently.
        params: of the run; `FOLDER` stands for an empty folder.
        partition: that the run is for.
    """

    name: str
    pipeline: str
    needs: tuple[str, ...]
    status: str = "succeeded"
    states: dict[str, str] | None = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    partition: str | None = None


_RIGHT = {"below": "skipped", "left": "skipped", "listed": "skipped", "double": "skipped", "total": "skipped"}
_LEFT = {"right": "skipped", "below_right": "skipped", "perhaps": "skipped"}

CASES = (
    Case("values", "values", ("values", "params")),
    Case("expressions", "expressions", ("expressions",)),
    Case("maps", "maps", ("maps",)),
    Case("the left branch", "branches", ("branches", "finalizer"), states=_LEFT),
    Case("the right branch", "branches", ("branches",), states=_RIGHT, params={"side": "right"}),
    Case("groups", "groups", ("groups",)),
    Case("a failure", "failing", ("finalizer",), "failed", {"broken": "failed"}),
    Case("retries", "retried", ("retries",), params={"folder": "FOLDER"}),
    Case("a timeout", "timed_out", ("timeout",), "failed", None, {"folder": "FOLDER"}),
    Case("a table", "publishing", ("tables",)),
    Case("a partition", "daily", ("partitions",), partition="2026-01-05"),
    Case("too much memory", "greedy", ("memory",), "failed", {"hungry": "failed"}),
)


def that(target: str) -> list[Case]:
    """Return the cases of which a target can do all that they need."""
    return [case for case in CASES if all(CAPABILITIES[need][1][target] == "yes" for need in case.needs)]
