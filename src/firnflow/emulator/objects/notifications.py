"""SYSTEM$SEND_SNOWFLAKE_NOTIFICATION, SYSTEM$SEND_EMAIL: what is sent goes to a file, or to a server of this machine.

https://docs.snowflake.com/en/user-guide/notifications/snowflake-notifications
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.registry import function

if TYPE_CHECKING:
    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session

OUTBOX = "notifications.jsonl"
"""In the account's folder: a line for each message."""
_HELPERS = "SNOWFLAKE.NOTIFICATION."
_LONGEST = 1_000_000
_LOCAL = "http://127.0.0.1"
_SECRET, _MESSAGE = "SNOWFLAKE_WEBHOOK_SECRET", "SNOWFLAKE_WEBHOOK_MESSAGE"
_SENT = "Enqueued notifications."


def _message(sort: str) -> Any:
    return lambda _, text: json.dumps({sort: text})


for _word, _sort in (
    ("TEXT_PLAIN", "text/plain"),
    ("TEXT_HTML", "text/html"),
    ("APPLICATION_JSON", "application/json"),
):
    function(_HELPERS + _word)(_message(_sort))


@function(_HELPERS + "INTEGRATION")
def _integration(_: Session, name: str) -> str:
    return json.dumps({name: {}})


@function(_HELPERS + "EMAIL_INTEGRATION_CONFIG")
def _email_config(_: Session, name: str, subject: str, to: Any, cc: Any = None, bcc: Any = None) -> str:
    lists = {"toAddress": to, "ccAddress": cc, "bccAddress": bcc}
    return json.dumps({name: {"subject": subject, **{key: value for key, value in lists.items() if value}}})


@function("SYSTEM$SEND_SNOWFLAKE_NOTIFICATION")
def _send(session: Session, messages: Any, integrations: Any) -> str:
    """https://docs.snowflake.com/en/sql-reference/stored-procedures/system_send_snowflake_notification."""
    wanted = _listed(integrations)
    found = [(_usable(session, name), config) for each in wanted for name, config in each.items()]
    for integration, config in found:
        for message in _listed(messages):
            ((sort, text),) = message.items()
            _deliver(session, integration, config, sort, text)
    return _SENT


@function("SYSTEM$SEND_EMAIL")
def _email(session: Session, name: str, to: str, subject: str, text: str, sort: str = "text/plain") -> str:
    """https://docs.snowflake.com/en/sql-reference/stored-procedures/system_send_email."""
    config = {"subject": subject, "toAddress": [each.strip() for each in to.split(",")]}
    _deliver(session, _usable(session, name), config, sort, text)
    return "true"


def _listed(value: Any) -> list[dict[str, Any]]:
    read = json.loads(value) if isinstance(value, str) else value
    given = read if isinstance(read, list) else [read]
    return [json.loads(each) if isinstance(each, str) else each for each in given]


def _usable(session: Session, name: str) -> Object:
    """Return an integration that is on and that the session may use."""
    found = session.need("INTEGRATION", (name.upper(),), "USAGE")
    if not found.body["ENABLED"]:
        raise errors.SnowflakeError(394209, "22023", f"Integration '{found.name}' is disabled.")
    return found


def _deliver(session: Session, integration: Object, config: dict[str, Any], sort: str, text: str) -> None:
    """Write a message to the outbox; send it where the integration names a server of this machine."""
    if len(text.encode()) > _LONGEST:
        raise errors.SnowflakeError(394210, "22023", f"The message is longer than {_LONGEST} bytes.")
    body = integration.body
    told: dict[str, Any] = {"at": time.time(), "integration": integration.name, "type": body["TYPE"], sort: text}
    if body["TYPE"] == "EMAIL":
        told |= _addressed(integration, config)
    elif body["TYPE"] == "WEBHOOK":
        told["delivered"] = _post(session, integration, text)
    with (session.account.folder / OUTBOX).open("a") as outbox:
        outbox.write(json.dumps(told) + "\n")


def _addressed(integration: Object, config: dict[str, Any]) -> dict[str, Any]:
    """Return subject and recipients of an e-mail.

    Raises:
        SnowflakeError: one is not allowed, or there is none.
    """
    body = integration.body
    to = config.get("toAddress") or body.get("DEFAULT_RECIPIENTS") or []
    allowed = body.get("ALLOWED_RECIPIENTS")
    foreign = [each for each in to if allowed is not None and each not in allowed]
    if foreign or not to:
        raise errors.SnowflakeError(
            394209,
            "22023",
            f"Email recipients in the given list at indexes {list(range(len(foreign)))} are not allowed.",
        )
    return {"to": to, "subject": config.get("subject") or body.get("DEFAULT_SUBJECT") or "Snowflake Email Notification"}


def _post(session: Session, integration: Object, text: str) -> str:
    """Send a message to a server of this machine, and return what became of it."""
    body = integration.body
    url = _filled(session, integration, body["WEBHOOK_URL"])
    if not url.startswith((_LOCAL + ":", _LOCAL + "/")):
        return "not sent: only servers of this machine are"
    template = body.get("WEBHOOK_BODY_TEMPLATE", _MESSAGE)
    sent = _filled(session, integration, template).replace(_MESSAGE, text)
    headers = {key: _filled(session, integration, value) for key, value in body.get("WEBHOOK_HEADERS", [])}
    request = urllib.request.Request(url, sent.encode(), {"Content-Type": "application/json", **headers})  # noqa: S310 - this machine
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - likewise
            return f"HTTP {answer.status}"
    except (urllib.error.URLError, OSError) as error:
        return f"failed: {error}"


def _filled(session: Session, integration: Object, text: str) -> str:
    """Return a text with the secret of a webhook in its place."""
    name = integration.body.get("WEBHOOK_SECRET")
    secret = session.account.catalog.get("SECRET", session.path("SECRET", name)) if name else None
    return text.replace(_SECRET, secret.body.get("SECRET_STRING", "")) if secret is not None else text
