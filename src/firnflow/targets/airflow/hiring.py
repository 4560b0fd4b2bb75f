"""Which tasks Airflow has executed in jobs of Snowflake, where the environment says so: its Python tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firnflow.graph.model import TaskNode
    from firnflow.project import Settings

_BUILT_IN = "firnflow:"


def is_hired(node: TaskNode, settings: Settings) -> bool:
    """Return whether a task runs in a job.

    What the warehouse computes where it is Snowflake, and what only reads or publishes a named table, needs no
    container.
    """
    if settings.airflow.jobs is None or node.key.startswith(_BUILT_IN):
        return False
    tables = bool(node.outputs) and all(port.type == "ibis.Table" for port in node.outputs.values())
    return not (tables and settings.warehouse == "snowflake")
