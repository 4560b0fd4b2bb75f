"""Makes in an emulated account what an environment presumes, and a role that has just what `plan --grants` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.cli._rehearsal.borrowed import lend
from firnflow.cli._rehearsal.surroundings import USER
from firnflow.errors import RunError
from firnflow.targets.snowflake.compile.place import parsed, place_of
from firnflow.targets.snowflake.grammar import render, render_name
from firnflow.targets.snowflake.grammar.statements import Create
from firnflow.targets.snowflake.grammar.values import Name, Property, Word
from firnflow.targets.snowflake.needs import needs_of
from firnflow.targets.snowflake.target import SnowflakeTarget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from firnflow.project import Project

_PROPERTIES: dict[str, tuple[Property, ...]] = {
    "DATABASE": (),
    "SCHEMA": (),
    "WAREHOUSE": (),
    "IMAGE REPOSITORY": (),
    "SECRET": (Property("TYPE", Word("GENERIC_STRING")), Property("SECRET_STRING", "rehearsal")),
    "COMPUTE POOL": (
        Property("MIN_NODES", 1),
        Property("MAX_NODES", 10),
        Property("INSTANCE_FAMILY", Word("CPU_X64_M")),
    ),
}
_RULE = "FIRNFLOW_REHEARSAL"
"""The network rule of all external access integrations."""
_ORDER = [*_PROPERTIES]
"""What others lie in comes before them."""


def prepare(project: Project, port: int, folder: Path) -> list[str]:
    """Make what a project's environment presumes, and the user who may do what the script of grants lets them.

    Args:
        project: the project, loaded in the environment.
        port: of the emulator.
        folder: of the rehearsal, with what was borrowed.

    Returns:
        What was made, for people.

    Raises:
        RunError: a statement is refused.
    """
    connection = _connect(port)
    try:
        things = [*presumed(project)]
        for each in things:
            _do(connection, render(each))
        granted = lend(connection, project.settings, folder)
        script = SnowflakeTarget(project).grants()
        for text in script:
            _do(connection, text.removesuffix(";"))
        role = render_name(parsed(project, "role", str(project.settings.snowflake.role)))
        for text in granted:
            _do(connection, f"{text} {role}")
        _do(connection, f"CREATE USER {USER} DEFAULT_ROLE = {role} DEFAULT_SECONDARY_ROLES = ()")
        _do(connection, f"GRANT ROLE {role} TO USER {USER}")
    finally:
        connection.close()
    return [*(f"{each.kind.lower()} {render_name(each.name)}" for each in things), f"role {role} by the script"]


def presumed(project: Project) -> Iterator[Create]:
    """Yield the statements that make what an environment needs and does not make itself."""
    needs = needs_of(project, place_of(project))
    things = {(need.on, need.name): None for need in needs if need.name is not None and need.on in _PROPERTIES}
    for kind, name in sorted(things, key=lambda each: _ORDER.index(each[0])):
        yield Create(kind, name, _PROPERTIES[kind], if_not_exists=True)
    if outside := [need.name for need in needs if need.on == "INTEGRATION" and need.name is not None]:
        rule = Name((*place_of(project).schema_name.parts, _RULE))
        mode = (
            Property("TYPE", Word("HOST_PORT")),
            Property("MODE", Word("EGRESS")),
            Property("VALUE_LIST", ("example.com:443",)),
        )
        yield Create("NETWORK RULE", rule, mode)
        for name in outside:
            access = (Property("ALLOWED_NETWORK_RULES", (rule,)), Property("ENABLED", value=True))
            yield Create("EXTERNAL ACCESS INTEGRATION", name, access)


def _connect(port: int) -> Any:
    import snowflake.connector

    place = {"protocol": "http", "host": "127.0.0.1", "port": port, "account": "emulator"}
    return snowflake.connector.connect(**place, user="EMULATOR", password="any", role="ACCOUNTADMIN")  # noqa: S106 - no password is checked


def _do(connection: Any, text: str) -> None:
    from snowflake.connector.errors import Error

    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
    except Error as error:
        raise RunError(f"the emulator refuses what the environment presumes: {error.msg}\n  {text[:300]}") from error
