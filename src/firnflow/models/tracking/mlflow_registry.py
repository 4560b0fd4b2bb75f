"""MLflow's model registry, kept like ours.

`known` holds what it was told last: `version:3` → its number there, `tag:3:NAME` and `description` → text,
`alias:NAME` → our version. What is otherwise there, somebody has changed by hand: it is said; what we had told is set
back, and what is not ours is left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.models.tracking.base import Model, Version

_VERSION = "firnflow.version"
_TAKEN = re.compile(r"latest|[vV]\d+")  # aliases that MLflow keeps to itself
_NOWHERE = "firnflow:///deleted"  # the source of a version of which there is only its number


def mirror(client: Any, model: Model, known: dict[str, str], place: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Make the registry behind `client` say what `model` says; see `Registering.mirror`."""
    return _Registered(client, model, dict(known), place).mirror()


class _Registered:
    """One model in MLflow's registry."""

    def __init__(self, client: Any, model: Model, known: dict[str, str], place: str) -> None:
        self._client, self._model, self._known, self._place = client, model, known, place
        self._name = model.name
        self._said: list[str] = []

    def mirror(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Bring all of it up to date."""
        registered = self._registered()
        self._describe(registered.description or "")
        there = {int(each.version): each for each in self._client.search_model_versions(f"name = '{self._name}'")}
        ours = {each.tags[_VERSION]: number for number, each in there.items() if _VERSION in each.tags}
        for version in self._model.versions:
            self._bring(version, there, ours)
        numbers = {int(text) for key, text in self._known.items() if key.startswith("version:")}
        for number in sorted(set(there) - numbers):
            self._say(f"version {number} was made", "It is not ours, and was left alone")
        self._set_aliases({alias: int(number) for alias, number in registered.aliases.items()})
        return self._known, tuple(self._said)

    def _registered(self) -> Any:
        """Return the registered model, made if need be."""
        from mlflow import MlflowException

        try:
            return self._client.get_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        if self._known:
            self._say("it was deleted", "It was made again")
            self._known.clear()
        self._client.create_registered_model(self._name)
        return self._client.get_registered_model(self._name)

    def _describe(self, remote: str) -> None:
        wanted = self._model.description
        if self._known.get("description", remote) != remote:
            self._say("its description was changed")
        if remote != wanted:
            self._client.update_registered_model(self._name, wanted)
        self._known["description"] = wanted

    # -- versions -----------------------------------------------------------------------------------------------------

    def _bring(self, version: Version, there: dict[int, Any], ours: dict[str, int]) -> None:
        """Make one version, or bring it up to date."""
        key = f"version:{version.version}"
        number = int(self._known[key]) if key in self._known else ours.get(str(version.version))
        if number is None:
            made = self._create(version)
            number = int(made.version)
            there[number] = made
        self._known[key] = str(number)
        gone = f"gone:{version.version}"
        if number in there and version.status == "deleted":
            self._client.delete_model_version(self._name, str(number))
            self._known[gone] = "by us"
        elif number in there:
            self._update(version, there[number])
        elif gone not in self._known:
            self._say(f"version {number} was deleted", "There is no way to set that back")
            self._known[gone] = "by hand"

    def _create(self, version: Version) -> Any:
        run = version.location.removeprefix("runs:/").partition("/")[0] if version.location else None
        made = self._client.create_model_version(
            self._name, version.location or _NOWHERE, run, tags=version.tags, description=version.description
        )
        if int(made.version) != version.version:
            self._said.append(f"{self._name}/{version.version} is version {made.version} in MLflow at {self._place}")
        return made

    def _update(self, version: Version, remote: Any) -> None:
        number, prefix = str(remote.version), f"tag:{version.version}:"
        told = {key.removeprefix(prefix): text for key, text in self._known.items() if key.startswith(prefix)}
        for name, text in told.items():
            if remote.tags.get(name) != text:
                self._say(f"the tag {name!r} of version {number} was changed")
            if name not in version.tags:
                self._client.delete_model_version_tag(self._name, number, name)
                del self._known[prefix + name]
        for name, text in version.tags.items():
            if remote.tags.get(name) != text:
                self._client.set_model_version_tag(self._name, number, name, text)
            self._known[prefix + name] = text
        if (remote.description or "") != version.description:
            self._client.update_model_version(self._name, number, version.description)

    # -- aliases ------------------------------------------------------------------------------------------------------

    def _set_aliases(self, remote: dict[str, int]) -> None:
        for alias, version in self._model.aliases.items():
            if _TAKEN.fullmatch(alias):
                self._said.append(f"{self._name}@{alias}: MLflow at {self._place} takes no alias of this name")
                continue
            told, number = self._known.get(f"alias:{alias}"), int(self._known[f"version:{version}"])
            expected = {number, int(self._known.get(f"version:{told}", number))}
            if (told is not None or alias in remote) and remote.get(alias) not in expected:
                now = f"moved to version {remote[alias]}" if alias in remote else "removed"
                self._say(f"the alias {alias!r} was {now}", f"The state says version {version}: it was set back")
            if remote.get(alias) != number:
                self._client.set_registered_model_alias(self._name, alias, str(number))
            self._known[f"alias:{alias}"] = str(version)
        for alias in sorted(set(remote) - set(self._model.aliases)):
            if self._known.pop(f"alias:{alias}", None) is not None:
                self._client.delete_registered_model_alias(self._name, alias)
            else:
                self._say(f"the alias {alias!r} was set", "It is not ours, and was left alone")

    def _say(self, what: str, then: str = "It was set back") -> None:
        self._said.append(f"model {self._name} in MLflow at {self._place}: {what} by hand. {then}")
