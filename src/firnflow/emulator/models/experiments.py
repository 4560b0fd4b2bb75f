"""Experiments: their runs with parameters, metrics and files, as `snowflake.ml.experiment` makes and reads them.

https://docs.snowflake.com/en/developer-guide/snowflake-ml/experiments
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import time
import zlib
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.objects import making
from firnflow.emulator.objects.show import NAMED, comment, like, owner, shown
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import function, relation, statement
from firnflow.emulator.result import Result, done, rows, status
from firnflow.emulator.stages.places import URI_PLACES, Place, folder

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

RUNNING, FINISHED, FAILED = "RUNNING", "FINISHED", "FAILED"
_URI = re.compile(r"snow://experiment/(.+?)/versions/([^/]+)/?(.*)", re.DOTALL)


@statement("CREATE EXPERIMENT", "sql-reference/sql/create-experiment")
def _create(session: Session, given: Statement) -> Result:
    reader = given.reader
    optional = reader.take("IF", "NOT", "EXISTS")
    path = session.path("EXPERIMENT", reader.name())
    reader.end()
    if found := making.begin(session, "EXPERIMENT", path, replaces=given.replaces, optional=optional):
        return found
    making.made(session, "EXPERIMENT", path, {"runs": {}})
    return status(f"Experiment {path[2]} successfully created.")


@statement("DROP EXPERIMENT", "sql-reference/sql/drop-experiment")
def _drop(session: Session, given: Statement) -> Result:
    reader = given.reader
    optional = reader.take("IF", "EXISTS")
    path = session.path("EXPERIMENT", reader.name())
    reader.end()
    experiment = making.droppable(session, "EXPERIMENT", path, optional=optional)
    if experiment is None:
        return making.gone(path[2])
    for run in experiment.body["runs"]:
        shutil.rmtree(_files_of(session.account, path, run), ignore_errors=True)
    session.account.catalog.drop("EXPERIMENT", path)
    return status(f"{path[2]} successfully dropped.")


@statement("ALTER EXPERIMENT", "sql-reference/sql/alter-experiment")
def _alter(session: Session, given: Statement) -> Result:
    reader = given.reader
    experiment = session.need("EXPERIMENT", session.path("EXPERIMENT", reader.name()))
    action = next((each for each in ("ADD", "COMMIT", "DROP", "MODIFY") if reader.take(each, "RUN")), None)
    if action is None:
        raise reader.unexpected()
    run = reader.part()
    runs = dict(experiment.body["runs"])
    if action == "ADD":
        runs[run] = _added(runs, run, reader)
    elif run not in runs:
        raise errors.missing("RUN", run)
    elif action == "DROP":
        del runs[run]
        shutil.rmtree(_files_of(session.account, experiment.path, run), ignore_errors=True)
    else:
        if runs[run]["status"] != RUNNING:
            raise errors.SnowflakeError(
                400004, "22000", f"Run '{run}' of experiment '{experiment.name}' is committed and cannot be altered."
            )
        runs[run] = _committed(runs[run], reader) if action == "COMMIT" else _modified(runs[run], reader)
    reader.end()
    session.account.catalog.put(experiment.changed(runs=runs))
    return done()


def _added(runs: dict[str, Any], run: str, reader: Reader) -> dict[str, Any]:
    if run in runs:
        raise errors.SnowflakeError(2002, "42710", f"SQL compilation error:\nRun '{run}' already exists.")
    source = reader.value() if reader.take("WITH") else {}
    return {"created": time.time(), "status": RUNNING, "metrics": {}, "params": {}, "source": source}


def _committed(held: dict[str, Any], reader: Reader) -> dict[str, Any]:
    ended = FINISHED
    if reader.take("WITH", "STATUS"):
        reader.need("=")
        ended = reader.string()
        if ended not in (FINISHED, FAILED):
            raise errors.invalid(f"Invalid status '{ended}' of a run")
    return {**held, "status": ended}


def _modified(held: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """Return a run with metrics, the last value of a name at a step, or parameters."""
    reader.need("ADD")
    what = reader.word()
    if what not in ("METRICS", "PARAMETERS"):
        raise errors.unknown(f"ALTER EXPERIMENT MODIFY RUN ADD {what}", ["ADD METRICS", "ADD PARAMETERS"])
    reader.need("=")
    given = _entries(reader.string())
    if what == "PARAMETERS":
        return {**held, "params": {**held["params"], **{str(each["name"]): str(each["value"]) for each in given}}}
    metrics = {key: dict(points) for key, points in held["metrics"].items()}
    for each in given:
        points = metrics.setdefault(str(each["name"]), {})
        points[str(int(each.get("step", 0)))] = [float(each["value"]), time.time()]
    return {**held, "metrics": metrics}


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
        if all({"name", "value"} <= set(each) for each in found):
            return list(found)
    except (ValueError, TypeError):
        pass
    raise errors.invalid("What is added to a run has to be JSON: a list of objects with name and value")


# -- what is told of them ---------------------------------------------------------------------------------------------


@statement("SHOW EXPERIMENTS", "sql-reference/sql/show-experiments")
def _show(session: Session, given: Statement) -> Result:
    columns = (
        *NAMED,
        ("comment", "text", comment),
        ("owner", "text", owner),
    )
    return shown(session, given, "EXPERIMENT", columns)


@statement("SHOW RUNS", "sql-reference/sql/show-runs-in-experiment")
def _show_runs(session: Session, given: Statement) -> Result:
    reader = given.reader
    pattern = reader.string() if reader.take("LIKE") else "%"
    experiment = _in_experiment(session, reader)
    reader.end()
    made = [
        (dt.datetime.fromtimestamp(held["created"], dt.UTC), run, *experiment.path, json.dumps(_metadata(held)))
        for run, held in experiment.body["runs"].items()
        if like(pattern, run)
    ]
    head = ("created_on", "name", "database_name", "schema_name", "experiment_name", "metadata")
    return rows([(each, "timestamp_ltz" if each == "created_on" else "text") for each in head], made, kind=0x4400)


def _metadata(held: dict[str, Any]) -> dict[str, Any]:
    """Return what SHOW RUNS says of a run: of its metrics the values at the last step."""
    metrics = [{"name": key, "value": value, "step": step} for key, value, step in _last(held)]
    params = [{"name": key, "value": value} for key, value in held["params"].items()]
    return {"status": held["status"], "metrics": metrics, "parameters": params}


def _last(held: dict[str, Any]) -> list[tuple[str, float, int]]:
    return [(key, points[max(points, key=int)][0], max(map(int, points))) for key, points in held["metrics"].items()]


@statement("SHOW RUN METRICS", "sql-reference/sql/show-run-in-experiment", partly="no LIMIT")
def _show_metrics(session: Session, given: Statement) -> Result:
    pattern, runs = _asked(session, given.reader)
    found = [(run, *last) for run, held in runs for last in _last(held) if like(pattern, last[0])]
    made = [(run, key, repr(value), str(step)) for run, key, value, step in found]
    return rows([(each, "text") for each in ("run_name", "name", "value", "step")], made, kind=0x4400)


@statement("SHOW RUN PARAMETERS", "sql-reference/sql/show-run-in-experiment", partly="no LIMIT")
def _show_parameters(session: Session, given: Statement) -> Result:
    pattern, runs = _asked(session, given.reader)
    made = [(run, key, value) for run, held in runs for key, value in held["params"].items() if like(pattern, key)]
    return rows([(each, "text") for each in ("run_name", "name", "value")], made, kind=0x4400)


def _asked(session: Session, reader: Reader) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Read what stands behind SHOW RUN …; return the pattern of names, and the runs."""
    pattern = reader.string() if reader.take("LIKE") else "%"
    experiment = _in_experiment(session, reader)
    only = reader.part() if reader.take("RUN") else None
    reader.end()
    if only is not None and only not in experiment.body["runs"]:
        raise errors.missing("RUN", only)
    return pattern, [(run, held) for run, held in experiment.body["runs"].items() if only in (None, run)]


def _in_experiment(session: Session, reader: Reader) -> Object:
    reader.need("IN", "EXPERIMENT")
    return session.find("EXPERIMENT", session.path("EXPERIMENT", reader.name()))


@relation("SYSTEM$GET_EXPERIMENT_RUN_METRICS")
def _history(session: Session, experiment: str, run: str) -> Result:
    """Return all points of a run's metrics."""
    held = _run(session, experiment, run)
    made = [
        (key, int(step), value, dt.datetime.fromtimestamp(at, dt.UTC).replace(tzinfo=None))
        for key, points in held["metrics"].items()
        for step, (value, at) in points.items()
    ]
    head = [("METRIC_NAME", "text"), ("STEP", "fixed"), ("VALUE", "real"), ("TIMESTAMP", "timestamp_ntz")]
    return rows(head, made)


@function("SYSTEM$RESOLVE_EXPERIMENT_ID")
def _experiment_id(session: Session, experiment: str) -> int:
    path = session.path("EXPERIMENT", Reader(experiment).name())
    return zlib.crc32(full(session.find("EXPERIMENT", path).path).encode())


@function("SYSTEM$RESOLVE_EXPERIMENT_RUN_ID")
def _run_id(session: Session, experiment: str, run: str) -> int:
    _run(session, experiment, run)
    return zlib.crc32(f"{experiment}/{run}".encode())


def _run(session: Session, experiment: str, run: str) -> dict[str, Any]:
    found = session.find("EXPERIMENT", session.path("EXPERIMENT", Reader(experiment).name()))
    wanted = Reader(run).part()
    if wanted not in found.body["runs"]:
        raise errors.missing("RUN", wanted)
    held: dict[str, Any] = found.body["runs"][wanted]
    return held


# -- files ------------------------------------------------------------------------------------------------------------


def _files_of(account: Account, experiment: FullName, run: str) -> Path:
    return folder(account, (*experiment[:2], f"{experiment[2]}!experiments", run))


def _of_uri(session: Session, uri: str) -> Place:
    """Return the place that `snow://experiment/NAME/versions/RUN/path` names."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise errors.unknown(uri, ["snow://experiment/NAME/versions/RUN/path"])
    path = session.path("EXPERIMENT", Reader(found[1]).name())
    experiment, run = session.need("EXPERIMENT", path, "USAGE"), Reader(found[2]).part()
    if run not in experiment.body["runs"]:
        raise errors.missing("RUN", run)
    where = Place(_files_of(session.account, path, run), found[3], f"/versions/{run}/")
    where.folder.mkdir(parents=True, exist_ok=True)
    return where


URI_PLACES["experiment"] = _of_uri
