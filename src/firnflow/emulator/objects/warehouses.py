"""Warehouses: nothing runs in one here, but a statement needs one that is there, that the role may use and that runs.

https://docs.snowflake.com/en/user-guide/warehouses-overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.emulator import errors

if TYPE_CHECKING:
    from firnflow.emulator.session import Session


def need_warehouse(session: Session) -> None:
    """Raise SnowflakeError if the session has no warehouse that it may use; a suspended one starts, if it may.

    https://docs.snowflake.com/en/user-guide/warehouses-tasks#starting-or-resuming-a-warehouse
    """
    if session.is_serverless:
        return
    name = session.warehouse
    there = name and session.account.catalog.get("WAREHOUSE", (name,))
    if not name or not there:
        raise errors.SnowflakeError(
            606,
            "57P03",
            "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' "
            "command.",
        )
    if not session.account.access.holds(session.roles, ("USAGE",), "WAREHOUSE", (name,)):
        raise errors.denied("WAREHOUSE", name)
    if there.body.get("state") == "SUSPENDED":
        if there.body.get("AUTO_RESUME") is False:
            raise errors.SnowflakeError(
                607, "57014", f"Warehouse '{name}' cannot be resumed because AUTO_RESUME is disabled for it."
            )
        session.account.catalog.put(there.changed(state="STARTED"))
