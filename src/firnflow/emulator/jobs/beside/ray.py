"""What stands in for Ray in ML Jobs here: it knows how many instances a job has, and nothing more.

Snowflake's launcher asks Ray how many have started before it runs a payload. The emulator starts all instances at once,
but connects them to no cluster.
"""

from __future__ import annotations

import os
from typing import Any


def init(*_: Any, **__: Any) -> None:
    """Do nothing: there is no cluster to connect to."""


def is_initialized() -> bool:
    """Return that nothing has to be done before `nodes`."""
    return True


def nodes() -> list[dict[str, Any]]:
    """Return the instances of the job."""
    return [{"NodeID": str(at), "Alive": True} for at in range(int(os.environ.get("SNOWFLAKE_JOBS_COUNT", "1")))]


def __getattr__(name: str) -> Any:
    raise AttributeError(f"ray.{name}: the emulator connects the instances of a job to no Ray cluster")
