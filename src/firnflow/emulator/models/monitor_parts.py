"""What a model monitor is made of: the model's version, the source, its columns; each checked as the page wants it.

https://docs.snowflake.com/en/sql-reference/sql/create-model-monitor
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.models import versions
from firnflow.emulator.objects import relations
from firnflow.emulator.objects.columns import found_columns, snowflake_type
from firnflow.emulator.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session

NEEDED = (
    *("MODEL", "VERSION", "FUNCTION", "SOURCE", "WAREHOUSE", "REFRESH_INTERVAL", "AGGREGATION_WINDOW"),
    "TIMESTAMP_COLUMN",
)
ROLES = {
    "PREDICTION_CLASS_COLUMNS": "prediction_class_columns",
    "PREDICTION_SCORE_COLUMNS": "prediction_score_columns",
    "ACTUAL_CLASS_COLUMNS": "actual_class_columns",
    "ACTUAL_SCORE_COLUMNS": "actual_score_columns",
    "ID_COLUMNS": "id_columns",
    "SEGMENT_COLUMNS": "segment_columns",
    "CUSTOM_METRIC_COLUMNS": "custom_metric_columns",
}
"""Setting → what DESCRIBE calls it."""
FEATURES = {"NUMBER": "numerical_columns", "STRING": "string_columns", "BOOLEAN": "boolean_columns"}
TASKS = ("TABULAR_REGRESSION", "TABULAR_BINARY_CLASSIFICATION", "TABULAR_MULTI_CLASSIFICATION")
_OUTPUTS = tuple(ROLES)[:4]
_MOST_SEGMENTS, _MOST_FEATURES = 5, 500
_INTERVAL = re.compile(r"(\d+)\s*(second|minute|hour|day)s?", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_SHORTEST = 60


def check_model(session: Session, path: FullName, given: dict[str, Any]) -> dict[str, Any]:
    """Return which function of which version of which model is monitored, and its task.

    Raises:
        SnowflakeError: one of them is not there, the model lies in another schema, or the version has a task that
            cannot be monitored, or a monitor already.
    """
    place = session.path("MODEL", given["MODEL"])
    model = session.need("MODEL", place, "USAGE")
    if place[:2] != path[:2]:
        raise errors.invalid(f"Model monitor '{path[2]}' must be in the same schema as the model '{full(place)}'.")
    version = Reader(given["VERSION"]).name()[-1]
    if version not in model.body["versions"]:
        versions.resolved(model, "")  # raises
    function = Reader(given["FUNCTION"]).name()[-1]
    known = [str(each["name"]) for each in versions.functions(session.account, model, version)]
    if function not in known:
        raise errors.invalid(f"Function '{function}' does not exist in version '{version}'. It has: {', '.join(known)}")
    task = versions.task_of(session.account, model, version)
    if task not in TASKS:
        raise errors.invalid(
            f"Model task {task} of version '{version}' is not supported by model monitors: log the model with a task."
        )
    other = _monitor_of(session, place, version)
    if other is not None and other != path:
        raise errors.invalid(f"Model version '{version}' is monitored by '{full(other)}' already.")
    return {"model": list(place), "version": version, "function": function, "task": task}


def _monitor_of(session: Session, model: FullName, version: str) -> FullName | None:
    monitors = session.account.catalog.all("MODEL MONITOR", model[:2])
    asked = [*model], version
    return next((each.path for each in monitors if (each.body["model"], each.body["version"]) == asked), None)


def check_times(given: dict[str, Any]) -> None:
    """Raise SnowflakeError unless the interval is a minute or more, and the window whole days."""
    interval = _INTERVAL.fullmatch(given["REFRESH_INTERVAL"].strip())
    if interval is None or int(interval[1]) * _SECONDS[interval[2].lower()] < _SHORTEST:
        raise errors.invalid(
            f"Invalid REFRESH_INTERVAL '{given['REFRESH_INTERVAL']}': '<num> seconds | minutes | hours | days', 60 "
            "seconds at the least"
        )
    window = _INTERVAL.fullmatch(given["AGGREGATION_WINDOW"].strip())
    if window is None or window[2].lower() != "day" or not int(window[1]):
        raise errors.invalid(f"Invalid AGGREGATION_WINDOW '{given['AGGREGATION_WINDOW']}': '<num> days'")


def check_columns(session: Session, source: FullName, given: dict[str, Any], task: str) -> dict[str, Any]:
    """Return the columns of a monitor by what they are for, those that are for nothing else as features.

    Args:
        session: whose.
        source: the table or view.
        given: the settings of CREATE MODEL MONITOR.
        task: of the model.

    Raises:
        SnowflakeError: one is not there, of another type, or for two things; or the task needs others.
    """
    kinds = kinds_of(session, source)
    said = {"timestamp_column": [given["TIMESTAMP_COLUMN"]], **{ROLES[key]: given.get(key, []) for key in ROLES}}
    found = {role: [Reader(text).name()[-1] for text in texts] for role, texts in said.items()}
    used = [name for names in found.values() for name in names]
    for role, name in ((role, name) for role, names in found.items() for name in names):
        if name not in kinds:
            raise errors.invalid(f"invalid identifier '{name}': {role} of source '{full(source)}' has no such column")
        _check_kind(role, name, kinds[name], task)
    twice = next((name for name in used if used.count(name) > 1), None)
    if twice is not None:
        raise errors.invalid(f"Column '{twice}' may be specified once across all parameters.")
    _check_outputs(found, task)
    features = {
        role: [n for n, kind in kinds.items() if kind == name and n not in used] for name, role in FEATURES.items()
    }
    if sum(map(len, features.values())) > _MOST_FEATURES:
        raise errors.invalid(f"The number of monitored features is limited to {_MOST_FEATURES}.")
    return {**found, **features, "timestamp_column": found["timestamp_column"][0]}


def kinds_of(session: Session, source: FullName) -> dict[str, str]:
    """Return column → NUMBER, STRING, BOOLEAN, TIMESTAMP_NTZ, or another type of Snowflake's."""
    thing = relations.need(session, source, "SELECT")
    declared = thing.body.get("types", {})
    types = {name: snowflake_type(kind, declared.get(name)) for name, kind, *_ in found_columns(session, thing)}
    plain = {"FLOAT": "NUMBER", "VARCHAR": "STRING", "CHAR": "STRING"}
    return {name: plain.get(word, word) for name, kind in types.items() for word in [kind.partition("(")[0]]}


def _check_kind(role: str, name: str, kind: str, task: str) -> None:
    """Raise SnowflakeError where a column is of a type that it may not be."""
    classes = "STRING" if task == "TABULAR_MULTI_CLASSIFICATION" else "NUMBER"
    wanted = {
        "timestamp_column": "TIMESTAMP_NTZ",
        "segment_columns": "STRING",
        "custom_metric_columns": "NUMBER",
        **{ROLES[each]: classes if "CLASS" in each else "NUMBER" for each in _OUTPUTS},
    }.get(role)
    if wanted is not None and kind != wanted:
        raise errors.invalid(f"Column '{name}' ({role}) must be of type {wanted}, not {kind}, for a model of {task}.")


def _check_outputs(found: dict[str, list[str]], task: str) -> None:
    """Raise SnowflakeError where predictions and actuals do not suit the task."""
    for message in _wrong(found, task):
        raise errors.invalid(message)


def _wrong(found: dict[str, list[str]], task: str) -> Iterator[str]:
    many = next((role for role in map(ROLES.__getitem__, _OUTPUTS) if len(found[role]) > 1), None)
    if many is not None:
        yield f"Multiple-output models are not supported: {many} must have at most one element."
    if not found["prediction_class_columns"] and not found["prediction_score_columns"]:
        yield "At least one prediction column (score or class) is required."
    if task == "TABULAR_BINARY_CLASSIFICATION" and found["actual_score_columns"]:
        yield "Binary classification: actuals must be classes."
    scores = found["prediction_score_columns"] + found["actual_score_columns"]
    if task == "TABULAR_MULTI_CLASSIFICATION" and scores:
        yield "Multi-class classification: predictions and actuals must be classes."
    if len(found["segment_columns"]) > _MOST_SEGMENTS:
        yield f"A maximum of {_MOST_SEGMENTS} segment columns per monitor."


def check_baseline(session: Session, baseline: FullName, columns: dict[str, Any], source: FullName) -> None:
    """Raise SnowflakeError unless the baseline has predictions as the source has, and columns of the same types."""
    there, here = kinds_of(session, baseline), kinds_of(session, source)
    for name in [*columns["prediction_class_columns"], *columns["prediction_score_columns"]]:
        if name not in there:
            raise errors.invalid(f"Baseline '{full(baseline)}' has no column '{name}', which the source has.")
    other = next((name for name in here if name in there and here[name] != there[name]), None)
    if other is not None:
        raise errors.invalid(
            f"Column '{other}' of baseline '{full(baseline)}' is {there[other]}, and {here[other]} in the source."
        )
