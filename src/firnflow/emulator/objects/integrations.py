"""Integrations: those that notify, and those by which jobs reach other places, with their network rules.

https://docs.snowflake.com/en/developer-guide/external-network-access/external-network-access-overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.objects.show import NAMED, comment, constant, created, name, owner
from firnflow.emulator.objects.topics import Topic, body

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

_ACCESS = "EXTERNAL_ACCESS"
_COLUMNS = (
    ("enabled", "text", lambda _, thing: str(thing.body["ENABLED"]).lower()),
    ("comment", "text", comment),
    ("created_on", "timestamp_ltz", created),
)
_SORTS = {
    "EMAIL": ("ALLOWED_RECIPIENTS", "DEFAULT_RECIPIENTS", "DEFAULT_SUBJECT"),
    "WEBHOOK": ("WEBHOOK_URL", "WEBHOOK_SECRET", "WEBHOOK_BODY_TEMPLATE", "WEBHOOK_HEADERS"),
    "QUEUE": (
        *("DIRECTION", "NOTIFICATION_PROVIDER", "AWS_SNS_TOPIC_ARN", "AWS_SNS_ROLE_ARN", "GCP_PUBSUB_TOPIC_NAME"),
        *("AZURE_EVENT_GRID_TOPIC_ENDPOINT", "AZURE_TENANT_ID"),
    ),
}


def _integration_is_whole(_: Session, path: FullName, given: dict[str, Any]) -> None:
    sort = given.get("TYPE")
    if sort not in _SORTS or "ENABLED" not in given:
        raise errors.invalid(f"Missing option(s): [TYPE, ENABLED] for integration '{path[0]}'.")
    foreign = set(given) - {"TYPE", "ENABLED", "COMMENT"} - set(_SORTS[sort]) - {"tags"}
    if foreign:
        raise errors.invalid(f"invalid property '{min(foreign)}' for '{sort}' notification integration")
    if sort == "WEBHOOK" and not str(given.get("WEBHOOK_URL", "")).startswith(("https://", "http://127.0.0.1")):
        raise errors.invalid("WEBHOOK_URL has to begin with https:// (here also http://127.0.0.1)")


Topic(
    "INTEGRATION",
    (
        ("name", "text", name),
        ("type", "text", body("TYPE")),
        ("category", "text", constant("NOTIFICATION")),
        *_COLUMNS,
        ("direction", "text", constant("OUTBOUND")),
    ),
    "Integration",
    word="NOTIFICATION INTEGRATION",
    takes=lambda thing: thing.body["TYPE"] in _SORTS,
    check=_integration_is_whole,
    partly="sent to a file of the account's folder, or to a server of this machine",
).register()


def _rule_is_whole(_: Session, path: FullName, given: dict[str, Any]) -> None:
    """https://docs.snowflake.com/en/sql-reference/sql/create-network-rule."""
    if absent := [key for key in ("TYPE", "VALUE_LIST") if key not in given]:
        raise errors.invalid(f"Missing option(s): {absent} for network rule '{path[-1]}'.")


def _access_is_whole(session: Session, path: FullName, given: dict[str, Any]) -> None:
    """https://docs.snowflake.com/en/sql-reference/sql/create-external-access-integration."""
    if absent := [key for key in ("ALLOWED_NETWORK_RULES", "ENABLED") if key not in given]:
        raise errors.invalid(f"Missing option(s): {absent} for integration '{path[0]}'.")
    rules = [
        session.find("NETWORK RULE", session.path("NETWORK RULE", each)) for each in given["ALLOWED_NETWORK_RULES"]
    ]
    for rule in rules:
        if rule.body["MODE"] != "EGRESS":
            raise errors.invalid(f"Network rule '{full(rule.path)}' is none of what goes out: MODE = EGRESS.")
    given["ALLOWED_NETWORK_RULES"] = [list(rule.path) for rule in rules]
    for parts in given.get("ALLOWED_AUTHENTICATION_SECRETS", ()):
        session.find("SECRET", session.path("SECRET", parts))


def _used_by_none(session: Session, thing: Object) -> None:
    for each in session.account.catalog.all("INTEGRATION"):
        if list(thing.path) in each.body.get("ALLOWED_NETWORK_RULES", ()):
            raise errors.SnowflakeError(
                395064, "23001", f"Network rule '{thing.name}' cannot be dropped: integration '{each.name}' has it."
            )


Topic(
    "NETWORK RULE",
    (
        *NAMED,
        ("owner", "text", owner),
        ("comment", "text", comment),
        ("type", "text", body("TYPE")),
        ("mode", "text", body("MODE")),
        ("entries_in_valuelist", "fixed", lambda _, thing: len(thing.body["VALUE_LIST"])),
        ("owner_role_type", "text", constant("ROLE")),
    ),
    "Network rule",
    defaults={"MODE": "INGRESS"},
    check=_rule_is_whole,
    ended=_used_by_none,
    partly="written down: nothing is kept from going out or coming in",
).register()

Topic(
    "INTEGRATION",
    (
        ("name", "text", name),
        ("type", "text", body("TYPE")),
        ("category", "text", constant(_ACCESS)),
        *_COLUMNS,
    ),
    "Integration",
    word="EXTERNAL ACCESS INTEGRATION",
    takes=lambda thing: thing.body["TYPE"] == _ACCESS,
    defaults={"TYPE": _ACCESS},
    check=_access_is_whole,
    partly="jobs need one to name it, and reach what this machine reaches; no API authentication",
).register()


def check_access(session: Session, names: list[Any]) -> list[str]:
    """Return the names of external access integrations.

    Raises:
        SnowflakeError: one is not there, is off, or the role may not use it.
    """
    found = [session.need("INTEGRATION", tuple(parts), "USAGE") for parts in names]
    for each in found:
        if each.body["TYPE"] != _ACCESS or not each.body["ENABLED"]:
            raise errors.invalid(f"Integration '{each.name}' is no external access integration that is enabled.")
    return [each.name for each in found]
