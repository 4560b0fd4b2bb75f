"""Builds a DAG from what `firnflow apply` has compiled."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    AssetAll,
    AssetAny,
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    Param,
    TaskGroup,
)

from .failure import give_up
from .pod import place_of
from .task import PARTITION, asset_of, kind_of

VERSION = 1
START = datetime(2020, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - Airflow's Python may be 3.10


def build(path: str | Path) -> DAG:
    """Return the DAG that a file describes."""
    path = Path(path)
    spec = json.loads(path.read_text(encoding="utf-8"))
    if spec["version"] != VERSION:
        raise ValueError(f"{path} has version {spec['version']}, this runtime reads {VERSION}: firnflow apply")
    data = spec["dag"]
    call = {**spec["call"], "graph": str(path.with_name(spec["graph"])), "pipeline": data["pipeline"]}
    return _dag(data, {**call, "params": sorted(data["params"]), "partitioned": data["partitioned"]})


def _dag(data: dict[str, Any], call: dict[str, Any]) -> DAG:
    dag = DAG(
        dag_id=data["dag_id"],
        description=data["doc"].strip().partition("\n")[0] or None,
        doc_md=data["doc"] or None,
        schedule=_schedule(data["schedule"]),
        start_date=START,
        catchup=False,
        max_active_runs=16 if data["overlap"] else 1,
        params=_params(data),
        tags=data["tags"],
        on_failure_callback=partial(give_up, call),
    )
    with dag:
        groups = _groups(data["groups"])
        tasks: dict[str, Any] = {}
        for each in data["tasks"]:
            tasks[each["id"]] = _operator(each, call, groups, tasks)
            for other in each["reads"]:
                tasks[other] >> tasks[each["id"]]
    return dag


def _schedule(data: dict[str, Any] | None) -> Any:
    if data is None:
        return None
    if data["kind"] == "cron":
        return CronTriggerTimetable(data["expression"], timezone=data["timezone"])
    if data["kind"] == "every":
        return DeltaTriggerTimetable(timedelta(seconds=data["seconds"]))
    if data["kind"] == "asset":
        return asset_of(data)
    return (AssetAll if data["kind"] == "all" else AssetAny)(*map(_schedule, data["of"]))


def _params(data: dict[str, Any]) -> dict[str, Param]:
    found = {}
    for name, each in data["params"].items():
        given = {"default": each["default"]} if "default" in each else {}
        found[name] = Param(**given, **each["schema"])
    if data["partitioned"] and PARTITION not in found:
        what = "The key of the partition; empty: the newest that was complete when the run was due."
        found[PARTITION] = Param(None, type=["null", "string"], description=what)
    return found


def _groups(data: dict[str, str]) -> dict[str, TaskGroup | None]:
    groups: dict[str, TaskGroup | None] = {"": None}
    for path, doc in sorted(data.items()):
        above, _, name = path.rpartition(".")
        groups[path] = TaskGroup(name, parent_group=groups[above], tooltip=doc)
    return groups


def _operator(
    each: dict[str, Any],
    call: dict[str, Any],
    groups: dict[str, TaskGroup | None],
    before: dict[str, Any],
) -> Any:
    """Return the operator of a task; `before` has those of the tasks that it reads."""
    group, _, name = each["id"].rpartition(".")
    options: dict[str, Any] = {
        "task_id": name,
        "task_group": groups[group],
        "doc_md": each["doc"] or None,
        "trigger_rule": each["rule"],
        "retries": each.get("retries", 0),
        "retry_delay": timedelta(seconds=each.get("retry_delay", 1.0)),
        "retry_exponential_backoff": each["backoff"] if each.get("backoff", 1.0) > 1 else 0,
        "execution_timeout": timedelta(seconds=each["timeout"]) if each.get("timeout") else None,
        "outlets": [asset_of(each["publishes"])] if "publishes" in each else None,
        "inlets": [asset_of(each["reads_table"])] if "reads_table" in each else None,
        "priority_weight": each.get("priority"),
        "executor_config": place_of(each.get("pod")),
        **{name: each[name] for name in ("queue", "pool") if name in each},
    }
    options = {name: value for name, value in options.items() if value is not None}  # a map takes no None
    own = {"node": each, "call": call}
    if each["rule"] == "teardown":
        del options["trigger_rule"]  # a teardown has its own: it runs whatever has happened, and hides no failure
        return kind_of(each)(**options, **own).as_teardown(on_failure_fail_dagrun=True)
    if "elements" not in each:
        return kind_of(each)(**options, **own)
    options["map_index_template"] = "{{ task.element['label'] }}"
    if each["at_once"] is not None:
        options["max_active_tis_per_dagrun"] = each["at_once"]
    elements = each["elements"]
    if elements is None:
        elements = before[each["reads"][0]].output
    return kind_of(each).partial(**options, **own).expand(element=elements)
