"""Which value type stores which class: Firnflow's own, and those of plugins.

Classes are known by name (`ValueType.types`), so that looking imports no library.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from firnflow._text import listing, nearest
from firnflow.errors import StoreError
from firnflow.graph.annotations import class_name
from firnflow.values.base import ValueType

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "firnflow.value_types"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registry:
    """The value types of this process.

    Attributes:
        by_name: name → type.
        by_class: class name → type.
        problems: what is wrong with plugins that cannot be used, one line each.
    """

    by_name: dict[str, ValueType]
    by_class: dict[str, ValueType]
    problems: tuple[str, ...] = ()

    def for_class(self, cls: type) -> ValueType | None:
        """Return the type that stores values of the class, the nearest class of the MRO first."""
        name = self._nearest(cls)
        return self.by_class[name] if name is not None else None

    def libraries(self, cls: type) -> frozenset[str]:
        """Return the libraries that say what stored values of the class are: see `ValueType.types`."""
        name = self._nearest(cls)
        return frozenset(self.by_class[name].types[name] if name is not None else ())

    def _nearest(self, cls: type) -> str | None:
        return next((name for name in map(class_name, cls.__mro__) if name in self.by_class), None)

    def named(self, name: str) -> ValueType:
        """Return the type that wrote a ref.

        Raises:
            StoreError: there is none; a plugin is missing or broken.
        """
        found = self.by_name.get(name)
        if found is None:
            broken = "".join(f"\n{problem}" for problem in self.problems)
            raise StoreError(
                f"No value type {name!r} is known: {listing(self.by_name)}.{nearest(name, self.by_name)} "
                f"Mend: install the plugin that wrote the value{broken}"
            )
        return found


@cache
def value_types() -> Registry:
    """Return the value types: Firnflow's own, then each plugin's; a broken plugin does not break others."""
    by_name = {found.name: found for found in own_types()}
    problems: list[str] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            _add(by_name, entry.load())
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            distribution = entry.dist.name if entry.dist else "?"
            problem = (
                f"The plugin {entry.name!r} ({entry.value}, of the package {distribution}) cannot be used: "
                f"{type(error).__name__}: {error}. Mend: pip install --upgrade {distribution}, or uninstall it"
            )
            _log.warning("%s", problem)
            problems.append(problem)
    by_class = {cls: found for found in by_name.values() for cls in found.types}
    return Registry(by_name, by_class, tuple(problems))


def _add(known: dict[str, ValueType], plugin: object) -> None:
    if not (isinstance(plugin, type) and issubclass(plugin, ValueType)):
        raise TypeError(f"{plugin!r} is no subclass of firnflow.values.base.ValueType")
    found = plugin()
    for wanted in ("kind", "name", "suffix", "types"):
        if not hasattr(found, wanted):
            raise TypeError(f"the class has no attribute {wanted!r}")
    if not isinstance(found.types, Mapping):
        raise TypeError("its `types` is no dict: class name → the modules of its libraries")
    if found.name in known:
        raise ValueError(f"the name {found.name!r} is taken by {type(known[found.name]).__name__}")
    known[found.name] = found


def own_types() -> Iterator[ValueType]:
    """Yield the value types that come with Firnflow."""
    from firnflow.values.arrays import ArrayType
    from firnflow.values.figures import AltairType, MatplotlibType, PlotlyType, StoredFigureType
    from firnflow.values.files import FileType
    from firnflow.values.html import HtmlType
    from firnflow.values.models import ModelType
    from firnflow.values.pickles import PickleType
    from firnflow.values.tables.arrow import ArrowReaderType, ArrowType
    from firnflow.values.tables.pandas import PandasType
    from firnflow.values.tables.polars import PolarsLazyType, PolarsType
    from firnflow.values.tables.warehouse import IbisType

    yield from (IbisType(), PandasType(), PolarsType(), PolarsLazyType(), ArrowType(), ArrowReaderType())
    yield from (ModelType(), ArrayType(), FileType(), PickleType())
    yield from (MatplotlibType(), PlotlyType(), AltairType(), StoredFigureType(), HtmlType())
