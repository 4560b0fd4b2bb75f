"""How Snowflake is reached: by a connection of connections.toml, or from a container by the token that it is given.

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
from firnflow.targets.snowflake.compile.place import where

if TYPE_CHECKING:
    from firnflow.project import Project

TOKEN = Path("/snowflake/session/token")
"""Where a container of Snowflake's finds its token."""
_PATIENCE = {"login_timeout": 60, "network_timeout": 300}
"""Seconds that a login, and a statement with all its repetitions, may take when the network fails."""
_PASSWORDS = ("SNOWFLAKE", "USERNAME_PASSWORD_MFA")
"""How the connector names logins by a password; it forgets the password itself."""


def connect(project: Project) -> tuple[Any, list[str]]:
    """Return a connection of Snowflake's connector, and what people should know of it.

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
    section = project.settings.snowflake
    common: dict[str, Any] = {**_PATIENCE, **({"role": section.role} if section.role is not None else {})}
    try:
        if section.connection is None and TOKEN.is_file():
            return snowflake.connect(**_from_container(), **common), []
        named = {"connection_name": section.connection} if section.connection is not None else {}
        connection = snowflake.connect(**named, **common)
    except (snowflake.Error, OSError, KeyError, ValueError, TypeError) as error:
        raise _told(project, error) from error
    return connection, _warnings(connection, section.connection or "default")


def _from_container() -> dict[str, Any]:
    """Return how a container logs in."""
    names = ("account", "host", "port", "protocol", "database", "schema")
    given = {name: value for name in names if (value := os.environ.get(f"SNOWFLAKE_{name.upper()}"))}
    return {**given, "authenticator": "oauth", "token": TOKEN.read_text(encoding="utf-8").strip()}


def _warnings(connection: Any, name: str) -> list[str]:
    """Return what is weak about how a connection logs in: a key pair or a token is safer than a password."""
    if getattr(connection, "_authenticator", None) not in _PASSWORDS:
        return []
    return [f"connection {name!r} logs in by a password; a key pair is safer: private_key_file in connections.toml"]


def _told(project: Project, error: Exception) -> Exception:
    """Return what has gone wrong as ours."""
    name = project.settings.snowflake.connection
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    with contextlib.suppress(ImportError):
        from snowflake.connector.errors import OperationalError

        if isinstance(error, OperationalError):
            return StoreError(f"Snowflake cannot be reached: {text}. Mend: see account, host and network, then again")
    if "connection" in text.lower() and name is not None and name in text:
        return ConfigError(
            f"{where(project)}: connection = {name!r}: {text}. Mend: [{name}] in Snowflake's connections.toml"
        )
    return StoreError(f"Snowflake does not let us in: {text}. Mend: user, key and role of connection {name!r}")
