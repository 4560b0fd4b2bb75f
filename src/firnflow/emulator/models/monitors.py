"""Model monitors: which version of a model is watched in which table, from when its metrics are, and the baseline.

The rows of the baseline are kept when a monitor is made, those of the source while it is suspended; else the source is
read when somebody asks, which is no older than Snowflake's refresh.
https://docs.snowflake.com/en/developer-guide/snowflake-ml/model-registry/model-observability
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine import trees
from firnflow.emulator.kinds import RELATIONS
from firnflow.emulator.models import monitor_parts as parts
from firnflow.emulator.objects import dynamic, selects
from firnflow.emulator.objects.given import settings
from firnflow.emulator.objects.show import NAMED, Columns, comment, constant
from firnflow.emulator.objects.topics import Topic, body
from firnflow.emulator.reader import Reader
from firnflow.emulator.result import Result, rows
from firnflow.emulator.stages.places import folder

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_MOST = 250
"""Monitors of an account."""


def _check(session: Session, path: FullName, given: dict[str, Any]) -> None:
    """Check what a monitor is to be, and write down what its names mean."""
    lacking = next((each for each in parts.NEEDED if each not in given), None)
    if lacking is not None:
        raise errors.invalid(f"Missing option(s): [{lacking}] for model monitor '{path[2]}'.")
    warehouse = Reader(given["WAREHOUSE"]).name()
    session.need("WAREHOUSE", session.path("WAREHOUSE", warehouse), "USAGE")
    parts.check_times(given)
    if "model" not in given:  # what it monitors cannot be changed later
        if len(session.account.catalog.all("MODEL MONITOR")) >= _MOST:
            raise errors.invalid(f"A maximum of {_MOST} model monitors per account.")
        given |= parts.check_model(session, path, given)
        given["source"] = list(session.path("TABLE", given["SOURCE"]))
        given["columns"] = parts.check_columns(session, tuple(given["source"]), given, given["task"])
    if "BASELINE" in given:
        held = given["BASELINE"]
        baseline = session.path("TABLE", Reader(held).name() if isinstance(held, str) else held)
        given["baseline"] = list(baseline)
        parts.check_baseline(session, baseline, given["columns"], tuple(given["source"]))


def _begun(session: Session, thing: Object) -> None:
    if "BASELINE" in thing.body:
        _keep(session, thing, "baseline")


def _ended(session: Session, thing: Object) -> None:
    shutil.rmtree(_file(session, thing, "baseline").parent, ignore_errors=True)


def _suspend(session: Session, thing: Object, _: Any) -> Object:
    _keep(session, thing, "source")
    return thing.changed(state="SUSPENDED")


def _resume(session: Session, thing: Object, _: Any) -> Object:
    _file(session, thing, "source").unlink(missing_ok=True)
    return thing.changed(state="ACTIVE")


def _segments(session: Session, thing: Object, value: str, *, added: bool) -> Object:
    column = Reader(value).name()[-1]
    held = thing.body["columns"]
    segments = [each for each in held["segment_columns"] if each != column]
    if not added and segments == held["segment_columns"]:
        raise errors.invalid(f"Segment column '{column}' does not exist in the monitor.")
    wanted = [full((each,)) for each in [*segments, *([column] if added else [])]]
    given = {**thing.body, "SEGMENT_COLUMNS": wanted}
    columns = parts.check_columns(session, tuple(thing.body["source"]), given, thing.body["task"])
    return thing.changed(SEGMENT_COLUMNS=wanted, columns=columns)


def held_rows(session: Session, thing: Object, what: str) -> Any:
    """Return the `source` or the `baseline` of a monitor, as an Arrow table.

    Raises:
        SnowflakeError: there is no baseline, or the source cannot be read with the rights of the monitor's owner.
    """
    import pyarrow.parquet as pq

    if what == "baseline" and "BASELINE" not in thing.body:
        raise errors.invalid(f"Model monitor '{thing.name}' has no baseline set: drift cannot be computed.")
    file = _file(session, thing, what)
    return pq.read_table(file) if file.is_file() else _read(session, thing, what)


def _keep(session: Session, thing: Object, what: str) -> None:
    import pyarrow.parquet as pq

    file = _file(session, thing, what)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(_read(session, thing, what), file)


def _read(session: Session, thing: Object, what: str) -> Any:
    warehouse = Reader(thing.body["WAREHOUSE"]).name()[-1]
    with dynamic.as_owner(session, thing, warehouse):
        tree = trees.parsed(f"SELECT * FROM {full(thing.body[what])}")  # noqa: S608 - one quoting function
        return session.engine.run(selects.prepared(session, tree, [])).table


def _file(session: Session, thing: Object, what: str) -> Path:
    return folder(session.account, (*thing.path[:2], f"{thing.path[2]}!monitor")) / f"{what}.parquet"


class _Monitors(Topic):
    """As other kinds, but that a baseline that is set is kept at once, and DESCRIBE tells more than SHOW."""

    def _altered(self, session: Session, thing: Object, asked: Any) -> Object:
        changed = super()._altered(session, thing, asked)
        if asked.action == "SET" and "BASELINE" in settings(asked.properties):
            _keep(session, changed, "baseline")
        if asked.action == "UNSET" and not {*asked.unset} <= {"BASELINE", "COMMENT"}:
            raise errors.unknown("UNSET of what a monitor needs", ["UNSET BASELINE", "UNSET COMMENT"])
        if asked.action == "UNSET" and "BASELINE" in asked.unset:
            _file(session, thing, "baseline").unlink(missing_ok=True)
        return changed

    def describe(self, session: Session, given: Statement) -> Result:
        """Run DESCRIBE: what SHOW says, how it stands, and its columns."""
        path = session.path(self.kind, given.reader.name())
        given.reader.end()
        thing = session.find(self.kind, path)
        columns = (*self.columns, *_DESCRIBED)
        return rows([(name, sort) for name, sort, _ in columns], [[get(session, thing) for *_, get in columns]])


def _table(key: str) -> Any:
    def told(session: Session, thing: Object) -> str | None:
        if key.upper() not in thing.body:
            return None
        path, access = tuple(thing.body[key]), session.account.access
        kinds = [kind for kind in RELATIONS if session.account.catalog.get(kind, path)]
        names = dict(zip(("database_name", "schema_name", "name"), path, strict=True))
        if kinds and not access.sees(session.roles, kinds[0], path):
            return json.dumps({**dict.fromkeys(names, "*****"), "status": "MASKED"})
        return json.dumps({**names, "status": "ACTIVE" if kinds else "DELETED"})

    return told


def _model(session: Session, thing: Object) -> str:
    path = tuple(thing.body["model"])
    model = session.account.catalog.get("MODEL", path)
    there = model is not None and thing.body["version"] in model.body["versions"]
    said = {
        "model_name": path[2],
        "version_name": thing.body["version"],
        "function_name": thing.body["function"],
        **dict(zip(("database_name", "schema_name"), path, strict=False)),
        "model_status": "ACTIVE" if model is not None else "DELETED",
        "version_status": "ACTIVE" if there else "DELETED",
    }
    return json.dumps(said)


def _each_part(thing: Object) -> list[str]:
    of = ["", *(f"_{column}" for column in thing.body["columns"]["segment_columns"])]
    return [f"{kind}_AGGREGATED{each}" for kind in ("SOURCE", "ACCURACY") for each in of]


_SHOWN: Columns = (
    *NAMED,
    ("warehouse_name", "text", lambda _, thing: Reader(thing.body["WAREHOUSE"]).name()[-1]),
    ("refresh_interval", "text", body("REFRESH_INTERVAL")),
    ("aggregation_window", "text", body("AGGREGATION_WINDOW")),
    ("model_task", "text", body("task")),
    ("type", "text", constant("MODEL_VERSION_MONITOR")),
    ("gateway", "text", constant("")),
    ("ground_truth", "text", constant("")),
    ("monitor_state", "text", body("state", "ACTIVE")),
    ("source", "text", _table("source")),
    ("baseline", "text", _table("baseline")),
    ("model", "text", _model),
    ("comment", "text", comment),
)
_DESCRIBED: Columns = (
    (
        "aggregation_status",
        "text",
        lambda _, thing: json.dumps(dict.fromkeys(_each_part(thing), thing.body.get("state", "ACTIVE"))),
    ),
    ("aggregation_last_error", "text", lambda _, thing: json.dumps(dict.fromkeys(_each_part(thing), ""))),
    ("columns", "text", lambda _, thing: json.dumps(thing.body["columns"])),
)

_Monitors(
    "MODEL MONITOR",
    _SHOWN,
    "Model monitor",
    check=_check,
    begun=_begun,
    ended=_ended,
    actions={
        "SUSPEND": _suspend,
        "RESUME": _resume,
        "ADD SEGMENT_COLUMN": lambda session, thing, value: _segments(session, thing, value, added=True),
        "DROP SEGMENT_COLUMN": lambda session, thing, value: _segments(session, thing, value, added=False),
    },
    modifies=("SET", "UNSET", "SUSPEND", "RESUME", "ADD SEGMENT_COLUMN", "DROP SEGMENT_COLUMN"),
    partly="of versions, not of gateways; rows are read when somebody asks, and no refresh fails by itself",
).register()
