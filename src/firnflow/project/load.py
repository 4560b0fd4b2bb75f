"""Loading a project: its settings, its catalog, and the pipelines that its modules define."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow._text import listing, nearest
from firnflow.errors import ConfigError, FirnflowError, NotFoundError
from firnflow.graph.model import updates_of
from firnflow.project.catalog import Source, load_catalog
from firnflow.project.settings import FILE, Settings, find_root, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from firnflow.graph.pipeline import Pipeline

_loaded: set[Path] = set()
"""The projects whose modules this process has imported."""


@dataclass(frozen=True)
class Project:
    """A project in one environment.

    Attributes:
        root: its folder.
        settings: the settings of the chosen environment.
        pipelines: name → pipeline.
        catalog: name → outside source.
        modules: the modules that hold its pipelines and feature views.
    """

    root: Path
    settings: Settings
    pipelines: dict[str, Pipeline]
    catalog: dict[str, Source]
    modules: tuple[ModuleType, ...] = ()

    def pipeline(self, name: str) -> Pipeline:
        """Return the pipeline of this name.

        Raises:
            NotFoundError: there is none.
            GraphError: it can only be called in another one; says which of its arguments a run does not give.
        """
        if name not in self.pipelines:
            for part in _all_pipelines(self.modules):
                if part.name == name:
                    part.build()
            raise NotFoundError(
                f"There is no pipeline {name!r}.{nearest(name, self.pipelines)} Known: {listing(self.pipelines)}"
            )
        return self.pipelines[name]

    def source(self, name: str) -> Source:
        """Return the catalog's source of this name. Raises NotFoundError."""
        if name not in self.catalog:
            raise NotFoundError(
                f"There is no source {name!r} in catalog.toml.{nearest(name, self.catalog)} "
                f"Known: {listing(self.catalog)}. Mend: add [{name}], or give --input {name}=PATH"
            )
        return self.catalog[name]


def load_project(root: Path | None = None, environment: str | None = None) -> Project:
    """Return a project, its modules imported.

    Args:
        root: its folder; default: the nearest with a firnflow.toml, upward from the working directory.
        environment: the environment's name; default: FIRNFLOW_ENV, then `local`.

    Raises:
        NotFoundError: there is no project.
        ConfigError: a file is wrong, a module cannot be imported, or two pipelines have one name.
    """
    root = (root.absolute() if root else find_root()).resolve()
    settings = load_settings(root, environment)
    catalog = load_catalog(root)
    modules = _import_all(root, settings.modules)
    pipelines = _pipelines(modules)
    for name in settings.params:
        if name not in pipelines:
            raise ConfigError(
                f"{root / FILE}: [pipelines.{name}]: there is no such pipeline.{nearest(name, pipelines)} "
                f"Known: {listing(pipelines)}"
            )
    _check_schedules(pipelines, catalog)
    return Project(root, settings, pipelines, catalog, tuple(modules))


def _check_schedules(pipelines: dict[str, Pipeline], catalog: dict[str, Source]) -> None:
    """Raise ConfigError where a schedule waits for a source that is not in the catalog."""
    for name, pipeline in pipelines.items():
        for each in updates_of(pipeline.schedule):
            if each.source is not None and each.source not in catalog:
                raise ConfigError(
                    f"pipeline {name}: OnUpdate(source={each.source!r}): there is no such source in catalog.toml."
                    f"{nearest(each.source, catalog)} Known: {listing(catalog)}"
                )


def _import_all(root: Path, names: tuple[str, ...]) -> list[ModuleType]:
    folders = [folder for folder in (root / "src", root) if folder.is_dir()]
    _make_room(root)
    sys.path[:] = [*map(str, folders), *(entry for entry in sys.path if entry not in set(map(str, folders)))]
    importlib.invalidate_caches()
    return [_import(root, name) for name in names]


def _make_room(root: Path) -> None:
    """Forget the modules of another project that this process has loaded: two may have modules of one name."""
    for other in _loaded - {root}:
        below = f"{other}{os.sep}"  # thousands of modules: a path is made of those few alone that are in there
        for name, module in list(sys.modules.items()):
            found = [Path(place) for place in _places(module) if place.startswith(below)]
            if any(_is_own(other, place) and not _is_own(root, place) for place in found):
                del sys.modules[name]
        sys.path[:] = [entry for entry in sys.path if entry not in {str(other), str(other / "src")}]
        _loaded.remove(other)
    _loaded.add(root)


def _is_own(root: Path, place: Path) -> bool:
    """Return whether a file is the project's own, and of no library installed below it."""
    return place.is_relative_to(root) and "site-packages" not in place.relative_to(root).parts


def _places(module: ModuleType) -> list[str]:
    """Return the file of a module, or the folders of a package that has none."""
    file = getattr(module, "__file__", None)
    try:
        return [file] if file else [*getattr(module, "__path__", [])]
    except KeyError:  # a folder without __init__.py, in one that somebody has taken out of `sys.modules`
        return []


def _import(root: Path, name: str) -> ModuleType:
    top = name.partition(".")[0]
    _check_inside(root, top)
    try:
        return importlib.import_module(name)
    except FirnflowError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise _no_module(root, name) from None
        raise _broken(root, name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(root, name, error) from error


def _check_inside(root: Path, top: str) -> None:
    """Raise ConfigError unless the top package of a module lies in the project; nothing of it is run to find out."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # ValueError: a module without a spec, such as __main__
        spec = None
    if spec is None:
        raise _no_module(root, top)
    places = [Path(place).resolve() for place in (spec.submodule_search_locations or [spec.origin or "built-in"])]
    for place in places:
        if not _is_own(root, place):
            raise ConfigError(
                f"{root / FILE}: [project] pipelines: module {top!r} is not the project's own, it is {place}. "
                "Mend: rename the project's module, or list modules inside the project"
            )


def _no_module(root: Path, name: str) -> ConfigError:
    own = {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for folder in (root, root / "src")
        for pattern in ("*.py", "*/*.py", "*/*/*.py")
        for path in folder.glob(pattern)
    }
    return ConfigError(
        f"{root / FILE}: [project] pipelines: there is no module {name!r} in {root} or its src folder."
        f"{nearest(name, own)}"
    )


def _broken(root: Path, name: str, error: BaseException) -> ConfigError:
    """Return an error with the part of the traceback that is the user's."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [frame for frame in frames if not frame.filename.startswith("<")]  # no frames of the import system
    own = [frame for frame in files if Path(frame.filename).resolve().is_relative_to(root)]
    text = "".join([*traceback.format_list(own), *traceback.format_exception_only(error)])
    return ConfigError(f"The module {name!r} of {root} cannot be imported:\n{text.rstrip()}")


def _pipelines(modules: list[ModuleType]) -> dict[str, Pipeline]:
    """Return the pipelines that can be run; those that are only called in others are their business."""
    found: dict[str, Pipeline] = {}
    for value in _all_pipelines(modules):
        if value.is_part:
            continue
        other = found.setdefault(value.name, value)
        if other is not value and other.key != value.key:
            raise ConfigError(f"Two pipelines are named {value.name!r}: {other.key} and {value.key}. Mend: rename one")
    return found


def _all_pipelines(modules: Iterable[ModuleType]) -> Iterator[Pipeline]:
    from firnflow.graph.pipeline import Pipeline

    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, Pipeline))
