"""Jobs that are there, and those that were dropped.

https://docs.snowflake.com/en/sql-reference/functions/get_job_history
"""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import Object, key, path_of
from firnflow.emulator.jobs.runner import ENDED
from firnflow.emulator.jobs.services import states_of
from firnflow.emulator.registry import relation
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.emulator.catalog import Catalog
    from firnflow.emulator.session import Session

_TABLE = "CREATE TABLE IF NOT EXISTS dropped_job (path TEXT, owner TEXT, created REAL, deleted REAL, body TEXT)"
_DAYS, _MOST = 14, 10_000
_COLUMNS = (
    *(("QUERY_ID", "text"), ("ID", "fixed"), ("NAME", "text"), ("DATABASE_NAME", "text"), ("SCHEMA_NAME", "text")),
    *((f"{each}_TIME", "timestamp_ltz") for each in ("CREATED", "COMPLETED", "DELETED")),
    *(("STATUS", "text"), ("MESSAGE", "text"), ("INSTANCE_STATUSES", "object"), ("COMPUTE_POOL_NAME", "text")),
    *(("OWNER", "text"), ("OWNER_ROLE_TYPE", "text"), ("PARAMETERS", "object")),
)


def keep(catalog: Catalog, job: Object) -> None:
    """Keep what is to be told of a job that is dropped."""
    catalog.run(_TABLE)
    catalog.run(
        "INSERT INTO dropped_job (path, owner, created, deleted, body) VALUES (?, ?, ?, ?, ?)",
        *(key(job.path), job.owner, job.created, time.time(), json.dumps(job.body)),
    )


def _dropped(catalog: Catalog) -> list[tuple[Object, float]]:
    catalog.run(_TABLE)
    found = catalog.run("SELECT path, owner, created, deleted, body FROM dropped_job")
    return [
        (Object("SERVICE", path_of(path), owner, json.loads(body), created), deleted)
        for path, owner, created, deleted, body in found
    ]


@relation("GET_JOB_HISTORY")
def _history(
    session: Session,
    created_time_start: dt.datetime | str | None = None,
    created_time_end: dt.datetime | str | None = None,
    result_limit: int = 100,
) -> Result:
    if not 1 <= int(result_limit) <= _MOST:
        raise errors.invalid(f"Invalid value [{result_limit}] for RESULT_LIMIT: 1 to {_MOST}")
    now = time.time()
    start = now - _DAYS * 86_400 if created_time_start is None else _seconds(created_time_start)
    end = now if created_time_end is None else _seconds(created_time_end)
    jobs = [each for each in _seen(session) if start <= each[0].created <= end]
    jobs.sort(key=lambda each: -each[0].created)
    return rows(_COLUMNS, [_line(*each) for each in jobs[: int(result_limit)]])


def _seen(session: Session) -> Iterator[tuple[Object, float | None]]:
    """Yield the jobs that the session may know of, and when each was dropped."""
    account = session.account
    for job in account.catalog.all("SERVICE"):
        if account.access.sees(session.roles, "SERVICE", job.path):
            yield job, None
    for job, deleted in _dropped(account.catalog):
        if job.owner in session.roles:
            yield job, deleted


def _seconds(given: dt.datetime | str) -> float:
    moment = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _line(job: Object, deleted: float | None) -> tuple[Any, ...]:
    ended = job.body.get("ended") if job.body["state"] in ENDED else None
    instances = {str(at): {"main": state} for at, state in enumerate(states_of(job))}
    return (
        *(None, None, job.name, *job.path[:2], _moment(job.created), _moment(ended), _moment(deleted)),
        *(job.body["state"], "", json.dumps(instances), job.body["pool"], job.owner, "ROLE"),
        json.dumps({"REPLICAS": job.body["instances"], "ASYNC": bool(job.body["is_async"])}),
    )


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
