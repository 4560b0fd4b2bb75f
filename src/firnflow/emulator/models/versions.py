"""Versions of a model, as the catalog keeps them, and the files of each, which never change."""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.reader import Reader
from firnflow.emulator.stages.places import URI_PLACES, Place, folder, place

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

RESERVED = ("DEFAULT", "FIRST", "LAST")
"""Aliases that each model has: https://docs.snowflake.com/en/sql-reference/sql/alter-model-modify-version."""
_URI = re.compile(r"snow://model/(.+?)/versions/([^/]+)/?(.*)", re.DOTALL)


def files_of(account: Account, model: FullName, version: str) -> Path:
    """Return the folder of a version's files."""
    return folder(account, (*model[:2], f"{model[2]}!models", version))


def added(session: Session, model: Object, version: str, source: Path, comment: str | None = None) -> Object:
    """Return a model with a version more, whose files are copied.

    Raises:
        SnowflakeError: there is such a version, or no model in the files.
    """
    if version in model.body["versions"] or version in RESERVED:
        raise errors.SnowflakeError(
            2002, "42710", f"SQL compilation error:\nVersion '{version}' of model '{model.name}' already exists."
        )
    if not (source / "MANIFEST.yml").is_file():
        raise errors.SnowflakeError(
            398100, "22000", "No MANIFEST.yml in the files of the model: it was not packed by snowflake-ml-python."
        )
    target = files_of(session.account, model.path, version)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    entry = {"created": time.time(), "comment": comment or "", "metadata": {}, "aliases": []}
    changed = model.changed(versions={**model.body["versions"], version: entry})
    return changed if model.body.get("default") else changed.changed(default=version)


def source_of(session: Session, given: dict[str, Any]) -> Path:
    """Return the folder that a new version is made from: a stage's, or another version's."""
    if "FROM MODEL" in given:
        path = session.path("MODEL", given["FROM MODEL"])
        model = session.need("MODEL", path, "READ", "USAGE")
        return files_of(session.account, path, resolved(model, given["VERSION"][-1]))
    return place(session, Reader(given["FROM"]).location(), "READ", "USAGE").inside()


def resolved(model: Object, name: str) -> str:
    """Return the version that a name or alias means.

    Raises:
        SnowflakeError: there is none.
    """
    versions = model.body["versions"]
    by_age = sorted(versions, key=lambda each: versions[each]["created"])
    if by_age:
        known = {"DEFAULT": model.body["default"], "FIRST": by_age[0], "LAST": by_age[-1]}
        known |= {alias: each for each in versions for alias in versions[each]["aliases"]}
        found = name if name in versions else known.get(name)
        if found is not None:
            return found
    raise errors.SnowflakeError(
        2003,
        "02000",
        f"SQL compilation error:\nVersion '{name}' of model '{full(model.path)}' does not exist or not authorized.",
    )


def entry(model: Object, version: str, **changes: Any) -> Object:
    """Return a model with something changed in one version."""
    versions = model.body["versions"]
    return model.changed(versions={**versions, version: {**versions[version], **changes}})


def aliased(model: Object, version: str, alias: str) -> Object:
    """Return a model in which an alias means a version; it is taken from the one that it meant before."""
    if alias in RESERVED or alias in model.body["versions"]:
        raise errors.invalid(f"Invalid alias '{alias}': it is reserved, or the name of a version")
    for each, held in model.body["versions"].items():
        model = entry(model, each, aliases=[name for name in held["aliases"] if name != alias])
    return entry(model, version, aliases=[*model.body["versions"][version]["aliases"], alias])


def without(session: Session, model: Object, version: str) -> Object:
    """Return a model without a version.

    https://docs.snowflake.com/en/sql-reference/sql/alter-model-drop-version: the default one stays.
    """
    if version == model.body["default"]:
        raise errors.SnowflakeError(
            398101,
            "22000",
            f"SQL execution error: Cannot drop the default version '{version}' of model '{model.name}'.",
        )
    shutil.rmtree(files_of(session.account, model.path, version), ignore_errors=True)
    return model.changed(versions={name: held for name, held in model.body["versions"].items() if name != version})


def manifest(account: Account, model: Object, version: str) -> dict[str, Any]:
    """Return what a version says of its functions."""
    import yaml  # type: ignore[import-untyped]

    text = (files_of(account, model.path, version) / "MANIFEST.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text) or {}
    return found


def spec(account: Account, model: Object, version: str) -> str:
    """Return the text of model.yaml, which lies beside or below the manifest."""
    files = sorted(files_of(account, model.path, version).rglob("model.yaml"))
    return files[0].read_text() if files else ""


def task_of(account: Account, model: Object, version: str) -> str:
    """Return what a version is for, as it was logged, e.g. TABULAR_REGRESSION; UNKNOWN where nobody said."""
    import yaml

    return str((yaml.safe_load(spec(account, model, version)) or {}).get("task", "UNKNOWN"))


def _of_uri(session: Session, uri: str) -> Place:
    """Return the place that `snow://model/NAME/versions/VERSION/path` names."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise errors.unknown(uri, ["snow://model/NAME/versions/VERSION/path"])
    path = session.path("MODEL", Reader(found[1]).name())
    model = session.need("MODEL", path, "READ", "USAGE")
    version = resolved(model, found[2])
    return Place(files_of(session.account, path, version), found[3], f"versions/{version}/")


URI_PLACES["model"] = _of_uri


def functions(account: Account, model: Object, version: str) -> list[dict[str, Any]]:
    """Return the functions of a version."""
    return list(manifest(account, model, version).get("methods", []))


def platforms(account: Account, model: Object, version: str) -> list[str]:
    """Return where a version runs: where it was logged for, or else in a warehouse, too, if it needs nothing of pip.

    https://docs.snowflake.com/en/developer-guide/snowflake-ml/model-registry/packaging-dependencies
    """
    said = manifest(account, model, version)
    if said.get("target_platforms"):
        return [str(each) for each in said["target_platforms"]]
    needs = [each.get("dependencies") or {} for each in (said.get("runtimes") or {}).values()]
    from_pip = any("pip" in each and not each.get("artifact_repository_map") for each in needs)
    return ["SNOWPARK_CONTAINER_SERVICES"] if from_pip else ["WAREHOUSE", "SNOWPARK_CONTAINER_SERVICES"]
