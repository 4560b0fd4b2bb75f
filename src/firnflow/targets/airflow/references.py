"""Which of Airflow's connections and variables a project wants: `airflow:conn/NAME`, `airflow:var/NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.errors import ConfigError
from firnflow.project import catalog, settings
from firnflow.project.secrets import is_reference
from firnflow.project.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.project import Project

_KIND = "airflow:"


def references(project: Project) -> list[str]:
    """Return `conn/NAME` and `var/NAME` of all that stand in the files of a project, for its environment, sorted.

    Nothing is asked for here: what they stand for only the workers need to know.

    Raises:
        ConfigError: two of them are one for Airflow.
    """
    data = read_toml(project.root / settings.FILE).data
    sections: list[Any] = [data.get("pipelines")]
    name: str | None = project.settings.environment
    while name is not None:
        layer = data.get("environments", {}).get(name, {})
        sections.append(layer)
        name = layer.get("inherits")
    if (project.root / catalog.FILE).exists():
        sections.append(read_toml(project.root / catalog.FILE).data)
    known: dict[str, str] = {}
    for text in _texts(sections):
        if text.startswith(_KIND) and is_reference(text):
            other = known.setdefault(text.upper(), text)
            if other != text:
                raise ConfigError(f"{other} and {text}: one variable stands for both. Mend: write them alike")
    return sorted(text.removeprefix(_KIND) for text in known.values())


def _texts(data: Any) -> Iterator[str]:
    """Yield the texts in plain data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from _texts(list(data.values()))
    elif isinstance(data, list):
        for each in data:
            yield from _texts(each)
