"""What a job runs: https://docs.snowflake.com/en/developer-guide/snowpark-container-services/specification-reference.

A key that is not there on that page, or not here, is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONTAINER = ("name", "image", "command", "args", "env", "volumeMounts", "secrets", "resources")
_SCRATCH = ("local", "memory")


@dataclass(frozen=True)
class Container:
    """What one instance runs.

    Attributes:
        name: of the container.
        image: the image, which is not looked into.
        words: the command with its arguments.
        env: its variables.
        mounts: path in the container → place of a stage; None: a folder of its own.
        secrets: variable → full name and key of the secret.
    """

    name: str
    image: str
    words: list[str]
    env: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, str | None] = field(default_factory=dict)
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)


def parsed(text: str) -> dict[str, Any]:
    """Return a specification as data. Raises SnowflakeError: it is no YAML, or no mapping."""
    import yaml  # type: ignore[import-untyped]

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise errors.invalid(f"Invalid spec: it is no YAML: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("spec"), dict):
        raise errors.invalid("Invalid spec: missing 'spec'.")
    return found


def written(spec: dict[str, Any]) -> str:
    """Return a specification as text."""
    import yaml

    return str(yaml.safe_dump(spec, sort_keys=False))


def container_of(spec: dict[str, Any]) -> Container:
    """Return the container of a job's specification.

    Raises:
        SnowflakeError: something is missing, unknown, or not emulated.
    """
    inner = spec["spec"]
    _known(spec, ("spec",), "")
    _known(inner, ("containers", "volumes", "logExporters", "platformMonitor"), "spec")
    containers = inner.get("containers") or []
    if len(containers) != 1:
        raise errors.unknown(f"a job with {len(containers)} containers", ["a job with one container"])
    (given,) = containers
    _known(given, _CONTAINER, "spec.containers")
    for key in ("name", "image"):
        if key not in given:
            raise errors.invalid(f"Invalid spec: missing 'spec.containers.{key}'.")
    if not given.get("command"):
        raise errors.unknown(
            "a container without command", ["spec.containers.command: what the image starts is not known"]
        )
    words = [str(each) for each in (*given["command"], *given.get("args", []))]
    env = {key: str(value) for key, value in (given.get("env") or {}).items()}
    volumes = {each["name"]: each for each in inner.get("volumes") or []}
    return Container(
        *(given["name"], given["image"], words, env), _mounts(given, volumes), _secrets(given.get("secrets") or [])
    )


def _known(given: dict[str, Any], known: Iterable[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise errors.unknown(f"{where}.{key} of a specification".lstrip("."), [f"{where}.{each}" for each in known])


def _mounts(given: dict[str, Any], volumes: dict[str, Any]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for mount in given.get("volumeMounts") or []:
        volume = volumes.get(mount["name"])
        if volume is None:
            raise errors.invalid(f"Invalid spec: volume '{mount['name']}' is not in 'spec.volumes'.")
        found[mount["mountPath"].rstrip("/")] = _place(volume)
    return found


def _place(volume: dict[str, Any]) -> str | None:
    """Return the place of a stage that a volume is; None: a folder that ends with the job.

    https://docs.snowflake.com/en/developer-guide/snowpark-container-services/snowflake-stage-volume
    """
    source = str(volume.get("source", ""))
    if source.startswith("@"):
        return source
    if source in ("stage", "@"):
        return str(volume["stageConfig"]["name"])
    if source in _SCRATCH:
        return None
    raise errors.unknown(f"volume source {source}", ["stage", *_SCRATCH])


def _secrets(given: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    found = {}
    for each in given:
        if "envVarName" not in each:
            raise errors.unknown("a secret in a file", ["envVarName"])
        name = each["snowflakeSecret"]
        name = name["objectName"] if isinstance(name, dict) else name
        found[each["envVarName"]] = (str(name), str(each.get("secretKeyRef", "secret_string")))
    return found
