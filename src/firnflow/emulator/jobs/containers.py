"""Prepares what an instance of a job runs: its folders, its variables, its command.

A stage that is mounted is the stage's own folder: what the job writes there is on the stage at once. The container's
paths are those of this machine, so a mounted path is replaced where a word or a variable begins with it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.programs.processes import login_of
from firnflow.emulator.reader import Reader
from firnflow.emulator.stages.places import place

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.jobs.specification import Container
    from firnflow.emulator.session import Session

_PYTHON = ("python", "python3")


def check_image(session: Session, image: str) -> None:
    """Raise SnowflakeError if the repository of an image, `/db/schema/repository/name:tag`, is none the role may read.

    What is in a repository is not known here: any name of an image in it will do.
    """
    parts = image.strip("/").split("/")
    parts = parts[1:] if "." in parts[0] else parts  # the registry's host
    if len(parts) < 4 or ":" not in parts[-1].replace("@", ":"):
        raise errors.invalid(f"Invalid image '{image}': /database/schema/repository/name:tag")
    path = tuple(each.upper() for each in parts[:3])
    session.need("IMAGE REPOSITORY", path, "READ")


def mounted(session: Session, container: Container, folder: Path) -> dict[str, Path]:
    """Return path in the container → folder of this machine.

    Args:
        session: whose role has to be able to read the stages.
        container: what is mounted where.
        folder: of the job, for volumes that end with it.
    """
    found = {}
    for at, (path, source) in enumerate(container.mounts.items()):
        if source is None:
            found[path] = folder / f"volume{at}"
        else:
            where = place(session, Reader(source).location(), "READ", "WRITE")
            found[path] = where.inside()
        found[path].mkdir(parents=True, exist_ok=True)
    return found


def words_of(container: Container, mounts: dict[str, Path]) -> list[str]:
    """Return the command as this machine runs it: Python is the emulator's own."""
    words = [_here(each, mounts) for each in container.words]
    return [sys.executable, *words[1:]] if words[0] in _PYTHON else words


def _here(text: str, mounts: dict[str, Path]) -> str:
    for path, folder in mounts.items():
        if text == path or text.startswith(f"{path}/"):
            return str(folder) + text[len(path) :]
    return text


def variables_of(
    session: Session, container: Container, mounts: dict[str, Path], job: FullName, instances: int
) -> dict[str, str]:
    """Return the environment of all instances: the container's own, its secrets, and how to log in.

    Raises:
        SnowflakeError: a secret is not there, or may not be read.
    """
    own = {name: _here(value, mounts) for name, value in container.env.items()}
    secrets = {name: _secret(session, *where) for name, where in container.secrets.items()}
    told = {
        "SNOWFLAKE_SERVICE_NAME": full(job),
        "SNOWFLAKE_JOBS_COUNT": str(instances),
        "PYTHONUNBUFFERED": "1",
    }
    return {**told, **own, **secrets, **login_of(session, session.role, job[:2])}


def _secret(session: Session, name: str, key: str) -> str:
    thing = session.need("SECRET", session.path("SECRET", Reader(name).name()), "READ")
    if key.upper() not in thing.body:
        raise errors.invalid(f"Secret {name} has no '{key}'.")
    return str(thing.body[key.upper()])
