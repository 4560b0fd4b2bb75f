"""Snowflake's Model Registry, kept like ours: versions `V1`, `V2`, …, aliases, and as the default version the champion.

Statements: https://docs.snowflake.com/en/sql-reference/commands-model

`known` holds what it was told last: `version:3` → its name there, `about:3` → a digest of its comment, metrics and
tags, `left:3` → the digest of one that has no place there, `comment` → of the model, `alias:NAME` and `default` → our
version. What is otherwise there, somebody has changed by hand: it is said, and set back; what is not ours stays.
A model that is not ours is not touched.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import hash_json
from firnflow.errors import StoreError
from firnflow.models.tracking.snowflake import packing
from firnflow.models.tracking.snowflake.monitors import tasks_of
from firnflow.stores.snowflake.account import in_account, text_of
from firnflow.stores.snowflake.names import identifier, literal
from firnflow.stores.state.models import CHAMPION

if TYPE_CHECKING:
    from firnflow.models.tracking.base import Model, Version
    from firnflow.models.tracking.snowflake.monitors import Monitors
    from firnflow.stores.snowflake.account import Account

_SYSTEM = {"DEFAULT", "FIRST", "LAST"}
_ALIAS = re.compile(r"[A-Z_][A-Z0-9_$]*")
_SCHEMA = {"snowpark_ml_schema_version": "2024-01-01"}
"""How Snowflake's client knows the metadata in which it keeps metrics."""


def mirror(
    account: Account, model: Model, known: dict[str, str], mark: str, monitors: Monitors
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Make the registry of a schema say what `model` says; see `Registering.mirror`.

    Args:
        account: where.
        model: how it should be.
        known: what this function returned the last time.
        mark: begins the comment of what is ours.
        monitors: what watches the champion.

    Raises:
        StoreError: a model of this name, or a version, is somebody else's; or Snowflake cannot be reached.
    """
    return _Registered(account, model, dict(known), f"{mark} model={model.name}", monitors).mirror()


class _Registered:
    """One model in Snowflake's registry."""

    def __init__(self, account: Account, model: Model, known: dict[str, str], mark: str, monitors: Monitors) -> None:
        self._account, self._model, self._known, self._mark, self._monitors = account, model, known, mark, monitors
        self._name = in_account(model.name)
        self._full = account.full(self._name)
        self._said: list[str] = []

    def mirror(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Bring all of it up to date: versions in the order of their numbers, then what points to them."""
        there = self._look()
        for version in self._model.versions:
            if version.status != "deleted" and _name(version.version) not in there and not self._log(version):
                self._known[f"left:{version.version}"] = version.digest
        there = self._look()
        if there:
            self._comment()
            self._update_all(there)
            self._say_foreign(there)
            self._set_aliases(_aliases(there))
            self._set_default(there)
            self._said += self._monitors.keep(self._model, tasks_of(there))
            self._drop_deleted(there)
        return self._known, tuple(self._said)

    # -- what is there ------------------------------------------------------------------------------------------------

    def _look(self) -> dict[str, dict[str, Any]]:
        """Return the versions that are there, by name. Raises StoreError where they are somebody else's."""
        rows = self._account.looked(f"SHOW VERSIONS IN MODEL {self._full}")
        if rows is None:
            if any(key.startswith("version:") for key in self._known):
                self._say("it was deleted", "It was made again")
                self._known.clear()
            return {}
        there = {str(row["name"]): row for row in rows}
        for version in self._model.versions:
            found = there.get(_name(version.version))
            if found is not None and self._token(version) not in str(found["model_spec"]):
                raise StoreError(
                    f"version {found['name']} of model {self._name} is not {self._model.name}/{version.version} of "
                    f"this project: somebody else has made it, or another state. {self._elsewhere()}"
                )
        if there and not self._is_ours(there):
            raise StoreError(f"there is a model {self._name} that is not this project's. {self._elsewhere()}")
        return there

    def _is_ours(self, there: dict[str, dict[str, Any]]) -> bool:
        if any(_name(version.version) in there for version in self._model.versions):
            return True  # with our token, or it would have been refused
        return str(self._shown().get("comment") or "").startswith(f"{self._mark}\n")

    def _shown(self) -> dict[str, Any]:
        """Return what SHOW says of the model."""
        database, schema = (identifier(part) for part in self._account.schema)
        like = literal(re.sub(r"([\\_%])", r"\\\1", self._name))
        rows = self._account.rows(f"SHOW MODELS LIKE {like} IN SCHEMA {database}.{schema}")
        return next((row for row in rows if row["name"] == self._name), {})

    def _token(self, version: Version) -> str:
        """Return what stands in a version from its first moment: whose it is, and of which file."""
        return hash_json([self._mark, version.version, version.digest])

    def _elsewhere(self) -> str:
        database, schema = self._account.schema
        return f"Mend: another schema than {database}.{schema} in firnflow.toml, or another name for the model"

    # -- versions -----------------------------------------------------------------------------------------------------

    def _log(self, version: Version) -> bool:
        """Make a version; return False where the registry has no place for such a model."""
        number = version.version
        key, name = f"version:{number}", _name(number)
        if self._known.get(f"left:{number}") == version.digest:
            return False
        if key in self._known:
            self._say(f"version {name} was deleted", "It was made again")
            self._known = {each: told for each, told in self._known.items() if each not in (key, f"about:{number}")}
        if version.file is None:
            raise AssertionError("a version for a registry that stores models has a file")
        try:
            packing.log(self._account, self._name, name, version.file(), self._token(version))
        except packing.NotPredictingError as error:
            self._said.append(f"{self._model.name}/{number} is not in Snowflake's registry: {error}")
            return False
        self._known[key] = name
        return True

    def _comment(self) -> None:
        wanted, there = f"{self._mark}\n{self._model.description}", str(self._shown().get("comment") or "")
        if there not in (self._known.get("comment", there), wanted):  # else a sender has died behind it
            self._say("its comment was changed")
        if there != wanted:
            self._do(f"SET COMMENT = {literal(wanted)}")
        self._known["comment"] = wanted

    def _update_all(self, there: dict[str, dict[str, Any]]) -> None:
        for version in self._model.versions:
            row = there.get(_name(version.version))
            if row is not None and version.status != "deleted":
                self._known[f"version:{version.version}"] = str(row["name"])
                self._update(version, row)

    def _update(self, version: Version, row: dict[str, Any]) -> None:
        """Set a version's comment and metadata; what of the metadata is not ours stays."""
        metadata = _loaded(row["metadata"])
        metrics = {key: value for key, value in version.metrics.items() if _is_figure(value)}
        others = found if isinstance(found := metadata.get("metrics"), dict) else {}
        wanted = {**metadata, **_SCHEMA, "metrics": {**others, **metrics}, "firnflow": version.tags}
        key, ours = f"about:{version.version}", [version.description, metrics, version.tags]
        said = {name: others.get(name) for name in metrics}
        remote = hash_json([str(row["comment"] or ""), said, metadata.get("firnflow")])
        if remote not in (self._known.get(key, remote), hash_json(ours)):  # else a sender has died behind it
            self._say(f"what is said of version {row['name']} was changed")
        if remote != hash_json(ours):
            name = identifier(str(row["name"]))
            comment = f"COMMENT = {literal(version.description)}"
            self._do(f"MODIFY VERSION {name} SET {comment}")
            self._do(f"MODIFY VERSION {name} SET METADATA = {text_of(wanted)}")
        self._known[key] = hash_json(ours)

    def _say_foreign(self, there: dict[str, dict[str, Any]]) -> None:
        for name in sorted(set(there) - {_name(version.version) for version in self._model.versions}):
            self._say(f"version {name} was made", "It is not ours, and was left alone")

    def _drop_deleted(self, there: dict[str, dict[str, Any]]) -> None:
        for version in self._model.versions:
            name = _name(version.version)
            if version.status != "deleted" or name not in there:
                continue
            if len(there) == 1:
                self._account.rows(f"DROP MODEL {self._full}")  # a model has one version at least
                self._known.clear()
            else:
                self._do(f"DROP VERSION {identifier(name)}")
            del there[name]
            for key in (f"version:{version.version}", f"about:{version.version}"):
                self._known.pop(key, None)

    # -- what points to versions --------------------------------------------------------------------------------------

    def _set_aliases(self, remote: dict[str, str]) -> None:
        names = {alias.upper(): (alias, number) for alias, number in self._model.aliases.items()}
        for name, (alias, number) in names.items():
            if name in _SYSTEM or not _ALIAS.fullmatch(name):
                self._said.append(f"{self._model.name}@{alias}: Snowflake takes no alias of this name")
            elif f"version:{number}" in self._known:
                self._set_alias(name, number, remote.get(name))
        for name in sorted(set(remote) - set(names) - _SYSTEM):
            if self._known.pop(f"alias:{name}", None) is not None:
                self._do(f"VERSION {identifier(name)} UNSET ALIAS")
            else:
                self._say(f"the alias {name} was set", "It is not ours, and was left alone")

    def _set_alias(self, name: str, number: int, there: str | None) -> None:
        wanted, told = _name(number), self._known.get(f"alias:{name}")
        if told is not None and there not in (wanted, _name(int(told))):
            now = f"moved to version {there}" if there is not None else "removed"
            self._say(f"the alias {name} was {now}", f"The state says version {number}: it was set back")
        if there is not None and there != wanted:
            self._do(f"VERSION {identifier(name)} UNSET ALIAS")
        if there != wanted:
            self._do(f"VERSION {identifier(wanted)} SET ALIAS = {identifier(name)}")
        self._known[f"alias:{name}"] = str(number)

    def _set_default(self, there: dict[str, dict[str, Any]]) -> None:
        """Let the champion be the default version; where there is none, any that stays."""
        now = self._shown().get("default_version_name")
        number, told = self._model.aliases.get(CHAMPION), self._known.get("default")
        if number is None or f"version:{number}" not in self._known:
            deleted = {_name(version.version) for version in self._model.versions if version.status == "deleted"}
            stays = [name for name in there if name not in deleted]
            if now in deleted and stays:
                self._do(f"SET DEFAULT_VERSION = {identifier(stays[-1])}")
            self._known.pop("default", None)
            return
        wanted = _name(number)
        if told is not None and now not in (wanted, _name(int(told))):
            self._say(f"the default version was set to {now}", f"The champion is version {number}: it was set back")
        if now != wanted:
            self._do(f"SET DEFAULT_VERSION = {identifier(wanted)}")
        self._known["default"] = str(number)

    def _do(self, change: str) -> None:
        self._account.rows(f"ALTER MODEL {self._full} {change}")

    def _say(self, what: str, then: str = "It was set back") -> None:
        database, schema = self._account.schema
        self._said.append(f"model {self._name} in {database}.{schema}: {what} by hand. {then}")


def _name(number: int) -> str:
    return f"V{number}"


def _aliases(there: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return alias → version."""
    return {str(alias): name for name, row in there.items() for alias in json.loads(row["aliases"] or "[]")}


def _loaded(text: Any) -> dict[str, Any]:
    with contextlib.suppress(ValueError, TypeError):
        found = json.loads(text)
        return found if isinstance(found, dict) else {}
    return {}


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
