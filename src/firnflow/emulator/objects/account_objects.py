"""What belongs to the whole account: warehouses, compute pools, roles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.kinds import KINDS
from firnflow.emulator.objects.show import comment, constant, created, name, owner
from firnflow.emulator.objects.topics import Topic, body

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

_SIZES = {
    "XSMALL": "X-Small",
    "SMALL": "Small",
    "MEDIUM": "Medium",
    "LARGE": "Large",
    "XLARGE": "X-Large",
    "XXLARGE": "2X-Large",
    "X2LARGE": "2X-Large",
    "XXXLARGE": "3X-Large",
    "X3LARGE": "3X-Large",
    "X4LARGE": "4X-Large",
    "X5LARGE": "5X-Large",
    "X6LARGE": "6X-Large",
}
_FAMILIES = (
    *("CPU_X64_XS", "CPU_X64_S", "CPU_X64_SL", "CPU_X64_M", "CPU_X64_L"),
    *("HIGHMEM_X64_S", "HIGHMEM_X64_M", "HIGHMEM_X64_L", "HIGHMEM_X64_SL"),
    *("GPU_NV_S", "GPU_NV_M", "GPU_NV_L", "GPU_NV_XS", "GPU_NV_SM", "GPU_NV_2M", "GPU_NV_3M", "GPU_NV_SL"),
    *("GPU_GCP_NV_L4_1_24G", "GPU_GCP_NV_L4_4_24G", "GPU_GCP_NV_A100_8_40G"),
)


def _becomes(state: str) -> Callable[[Session, Object, Any], Object]:
    return lambda _, thing, __: thing.changed(state=state)


def _first_state(session: Session, thing: Object) -> None:
    suspended = bool(thing.body.get("INITIALLY_SUSPENDED"))
    running = "STARTED" if thing.kind == "WAREHOUSE" else "IDLE"
    session.account.catalog.put(thing.changed(state="SUSPENDED" if suspended else running))
    if thing.kind == "WAREHOUSE":
        session.warehouse = thing.name  # https://docs.snowflake.com/en/sql-reference/sql/create-warehouse#usage-notes


def _resume(_: Session, thing: Object, __: Any) -> Object:
    if thing.body.get("state") == "STARTED":
        raise errors.SnowflakeError(90063, "22000", f"Invalid state. Warehouse '{thing.name}' cannot be resumed.")
    return thing.changed(state="STARTED")


def _suspend(_: Session, thing: Object, __: Any) -> Object:
    if thing.body.get("state") == "SUSPENDED":
        raise errors.SnowflakeError(90064, "22000", f"Invalid state. Warehouse '{thing.name}' cannot be suspended.")
    return thing.changed(state="SUSPENDED")


def _size_of_warehouse(_: Session, __: FullName, given: dict[str, Any]) -> None:
    size = str(given.get("WAREHOUSE_SIZE", "XSMALL")).replace("-", "").replace("_", "")
    if size not in _SIZES:
        raise errors.invalid(f"invalid value '{size}' for property 'WAREHOUSE_SIZE'")
    given["WAREHOUSE_SIZE"] = size


def _pool_is_whole(_: Session, path: FullName, given: dict[str, Any]) -> None:
    """https://docs.snowflake.com/en/sql-reference/sql/create-compute-pool: what has to be there, and its bounds."""
    for key in ("MIN_NODES", "MAX_NODES", "INSTANCE_FAMILY"):
        if key not in given:
            raise errors.invalid(f"Missing option(s): [{key}] for compute pool '{path[0]}'.")
    if not 1 <= given["MIN_NODES"] <= given["MAX_NODES"]:
        raise errors.invalid(
            f"Invalid value {given['MIN_NODES']} for property 'MIN_NODES': 1 or more, and at most MAX_NODES."
        )
    if given["INSTANCE_FAMILY"] not in _FAMILIES:
        raise errors.invalid(f"Invalid instance family '{given['INSTANCE_FAMILY']}'. Known: {', '.join(_FAMILIES)}")


def _without_jobs(session: Session, thing: Object) -> None:
    """Refuse to drop a pool in which something runs: https://docs.snowflake.com/en/sql-reference/sql/drop-compute-pool."""
    inside = [each for each in session.account.catalog.all("SERVICE") if each.body.get("pool") == thing.name]
    if any(each.body.get("state") in ("PENDING", "RUNNING") for each in inside):
        raise errors.SnowflakeError(
            395063, "23001", f"Cannot drop compute pool {thing.name}: services are still running in it."
        )


def _jobs_in(session: Session, thing: Object) -> int:
    return sum(each.body.get("pool") == thing.name for each in session.account.catalog.all("SERVICE"))


Topic(
    "WAREHOUSE",
    (
        ("name", "text", name),
        ("state", "text", body("state", "STARTED")),
        ("type", "text", body("WAREHOUSE_TYPE", "STANDARD")),
        ("size", "text", lambda _, thing: _SIZES[thing.body.get("WAREHOUSE_SIZE", "XSMALL")]),
        ("min_cluster_count", "fixed", body("MIN_CLUSTER_COUNT", 1)),
        ("max_cluster_count", "fixed", body("MAX_CLUSTER_COUNT", 1)),
        ("started_clusters", "fixed", lambda _, thing: 0 if thing.body.get("state") == "SUSPENDED" else 1),
        ("running", "fixed", constant(0)),
        ("queued", "fixed", constant(0)),
        (
            "is_default",
            "text",
            lambda session, thing: "Y" if session.user_body.get("DEFAULT_WAREHOUSE") == thing.name else "N",
        ),
        ("is_current", "text", lambda session, thing: "Y" if session.warehouse == thing.name else "N"),
        ("auto_suspend", "fixed", body("AUTO_SUSPEND", 600)),
        ("auto_resume", "text", lambda _, thing: "false" if thing.body.get("AUTO_RESUME") is False else "true"),
        ("created_on", "timestamp_ltz", created),
        ("resumed_on", "timestamp_ltz", created),
        ("updated_on", "timestamp_ltz", created),
        ("owner", "text", owner),
        ("comment", "text", comment),
        ("resource_monitor", "text", body("RESOURCE_MONITOR", "null")),
        ("owner_role_type", "text", constant("ROLE")),
    ),
    "Warehouse",
    check=_size_of_warehouse,
    begun=_first_state,
    actions={
        "RESUME": _resume,
        "SUSPEND": _suspend,
        "RESUME IF SUSPENDED": _becomes("STARTED"),
        "ABORT ALL QUERIES": lambda _, thing, __: thing,
    },
    operates=("RESUME", "SUSPEND", "RESUME IF SUSPENDED", "ABORT ALL QUERIES"),
    partly="size and clusters are written down, nothing runs in one",
).register()

Topic(
    "COMPUTE POOL",
    (
        ("name", "text", name),
        ("state", "text", body("state", "IDLE")),
        ("min_nodes", "fixed", body("MIN_NODES")),
        ("max_nodes", "fixed", body("MAX_NODES")),
        ("instance_family", "text", body("INSTANCE_FAMILY")),
        ("num_services", "fixed", constant(0)),
        ("num_jobs", "fixed", _jobs_in),
        ("auto_suspend_secs", "fixed", body("AUTO_SUSPEND_SECS", 3600)),
        ("auto_resume", "text", lambda _, thing: "false" if thing.body.get("AUTO_RESUME") is False else "true"),
        ("active_nodes", "fixed", constant(0)),
        (
            "idle_nodes",
            "fixed",
            lambda _, thing: 0 if thing.body.get("state") == "SUSPENDED" else thing.body["MIN_NODES"],
        ),
        ("target_nodes", "fixed", body("MIN_NODES")),
        ("created_on", "timestamp_ltz", created),
        ("resumed_on", "timestamp_ltz", created),
        ("updated_on", "timestamp_ltz", created),
        ("owner", "text", owner),
        ("comment", "text", comment),
        ("is_exclusive", "text", constant("false")),
        ("application", "text", constant(None)),
    ),
    "Compute pool",
    check=_pool_is_whole,
    begun=_first_state,
    ended=_without_jobs,
    actions={"RESUME": _becomes("IDLE"), "SUSPEND": _becomes("SUSPENDED"), "STOP ALL": lambda _, thing, __: thing},
    operates=("RESUME", "SUSPEND", "STOP ALL"),
    partly="jobs are processes of this machine",
).register()


def _forget_role(session: Session, thing: Object) -> None:
    if thing.name in ("ACCOUNTADMIN", "SECURITYADMIN", "USERADMIN", "SYSADMIN", "PUBLIC"):
        raise errors.denied("role", thing.name)
    session.account.access.forget("ROLE", thing.name)
    for kind in KINDS:  # who drops a role owns what it owned
        for owned in session.account.catalog.all(kind):
            if owned.owner == thing.name:
                session.account.catalog.put(replace(owned, owner=session.role))


def _grantees(session: Session, thing: Object, kind: str) -> int:
    return sum(each[0] == kind for each in session.account.access.members(thing.name))


Topic(
    "ROLE",
    (
        ("created_on", "timestamp_ltz", created),
        ("name", "text", name),
        (
            "is_default",
            "text",
            lambda session, thing: "Y" if session.user_body.get("DEFAULT_ROLE") == thing.name else "N",
        ),
        ("is_current", "text", lambda session, thing: "Y" if session.role == thing.name else "N"),
        ("is_inherited", "text", lambda session, thing: "Y" if thing.name in session.roles - {session.role} else "N"),
        ("assigned_to_users", "fixed", lambda session, thing: _grantees(session, thing, "USER")),
        ("granted_to_roles", "fixed", lambda session, thing: _grantees(session, thing, "ROLE")),
        ("granted_roles", "fixed", lambda session, thing: len(session.account.access.granted("ROLE", thing.name))),
        ("owner", "text", owner),
        ("comment", "text", comment),
    ),
    "Role",
    ended=_forget_role,
).register()
