"""DESCRIBE, SHOW and DROP of jobs: https://docs.snowflake.com/en/sql-reference/sql/desc-service."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from firnflow.emulator.jobs import history
from firnflow.emulator.jobs.runner import PENDING
from firnflow.emulator.jobs.services import states_of
from firnflow.emulator.objects import making
from firnflow.emulator.objects.given import parsed
from firnflow.emulator.objects.show import comment, constant, created, name, owner, part, shown, table
from firnflow.emulator.objects.topics import body
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, rows, status

if TYPE_CHECKING:
    from firnflow.emulator.catalog import Object
    from firnflow.emulator.objects.show import Columns
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


def _active(_: Session, job: Object) -> int:
    return int(job.body["instances"]) if job.body["state"] == "RUNNING" else 0


def _access(_: Session, job: Object) -> str | None:
    return json.dumps(job.body["access"]) if "access" in job.body else None


def _updated(_: Session, job: Object) -> dt.datetime:
    return _moment(job.body.get("ended") or job.body.get("started") or job.created)


_COLUMNS: Columns = (
    ("name", "text", name),
    ("status", "text", body("state")),
    ("database_name", "text", part(0)),
    ("schema_name", "text", part(1)),
    ("owner", "text", owner),
    ("compute_pool", "text", body("pool")),
    ("spec", "text", body("spec")),
    ("dns_name", "text", constant("")),
    ("current_instances", "fixed", _active),
    ("target_instances", "fixed", body("instances")),
    ("min_ready_instances", "fixed", body("instances")),
    ("min_instances", "fixed", body("instances")),
    ("max_instances", "fixed", body("instances")),
    ("auto_resume", "text", constant("false")),
    ("external_access_integrations", "text", _access),
    ("created_on", "timestamp_ltz", created),
    ("updated_on", "timestamp_ltz", _updated),
    ("comment", "text", comment),
    ("owner_role_type", "text", constant("ROLE")),
    ("query_warehouse", "text", body("warehouse")),
    ("is_job", "text", constant("true")),
    ("is_async_job", "text", lambda _, job: str(bool(job.body["is_async"])).lower()),
)


@statement("DESCRIBE SERVICE", "sql-reference/sql/desc-service")
def _describe(session: Session, given: Statement) -> Result:
    path = session.path("SERVICE", parsed(given).name.parts)
    return table(session, [session.find("SERVICE", path)], _COLUMNS)


@statement("SHOW JOB SERVICES", "sql-reference/sql/show-services")
@statement("SHOW SERVICES", "sql-reference/sql/show-services", partly="the services are all jobs")
def _show(session: Session, given: Statement) -> Result:
    if given.reader.take("EXCLUDE", "JOBS"):
        return table(session, [], _COLUMNS)
    return shown(session, given, "SERVICE", _COLUMNS)


@statement("SHOW SERVICE INSTANCES", "sql-reference/sql/show-service-instances-in-service")
def _instances(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    if asked.of is None or asked.of[1] is None:
        raise given.reader.unexpected()
    job = session.find("SERVICE", session.path("SERVICE", asked.of[1].parts))
    head = (
        *("database_name", "schema_name", "service_name", "instance_id", "status", "spec_digest", "creation_time"),
        *("start_time", "ip_address"),
    )
    started = job.body.get("started")
    moments = [str(_moment(job.created)), str(_moment(started)) if started else None]
    made: list[tuple[Any, ...]] = [
        (*job.path, str(at), state, None, *moments, "127.0.0.1") for at, state in enumerate(states_of(job))
    ]
    return rows([(each, "text") for each in head], [] if job.body["state"] == PENDING else made, kind=0x4400)


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


@statement("DROP SERVICE", "sql-reference/sql/drop-service")
def _drop(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    path = session.path("SERVICE", asked.name.parts)
    job = making.droppable(session, "SERVICE", path, optional=asked.if_exists)
    if job is None:
        return making.gone(path[-1])
    account = session.account
    account.jobs.cancel(path)
    history.keep(account.catalog, account.catalog.get("SERVICE", path) or job)
    account.catalog.drop("SERVICE", path)
    account.jobs.forget(account.folder / job.body["folder"])
    return status(f"{path[-1]} successfully dropped.")
