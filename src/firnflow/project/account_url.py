"""URLs of what lies in a Snowflake account: `snowflake://CONNECTION;role=R;warehouse=W/DATABASE/SCHEMA/STAGE/path`.

They say all that it takes to go there, and hold nothing secret: CONNECTION is a name in connections.toml, "" the
default one. Names stand in them as in SQL: `ml` and `"ml"` are two. What URLs have signs for is percent-encoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from firnflow.errors import ConfigError

if TYPE_CHECKING:
    from firnflow.project.snowflake import Snowflake

SCHEME = "snowflake"
_OPTIONS = ("role", "warehouse")


def is_account_url(url: str) -> bool:
    """Return whether a URL leads into a Snowflake account."""
    return url.partition("://")[0] == SCHEME and "://" in url


def account_url(section: Snowflake, environment: str, *path: str) -> str:
    """Return the URL of an environment's schema, or of something in it.

    Args:
        section: where in which account.
        environment: its name, for the message.
        path: below the schema: a stage, and folders of it.

    Raises:
        ConfigError: the section does not say which schema.
    """
    parts = {"database": section.database, "schema": section.schema_}
    for key, name in parts.items():
        if name is None:
            raise ConfigError(
                f"environment {environment}: something is to be kept in Snowflake, but not said in which {key}. "
                f"Mend: {key} = 'ml' in [environments.{environment}.snowflake]"
            )
    options = [f";{key}={_coded(name)}" for key in _OPTIONS if (name := getattr(section, key)) is not None]
    place = "/".join(_coded(str(part)) for part in (*parts.values(), *path))
    return f"{SCHEME}://{_coded(section.connection or '')}{''.join(options)}/{place}"


def state_url(section: Snowflake, environment: str) -> str:
    """Return the URL of the schema that holds the state: beside the environment's, so that no name of its is taken.

    Raises:
        ConfigError: as `account_url`.
    """
    name = section.schema_
    beside = None if name is None else f'{name[:-1]}_FIRNFLOW"' if name.endswith('"') else f"{name}_FIRNFLOW"
    return account_url(section.model_copy(update={"schema_": beside}), environment)


def read_account_url(url: str) -> tuple[Snowflake, list[str]]:
    """Return where a URL leads: the section that says as much, and the path below the schema.

    Raises:
        ConfigError: it is no such URL.
    """
    from firnflow.project.snowflake import Snowflake

    server, *parts = url.removeprefix(f"{SCHEME}://").rstrip("/").split("/")
    connection, *options = server.split(";")
    given = dict(option.partition("=")[::2] for option in options)
    if not is_account_url(url) or len(parts) < 2 or not all(parts) or not given.keys() <= set(_OPTIONS):
        raise ConfigError(f"{url!r} leads nowhere in Snowflake. Write: {SCHEME}://CONNECTION/DATABASE/SCHEMA")
    database, schema, *path = map(unquote, parts)
    named = {"connection": connection, **given}
    said = {key: unquote(value) for key, value in named.items() if value}
    return Snowflake.model_validate({**said, "database": database, "schema": schema}), path


def _coded(text: str) -> str:
    return quote(text, safe="")
