"""What lies in schemas and is no table, stage or task: image repositories, secrets, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.objects.functions import ACCOUNT
from firnflow.emulator.objects.show import comment, constant, created, name, owner, part
from firnflow.emulator.objects.tags import changed_values, forget_tag
from firnflow.emulator.objects.topics import Topic, body

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

_PLACE = (("database_name", "text", part(0)), ("schema_name", "text", part(1)))
_NEEDED = {
    "PASSWORD": ("USERNAME", "PASSWORD"),
    "GENERIC_STRING": ("SECRET_STRING",),
    "SYMMETRIC_KEY": ("ALGORITHM",),
    "OAUTH2": ("API_AUTHENTICATION",),
    "CLOUD_PROVIDER_TOKEN": ("API_AUTHENTICATION",),
}


def _secret_is_whole(_: Session, __: FullName, given: dict[str, Any]) -> None:
    """https://docs.snowflake.com/en/sql-reference/sql/create-secret: each type has what it needs."""
    sort = given.get("TYPE")
    absent = [key for key in ("TYPE", *_NEEDED.get(str(sort), ())) if key not in given]
    if absent:
        raise errors.invalid(f"Missing option(s): {absent} for secret")


def _repository_url(_: Session, thing: Object) -> str:
    return f"firnflow-{ACCOUNT.lower()}.registry.snowflakecomputing.com/{'/'.join(thing.path).lower()}"


Topic(
    "IMAGE REPOSITORY",
    (
        ("created_on", "timestamp_ltz", created),
        ("name", "text", name),
        *_PLACE,
        ("repository_url", "text", _repository_url),
        ("owner", "text", owner),
        ("owner_role_type", "text", constant("ROLE")),
        ("comment", "text", comment),
    ),
    "Image Repository",
    partly="no registry answers at its address",
).register()

Topic(
    "SECRET",
    (
        ("created_on", "timestamp_ltz", created),
        ("name", "text", name),
        ("schema_name", "text", part(1)),
        ("database_name", "text", part(0)),
        ("owner", "text", owner),
        ("comment", "text", comment),
        ("secret_type", "text", body("TYPE")),
        ("oauth_scopes", "text", lambda _, thing: ",".join(thing.body.get("OAUTH_SCOPES", [])) or None),
        ("owner_role_type", "text", constant("ROLE")),
    ),
    "Secret",
    check=_secret_is_whole,
).register()

Topic(
    "TAG",
    (
        ("created_on", "timestamp_ltz", created),
        ("name", "text", name),
        *_PLACE,
        ("owner", "text", owner),
        ("comment", "text", comment),
        ("allowed_values", "text", lambda _, thing: _quoted(thing.body.get("ALLOWED_VALUES"))),
        ("owner_role_type", "text", constant("ROLE")),
        ("propagate", "text", body("PROPAGATE")),
    ),
    "Tag",
    ended=forget_tag,
    actions={
        "ADD ALLOWED_VALUES": lambda _, thing, more: changed_values(thing, add=more),
        "DROP ALLOWED_VALUES": lambda _, thing, less: changed_values(thing, drop=less),
        "UNSET ALLOWED_VALUES": lambda _, thing, __: thing.changed(ALLOWED_VALUES=None),
    },
    partly="no propagation",
).register()


def _quoted(values: list[str] | None) -> str | None:
    return None if values is None else "[" + ",".join(f'"{value}"' for value in values) + "]"
