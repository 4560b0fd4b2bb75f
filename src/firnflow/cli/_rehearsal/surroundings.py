"""What a rehearsal is told of its surroundings: by variables, which go before what firnflow.toml says.

So the code that deploys and runs is that of a real deployment, and where it looks is the rehearsal's folder.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from firnflow.targets.snowflake.grants import default_role

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project.settings import Settings

CONNECTION = "rehearsal"
USER = "FIRNFLOW_REHEARSAL"
_KEPT_OUT = ("SNOWFLAKE_", "FIRNFLOW_")
_ACCOUNT = "snowflake"
_DELETE = "\x7f"
_ALL = 10**9


def variables_of(settings: Settings, folder: Path, port: int) -> dict[str, str]:
    """Return the environment of the rehearsal's process, and write the connection that it names.

    Args:
        settings: of the environment that is rehearsed.
        folder: of the rehearsal.
        port: of the emulator.
    """
    home = folder / "home"
    home.mkdir(mode=0o700)
    connections = home / "connections.toml"
    connections.touch(mode=0o600)
    place = {"account": "emulator", "user": USER, "password": "any", "protocol": "http", "host": "127.0.0.1"}
    connections.write_text(f"{CONNECTION} = {as_toml({**place, 'port': port})}\n", encoding="utf-8")
    own = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_OUT)}
    there = {**stores(folder / "there"), **_in_account(settings)}
    return {**own, **there, "SNOWFLAKE_HOME": str(home), "FIRNFLOW_SNOWFLAKE": as_toml(_section(settings, there))}


def stores(folder: Path) -> dict[str, str]:
    """Return the variables by which runs keep everything in a folder, and tell nobody."""
    folder.mkdir(exist_ok=True)
    return {
        "FIRNFLOW_STATE": f"sqlite:///{folder}/state.db",
        "FIRNFLOW_ONLINE": f"sqlite:///{folder}/online.db",
        "FIRNFLOW_ARTIFACTS": str(folder / "artifacts"),
        "FIRNFLOW_TRACKING": "none",
        "FIRNFLOW_ALERTS": "none",
    }


def _in_account(settings: Settings) -> dict[str, str]:
    """Return what runs keep in the account: in the rehearsal's then, whose connection the section names."""
    places = {"FIRNFLOW_STATE": settings.state.reference, "FIRNFLOW_ARTIFACTS": settings.artifacts}
    return {name: _ACCOUNT for name, place in places.items() if place.partition(":")[0] == _ACCOUNT}


def _section(settings: Settings, there: dict[str, str]) -> dict[str, Any]:
    """Return what is otherwise in the section: jobs are told where the rehearsal keeps everything."""
    section = settings.snowflake
    return {
        "connection": CONNECTION,
        "role": section.role or default_role(settings.environment),
        "variables": {**section.variables, **there},
        **({"sample": _ALL} if section.sample is not None else {}),  # all runs read the same
    }


def as_toml(value: Any) -> str:
    """Return plain data as an inline value of TOML, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(str(key))} = {as_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace(_DELETE, "\\u007f")
