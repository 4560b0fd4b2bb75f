"""Job services: EXECUTE JOB SERVICE, and what is asked of a job.

https://docs.snowflake.com/en/developer-guide/snowpark-container-services/working-with-jobs
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.jobs import containers
from firnflow.emulator.jobs.runner import DONE, ENDED, PENDING, Job
from firnflow.emulator.jobs.specification import container_of, parsed, written
from firnflow.emulator.objects import making
from firnflow.emulator.objects.given import parsed as statement_of
from firnflow.emulator.objects.given import settings
from firnflow.emulator.objects.integrations import check_access
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import function, statement
from firnflow.emulator.result import Result, status
from firnflow.emulator.stages.places import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_MOST_INSTANCES = 100
_LOOK = 0.05


@statement(
    "EXECUTE JOB SERVICE",
    "sql-reference/sql/execute-job-service",
    partly="one container, whose command runs on this machine: no image is pulled, no resource is limited; no "
    "templates, and no volumes but stages, local and memory",
)
def _execute(session: Session, given: Statement) -> Result:
    asked = statement_of(given)
    options = settings(asked.properties)
    if asked.is_template or "TAG" in options:
        known = ["EXECUTE JOB SERVICE … FROM SPECIFICATION"]
        raise errors.unknown("EXECUTE JOB SERVICE with a template or tags", known)
    access = check_access(session, options.get("EXTERNAL_ACCESS_INTEGRATIONS") or [])
    spec = parsed(_text(session, asked))
    container = container_of(spec)
    containers.check_image(session, container.image)
    path = session.path("SERVICE", asked.name.parts)
    pool = need_pool(session, asked.pool.parts[-1])
    prepare(session, path, options.get("QUERY_WAREHOUSE"))
    replicas = int(options.get("REPLICAS", 1))
    account = session.account
    folder = account.folder / "jobs" / uuid.uuid4().hex
    mounts = containers.mounted(session, container, folder)
    variables = containers.variables_of(session, container, mounts, path, replicas)
    job = Job(path, pool, containers.words_of(container, mounts), variables, folder, replicas)
    is_async = bool(options.get("ASYNC"))
    begin(
        session,
        job,
        spec,
        is_async=is_async,
        warehouse=options.get("QUERY_WAREHOUSE"),
        comment=options.get("COMMENT"),
        access=access,
    )
    if is_async:
        return status(f"Started Snowpark Container Services Job '{path[-1]}'.")
    finish(session, job)
    return status(f"Job {path[-1]} completed successfully with status: DONE.")


def _text(session: Session, asked: Any) -> str:
    if asked.source is None:
        return str(asked.specification)
    where = place(session, asked.source, "READ")
    file = where.inside(asked.specification)
    if not file.is_file():
        raise errors.SnowflakeError(253006, "22000", f"Remote file '{asked.specification}' was not found.")
    return file.read_text(encoding="utf-8")


def need_pool(session: Session, name: str) -> str:
    """Return a compute pool that the role may use; one that is suspended starts, if it may.

    https://docs.snowflake.com/en/developer-guide/snowpark-container-services/working-with-compute-pool

    Raises:
        SnowflakeError: there is none, the role may not, or it is suspended and does not start by itself.
    """
    pool = session.need("COMPUTE POOL", (name,), "USAGE")
    if pool.body.get("state") == "SUSPENDED":
        if pool.body.get("AUTO_RESUME") is False:
            raise errors.SnowflakeError(
                395025, "57014", f"Compute pool {name} is suspended, and AUTO_RESUME is disabled for it."
            )
        session.account.catalog.put(pool.changed(state="IDLE"))
    return name


def prepare(session: Session, path: FullName, warehouse: Sequence[str] | None) -> None:
    """Raise SnowflakeError if the role may not make this job, its name is taken, or its warehouse may not be used."""
    making.begin(session, "SERVICE", path, replaces=False, optional=False)
    if warehouse is not None:
        session.need("WAREHOUSE", (warehouse[-1],), "USAGE")


def begin(
    session: Session,
    job: Job,
    spec: dict[str, Any],
    *,
    is_async: bool,
    warehouse: Sequence[str] | None,
    comment: str | None,
    access: list[str],
) -> None:
    """Write a job to the catalog, and start it.

    Raises:
        SnowflakeError: its pool can never have so many instances.
    """
    pool = session.account.catalog.get("COMPUTE POOL", (job.pool,))
    most = min(int(pool.body["MAX_NODES"]) if pool else 0, _MOST_INSTANCES)
    if not 1 <= job.instances <= most:
        session.account.forget_token(job.variables["SNOWFLAKE_TOKEN"])
        raise errors.invalid(f"{job.instances} instances: compute pool {job.pool} has 1 to {most} nodes.")
    body = {
        "state": PENDING,
        "pool": job.pool,
        "spec": written(spec),
        "instances": job.instances,
        "folder": str(job.folder.relative_to(session.account.folder)),
        "is_async": is_async,
        "warehouse": warehouse[-1] if warehouse else None,
        "COMMENT": comment,
        "access": access or None,
        "created": time.time(),
    }
    if body["warehouse"]:
        job.variables["SNOWFLAKE_WAREHOUSE"] = str(body["warehouse"])
    making.made(session, "SERVICE", job.path, {key: value for key, value in body.items() if value is not None})
    session.account.jobs.start(job)


def finish(session: Session, job: Job) -> None:
    """Wait for a job's end; where the statement is cancelled, so is the job.

    Raises:
        SnowflakeError: it has failed, or was cancelled.
    """
    query = session.account.queries.get(session.query_ids[-1])
    while not job.ended.wait(_LOOK):
        if query.cancelled.is_set():
            session.account.jobs.cancel(job.path)
    thing = session.account.catalog.get("SERVICE", job.path)
    state = thing.body["state"] if thing else "DELETED"
    if state != DONE:
        raise errors.SnowflakeError(
            395018,
            "P0000",
            f"SQL execution error:\nJob {full(job.path)} completed with status: {state}. "
            f"Last log lines: {log_of(session, thing, 0, 20) if thing else ''}",
        )


def log_of(session: Session, job: Object, instance: int, lines: int | None) -> str:
    """Return the log of an instance, or its last lines."""
    file = session.account.folder / job.body["folder"] / f"{instance}.log"
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    return text if lines is None else "".join(text.splitlines(keepends=True)[-lines:])


def named(session: Session, name: str, *privileges: str) -> Object:
    """Return a job by its name in a text. Raises SnowflakeError: there is none, or the role may not."""
    return session.need("SERVICE", session.path("SERVICE", Reader(name).name()), *privileges)


@function("SYSTEM$GET_SERVICE_LOGS")
def _logs(session: Session, name: str, instance: int, container: str, lines: int = 100, *_: Any) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_get_service_logs: the last 100 lines by default."""
    job = named(session, name, "MONITOR", "OPERATE")
    spec = parsed(job.body["spec"])
    if container != spec["spec"]["containers"][0]["name"]:
        raise errors.invalid(f"Container {container} not found in service {name}.")
    if not 0 <= int(instance) < job.body["instances"]:
        raise errors.invalid(f"Instance {instance} not found in service {name}.")
    return log_of(session, job, int(instance), int(lines))


@function("SYSTEM$GET_SERVICE_STATUS")
def _status(session: Session, name: str, *_: Any) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_get_service_status."""
    job = named(session, name, "MONITOR", "OPERATE", "USAGE")
    spec = parsed(job.body["spec"])["spec"]["containers"][0]
    return json.dumps(
        [
            {
                "status": state,
                "message": "Completed successfully" if state == DONE else state.capitalize(),
                "containerName": spec["name"],
                "instanceId": str(at),
                "serviceName": job.name,
                "image": spec["image"],
                "restartCount": 0,
            }
            for at, state in enumerate(states_of(job))
        ]
    )


def states_of(job: Object) -> list[str]:
    """Return how the instances of a job stand."""
    count, state = job.body["instances"], job.body["state"]
    codes = job.body.get("codes") or []
    if state not in ENDED or len(codes) < count:
        return [state] * count
    return [state if code or state != "FAILED" else DONE for code in codes]


def called(session: Session, name: str, method: str, arguments: list[Any]) -> str:
    """Call a method of a job.

    Raises:
        SnowflakeError: it has none such, or what is waited for has not come.
    """
    if method == "SPCS_CANCEL_JOB":
        job = named(session, name, "OPERATE")
        session.account.jobs.cancel(job.path)
        return f"Job {job.name} cancelled."
    if method == "SPCS_WAIT_FOR" and len(arguments) == 2:
        return _wait_for(session, named(session, name, "USAGE", "MONITOR", "OPERATE"), *arguments)
    raise errors.unknown(f"{name}!{method}", [f"{name}!SPCS_WAIT_FOR", f"{name}!SPCS_CANCEL_JOB"])


def _wait_for(session: Session, job: Object, wanted: str, seconds: float) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/spcs_wait_for."""
    query = session.account.queries.get(session.query_ids[-1])
    until = time.monotonic() + float(seconds)
    while True:
        now = session.account.catalog.get("SERVICE", job.path)
        state = now.body["state"] if now else "DELETED"
        if state == wanted.upper():
            return f"Service {job.name} is {state}."
        if state in (*ENDED, "DELETED") or time.monotonic() >= until or query.cancelled.is_set():
            raise errors.SnowflakeError(
                395019, "P0000", f"Service {job.name} has not reached status {wanted.upper()}: it is {state}."
            )
        query.cancelled.wait(_LOOK)
