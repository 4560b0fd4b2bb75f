"""How Snowflake is reached: from a container by the token that it is given, else by a connection of connections.toml.

https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-connect (connections.toml, key pairs)
https://docs.snowflake.com/en/developer-guide/snowpark-container-services/additional-considerations-services-jobs
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.errors import ConfigError, MissingExtraError, StoreError
from firnflow.project.settings import FILE
from firnflow.stores.snowflake import procedure
from firnflow.stores.snowflake.patience import waits
from firnflow.stores.snowflake.query_tag import tagged

if TYPE_CHECKING:
    from firnflow.project.settings import Settings
    from firnflow.project.snowflake import Snowflake

TOKEN = Path("/snowflake/session/token")
"""Where a container of Snowflake's finds its token; the file is written anew before the token ends."""
_PATIENCE: dict[str, Any] = {"login_timeout": 60, "backoff_policy": waits}
"""Seconds that a login may take, and how long anything else is sent again when the network fails."""
_PASSWORDS = ("SNOWFLAKE", "USERNAME_PASSWORD_MFA")
"""How the connector names logins by a password; it forgets the password itself."""
_FROM_CONTAINER = ("account", "host", "port", "protocol", "database", "schema", "warehouse")


def connect(settings: Settings, root: Path) -> tuple[Any, list[str]]:
    """Return a connection of Snowflake's connector to an environment's account, and what people should know of it.

    Args:
        settings: the environment.
        root: the project's folder, for messages.

    Raises:
        MissingExtraError, ConfigError, StoreError: as `connect_to`.
    """
    return connect_to(settings.snowflake, where(settings, root))


def connect_to(section: Snowflake, place: str, **options: Any) -> tuple[Any, list[str]]:
    """Return a connection of Snowflake's connector, and what people should know of it.

    Its current database, schema and warehouse are those of the section, where it names them. In a container the
    connection has the rights of its service's role: no other connection is there, whatever the section says. In a
    procedure it is a view of the procedure's session.

    Args:
        section: the account, and where in it.
        place: of the section, for messages.
        options: more for the connector.

    Raises:
        MissingExtraError: the connector is not installed.
        ConfigError: there is no such connection.
        StoreError: Snowflake cannot be reached, or does not let us in.
    """
    try:
        import snowflake.connector as snowflake
    except ImportError:
        raise MissingExtraError("snowflake-connector-python", "snowflake") from None
    logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)  # what goes wrong is said by errors
    if (inside := procedure.current()) is not None:
        return tagged(inside.view(section)), []
    name = ""
    try:
        if (token := _container_token()) is not None:
            given = {**_from_container(token), **_PATIENCE, **_place(section), **options}
            return tagged(snowflake.connect(**given)), []
        name = section.connection or _default()
        role = {"role": section.role} if section.role is not None else {}
        connection = snowflake.connect(connection_name=name, **role, **_place(section), **_PATIENCE, **options)
    except (snowflake.Error, OSError, KeyError, ValueError, TypeError) as error:
        raise _told(name, place, error) from error
    return tagged(connection), _warnings(connection, name)


def where(settings: Settings, root: Path) -> str:
    """Return the place of the section, for messages."""
    return f"{root / FILE}: environment {settings.environment}"


def _place(section: Snowflake) -> dict[str, Any]:
    """Return what a session begins in."""
    given = {"database": section.database, "schema": section.schema_, "warehouse": section.warehouse}
    return {key: name for key, name in given.items() if name is not None}


def _default() -> str:
    """Return which connection is the default: the connector looks for it only where it is asked for nothing else."""
    from snowflake.connector.config_manager import CONFIG_MANAGER

    return str(CONFIG_MANAGER["default_connection_name"])


def _container_token() -> str | None:
    """Return the token of the container that this process runs in; None: it runs in none."""
    if TOKEN.is_file():
        return TOKEN.read_text(encoding="utf-8").strip()
    return os.environ.get("SNOWFLAKE_TOKEN") if {"SNOWFLAKE_HOST", "SNOWFLAKE_ACCOUNT"} <= os.environ.keys() else None


def _from_container(token: str) -> dict[str, Any]:
    """Return how a container logs in."""
    given = {name: value for name in _FROM_CONTAINER if (value := os.environ.get(f"SNOWFLAKE_{name.upper()}"))}
    return {**given, "authenticator": "oauth", "token": token}


def _warnings(connection: Any, name: str) -> list[str]:
    """Return what is weak about how a connection logs in: a key pair or a token is safer than a password."""
    if getattr(connection, "_authenticator", None) not in _PASSWORDS:
        return []
    return [f"connection {name!r} logs in by a password; a key pair is safer: private_key_file in connections.toml"]


def _told(name: str, place: str, error: Exception) -> Exception:
    """Return what has gone wrong as ours."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    with contextlib.suppress(ImportError):
        from snowflake.connector.errors import OperationalError

        if isinstance(error, OperationalError):
            return StoreError(f"Snowflake cannot be reached: {text}. Mend: see account, host and network, then again")
    if "connection_name" in text and name in text:
        return ConfigError(
            f"{place}: connection = {name!r}: {text}. Mend: [{name}] with account, user and private_key_file in "
            "~/.snowflake/connections.toml, or connection = the name of one that is there"
        )
    return StoreError(f"Snowflake does not let us in: {text}. Mend: user, key and role of connection {name!r}")
