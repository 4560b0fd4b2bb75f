"""What Airflow itself knows of the pools and queues that DAGs name, asked when planning: in neither would a task start.

A pool is a row in Airflow. Who serves a queue only the broker of its workers knows, which its API does not ask; but it
knows which tasks have been started from a queue, and which wait there.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any

from firnflow._text import counted, listing
from firnflow.errors import ConfigError, TargetError
from firnflow.targets.airflow.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.project import Settings

_EVER = "2000-01-01T00:00:00Z"


def look(settings: Settings, dags: Iterable[dict[str, Any]]) -> list[str]:
    """Return what may keep tasks from starting.

    Args:
        settings: of the environment.
        dags: the compiled DAGs.

    Raises:
        ConfigError: Airflow has no pool of a name.
    """
    tasks = [task for dag in dags for task in dag["tasks"]]
    queues, pools = (sorted({task[what] for task in tasks if what in task}) for what in ("queue", "pool"))
    executor, notes = settings.airflow.executor, []
    if executor != "celery" and queues:
        notes, queues = [f"executor = {executor!r} takes no notice of queues: {listing(queues)}"], []
    if settings.airflow.url is None or not (queues or pools):
        return notes
    try:
        api = Api(settings, waits=())
        missing = next((pool for pool in pools if not _is_there(api, pool)), None)
        unserved = [said for queue in queues if (said := _unserved(api, queue)) is not None]
    except (ConfigError, TargetError) as error:
        return [*notes, f"Airflow was not asked about pools and queues: {error}"]
    if missing is not None:
        raise ConfigError(
            f"Airflow at {api.url} has no pool {missing!r}: no task would start. Mend: airflow pools set {missing} 16 "
            "'for what it is'"
        )
    return [*notes, *unserved]


def _is_there(api: Api, pool: str) -> bool:
    try:
        api.get("pools", pool)
    except TargetError as error:
        if error.status != http.HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


def _unserved(api: Api, queue: str) -> str | None:
    """Return what speaks for it that no worker serves a queue, or None."""
    if _number(api, queue=queue, start_date_gte=_EVER):
        return None
    waiting = _number(api, queue=queue, state="queued")
    also = f" ({counted(waiting, 'task')} waiting there)" if waiting else ""
    return (
        f"Airflow has never started a task from queue {queue!r}{also}: see that a worker serves it, "
        f"airflow celery worker --queues {queue}"
    )


def _number(api: Api, **wanted: str) -> int:
    """Return how many tasks Airflow has of those that are wanted."""
    answer = api.get("dags", "~", "dagRuns", "~", "taskInstances", **wanted, limit=1)
    number = answer.get("total_entries") if isinstance(answer, dict) else None
    if not isinstance(number, int):
        raise TargetError("it does not say how many tasks there are")
    return number
