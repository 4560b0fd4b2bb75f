"""What a task may say: https://docs.snowflake.com/en/sql-reference/sql/create-task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.programs.scripting import check_known
from firnflow.emulator.reader import tokens_of
from firnflow.emulator.registry import FUNCTIONS
from firnflow.emulator.tasks import schedules
from firnflow.emulator.tasks.graph import check_links
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session

ROOT_ONLY = (
    *("SCHEDULE", "CONFIG", "OVERLAP_POLICY", "ALLOW_OVERLAPPING_EXECUTION"),
    *("SUSPEND_TASK_AFTER_NUM_FAILURES", "TASK_AUTO_RETRY_ATTEMPTS", "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS"),
)
_REFUSED = (*("ERROR_INTEGRATION", "SUCCESS_INTEGRATION", "CLONE", "EXECUTE AS USER", "CONTACT"),)
_BOUNDS = {
    "USER_TASK_TIMEOUT_MS": (0, 604_800_000),
    "TASK_AUTO_RETRY_ATTEMPTS": (0, 30),
    "SUSPEND_TASK_AFTER_NUM_FAILURES": (0, 2**31),
    "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS": (10, 604_800),
}


def resolved(session: Session, path: FullName, given: dict[str, Any]) -> dict[str, Any]:
    """Return settings with the full names of other tasks, and that of the warehouse.

    Raises:
        SnowflakeError: one is not emulated.
    """
    for key in _REFUSED:
        if key in given:
            raise errors.unknown(f"TASK … {key}", [f"TASK … {each}" for each in ROOT_ONLY])
    found = dict(given)
    if "AFTER" in found:
        found["AFTER"] = [session.path("TASK", _beside(path, each)) for each in found["AFTER"]]
    if "FINALIZE" in found:
        found["FINALIZE"] = session.path("TASK", _beside(path, found["FINALIZE"]))
    if "WAREHOUSE" in found:
        found["WAREHOUSE"] = found["WAREHOUSE"][-1]
    return found


def _beside(path: FullName, name: list[str]) -> list[str]:
    """Return a task's name in the schema of the other task, where it says none."""
    return [*path[:2], *name] if len(name) == 1 else name


def check(session: Session, path: FullName, body: dict[str, Any]) -> None:
    """Check the settings of a task.

    Raises:
        SnowflakeError: they do not go together, or the role lacks what they need.
    """
    child = bool(body.get("AFTER") or body.get("FINALIZE"))
    for key in ROOT_ONLY if child else ():
        if key in body:
            raise errors.invalid(f"{key} cannot be set on {full(path)}: only a root task has it.")
    if body.get("AFTER") and body.get("FINALIZE"):
        raise errors.invalid(f"Finalizer task {full(path)} cannot have predecessors.")
    for key, (least, most) in _BOUNDS.items():
        if not least <= int(body.get(key, least)) <= most:
            raise errors.invalid(f"invalid value [{body[key]}] for parameter '{key}': {least} to {most}")
    if "OVERLAP_POLICY" in body and "ALLOW_OVERLAPPING_EXECUTION" in body:
        raise errors.invalid("OVERLAP_POLICY and ALLOW_OVERLAPPING_EXECUTION cannot be set together.")
    if "SCHEDULE" in body:
        schedules.check(body["SCHEDULE"])
    if "CONFIG" in body:
        config_of(body["CONFIG"])
    _check_compute(session, body)
    _check_text(body)
    check_links(session, path, body)


def config_of(text: str) -> dict[str, Any]:
    """Return a configuration as an object. Raises SnowflakeError: it is no JSON object."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise errors.invalid(f"CONFIG is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise errors.invalid("CONFIG has to be a JSON object.")
    return found


def _check_compute(session: Session, body: dict[str, Any]) -> None:
    """Check that the role may use the warehouse or, where there is none, run tasks without."""
    if "WAREHOUSE" not in body:
        session.need_account("EXECUTE MANAGED TASK")
        return
    if "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE" in body:
        raise errors.invalid("USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE cannot be set together with WAREHOUSE.")
    session.need("WAREHOUSE", (body["WAREHOUSE"],), "USAGE")


def _check_text(body: dict[str, Any]) -> None:
    """Check that nothing is in a task which only its run would find unknown."""
    check_known(body["AS"])
    for token in tokens_of(body.get("WHEN", "")):
        if token.sort is Sort.WORD and token.value.startswith("SYSTEM$") and token.value not in FUNCTIONS:
            raise errors.unknown(token.value, FUNCTIONS)
