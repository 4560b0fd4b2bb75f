"""The digest of a task's code: its source and the project's functions, classes and constants that it reaches.

Comments, docstrings and layout do not count, nor do a task's options. Names are resolved as Python resolves them: in
the function's closure and globals, through modules of the project, through imports inside functions. A library that
the code names enters with its version; one that only stores and loads what a task takes and returns with the series of
its release (`ValueType.types` says why). A value that is no plain data enters with the statements that bind its name.
What is reached only at run time (`getattr` with a computed name, a file, the network) cannot be seen: `cache=False` is
for it.
"""

from __future__ import annotations

import ast
import datetime as dt
import enum
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import re
import sys
import textwrap
import types
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

from firnflow.engine.syntax import (
    absolute_module,
    bound_names,
    drop_docstrings,
    drop_own_decorators,
    statements,
    take_annotations,
)
from firnflow.graph.task import Task
from firnflow.values.fit import libraries

_DATA = (
    bytes,
    complex,
    range,
    dt.date,
    dt.time,
    dt.timedelta,
    Decimal,
    enum.Enum,
    PurePath,
    re.Pattern,
)
_OURS = ("firnflow.steps", "firnflow.models", "firnflow.features")
"""Packages that count as code of the project that uses them, not as a library behind a version."""


_DISTRIBUTIONS = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "PyYAML"}
"""Where modules come from whose distributions have other names; others are searched for, which takes longer."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The digest of some code, and the libraries that it uses (top-level module names)."""

    digest: str
    libraries: frozenset[str]


@dataclass(frozen=True)
class _Binding:
    """The statements of a module that give a name its value: what is known of a value that is no plain data."""

    module: str
    name: str


@dataclass(slots=True)
class _Unit:
    """One function, class, module or constant: its text, what it refers to, the libraries of its code and hints."""

    text: str
    refers: list[object] = field(default_factory=list)
    libraries: set[str] = field(default_factory=set)
    annotated: set[str] = field(default_factory=set)


class Fingerprinter:
    """Computes fingerprints; remembers what it has read, so that a thousand tasks cost little more than one.

    Args:
        roots: folders whose modules are the project's own code.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._units: dict[int, tuple[object, _Unit]] = {}
        self._done: dict[int, Fingerprint] = {}
        self._bindings: dict[_Binding, _Binding] = {}

    def of(self, task: object) -> Fingerprint:
        """Return the fingerprint of a task or function, and all the project's code that it reaches."""
        function = _plain(task)
        known = self._done.get(id(function))
        if known is None:
            known = self._done[id(function)] = self._walk(function, _stored_by(task))
        return known

    def code(self, function: object) -> str:
        """Return the digest of a function's code alone, whatever the versions of the libraries that it names."""
        texts, _, _ = self._reach(_plain(function))
        return hashlib.sha256(json.dumps(sorted(texts)).encode()).hexdigest()

    def _walk(self, start: object, stored: frozenset[str]) -> Fingerprint:
        texts, libraries, annotated = self._reach(start)
        exact = libraries | (annotated - stored)
        versions = [f"{name}=={_version(name)}" for name in exact]
        versions += [f"{name}~={_series(_version(name))}" for name in stored - exact]
        versions.sort()
        digest = hashlib.sha256(json.dumps([sorted(texts), versions]).encode()).hexdigest()
        return Fingerprint(digest, frozenset(libraries | annotated))

    def _reach(self, start: object) -> tuple[list[str], set[str], set[str]]:
        """Return the texts that code reaches, and the libraries that its code and its hints name."""
        texts, libraries, annotated, seen, queue = [], set[str](), set[str](), {id(start)}, [start]
        while queue:
            unit = self._unit(queue.pop())
            texts.append(unit.text)
            libraries |= unit.libraries
            annotated |= unit.annotated
            for other in unit.refers:
                if id(other) not in seen:
                    seen.add(id(other))
                    queue.append(other)
        return texts, libraries, annotated

    def _unit(self, thing: object) -> _Unit:
        known = self._units.get(id(thing))
        if known is None:
            known = self._units[id(thing)] = (thing, self._read(thing))  # holds the thing, so that its id stays its own
        return known[1]

    def _read(self, thing: object) -> _Unit:
        if isinstance(thing, types.FunctionType | type | types.ModuleType):
            return self._read_code(thing)
        if isinstance(thing, _Binding):
            return self._read_binding(thing)
        unit = _Unit(_constant(thing))
        if isinstance(thing, dict):
            held = [*thing, *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset):
            held = [*thing]
        elif isinstance(thing, functools.partial):
            held = [thing.func, thing.args, thing.keywords]
        elif self._is_ours(type(thing).__module__):
            held = [type(thing), getattr(thing, "__dict__", {}), _slots(thing)]
        else:
            held = []
        for part in held:
            if not isinstance(part, str | int | float | bool | None):  # its text is in that of the whole
                self._add(unit, part)
        return unit

    def _read_code(self, thing: types.FunctionType | type | types.ModuleType) -> _Unit:
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
        except (OSError, TypeError, SyntaxError):
            return _Unit(_without_source(thing))
        drop_docstrings(tree)
        scope = _scope(thing)
        drop_own_decorators(tree, scope)
        unit = _Unit(f"{getattr(thing, '__qualname__', '')}\n{ast.dump(tree)}")
        home = thing.__name__ if isinstance(thing, types.ModuleType) else thing.__module__
        if isinstance(thing, types.FunctionType):
            scope = {name: value for name, value in scope.items() if name not in _locals(thing.__code__)}
        hints = _Unit("")
        for annotation in take_annotations(tree):
            self._add_names(hints, annotation, scope, home)
        unit.refers, unit.annotated = hints.refers, hints.libraries
        self._add_names(unit, tree, scope, home)
        return unit

    def _read_binding(self, thing: _Binding) -> _Unit:
        """Read the statements that bind a name, following it to the module that it was imported from."""
        module = sys.modules[thing.module]
        try:
            tree = ast.parse(inspect.getsource(module))
        except (OSError, TypeError, SyntaxError):
            return _Unit(f"{thing.module}.{thing.name}")
        found = [node for node in statements(tree.body) if thing.name in bound_names(node)]
        unit = _Unit(f"{thing.name}\n{[ast.dump(node) for node in found]}")
        for node in found:
            if isinstance(node, ast.ImportFrom):
                original = next(a.name for a in node.names if thing.name == (a.asname or a.name))
                self._add_opaque(unit, absolute_module(node, thing.module), original)
            else:
                self._add_names(unit, node, vars(module), thing.module)
        return unit

    def _add_names(self, unit: _Unit, tree: ast.AST, scope: dict[str, Any], home: str) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._add_import(unit, node, home)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in scope:
                self._add(unit, scope[node.id], (home, node.id))
            elif isinstance(node, ast.Attribute):
                self._add_attribute(unit, node, scope)

    def _add_opaque(self, unit: _Unit, module: str, name: str) -> None:
        if self._is_ours(module):
            binding = _Binding(module, name)
            unit.refers.append(self._bindings.setdefault(binding, binding))

    def _add(self, unit: _Unit, value: object, place: tuple[str, str] | None = None) -> None:
        """Add what a name stands for; `place` is where it is bound, for values that say little of themselves."""
        unit.refers.extend(_dispatched(value))
        value = _plain(value)
        module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if isinstance(value, types.ModuleType):
            if not self._is_ours(value.__name__):
                _add_library(unit, value.__name__)
        elif isinstance(value, types.FunctionType | type | types.BuiltinFunctionType):
            if isinstance(module, str) and self._is_ours(module):
                unit.refers.append(value)
            elif isinstance(module, str):
                _add_library(unit, module)
        else:
            unit.refers.append(value)
            if place is not None and not _is_data(value):
                self._add_opaque(unit, *place)

    def _add_attribute(self, unit: _Unit, node: ast.Attribute, scope: dict[str, Any]) -> None:
        """Follow `module.name` into the project's modules."""
        names = [node.attr]
        inner: ast.expr = node.value
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name) or not isinstance(scope.get(inner.id), types.ModuleType):
            return
        value: object = scope[inner.id]
        place = None
        for name in reversed(names):
            if not isinstance(value, types.ModuleType) or not self._is_ours(value.__name__):
                return
            place = (value.__name__, name)
            value = getattr(value, name, None)
        if value is not None:
            self._add(unit, value, place)

    def _add_import(self, unit: _Unit, node: ast.Import | ast.ImportFrom, home: str) -> None:
        if isinstance(node, ast.Import):
            wanted: list[tuple[str, str | None]] = [(alias.name, None) for alias in node.names]
        else:
            base = absolute_module(node, home)
            wanted = [(base, alias.name) for alias in node.names]
        for module, name in wanted:
            if not self._is_ours(module, load=True):
                _add_library(unit, module)
                continue
            loaded = sys.modules[module]
            value = getattr(loaded, name, sys.modules.get(f"{module}.{name}")) if name else loaded
            if isinstance(value, types.ModuleType):
                unit.refers.append(value)
            elif value is not None:
                self._add(unit, value, (module, str(name)))

    def _is_ours(self, module: str, *, load: bool = False) -> bool:
        if any(module == ours or module.startswith(f"{ours}.") for ours in _OURS):
            if load:
                importlib.import_module(module)
            return True
        found = sys.modules.get(module)
        if found is None and load and module.partition(".")[0] in self._own_packages:
            found = importlib.import_module(module)
        file = getattr(found, "__file__", None)
        if file is None:
            return False
        path = Path(file).resolve()
        return any(path.is_relative_to(r) and "site-packages" not in path.relative_to(r).parts for r in self._roots)

    @functools.cached_property
    def _own_packages(self) -> frozenset[str]:
        places = [place for root in self._roots for place in (root, root / "src") if place.is_dir()]
        return frozenset(entry.stem for place in places for entry in place.iterdir() if entry.suffix in {"", ".py"})


def _plain(value: object) -> object:
    """Return the function inside a task, a pipeline, a method or a decorator."""
    value = getattr(value, "function", value) if type(value).__module__.startswith("firnflow.graph") else value
    if isinstance(value, types.MethodType | staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, type) or not callable(value) or not hasattr(value, "__wrapped__"):
        return value
    return inspect.unwrap(value)  # functools.wraps, functools.cache


def _dispatched(value: object) -> list[object]:
    """Return the functions that a `functools.singledispatch` function may call."""
    registry = getattr(value, "registry", None)
    return [*registry.values()] if isinstance(registry, types.MappingProxyType) else []


def _slots(thing: object) -> dict[str, Any]:
    names = (name for cls in type(thing).__mro__ for name in _listed(getattr(cls, "__slots__", ())))
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _scope(thing: types.FunctionType | type | types.ModuleType) -> dict[str, Any]:
    """Return the names that code in `thing` sees, without builtins."""
    if isinstance(thing, types.ModuleType):
        return vars(thing)
    if isinstance(thing, types.FunctionType):
        cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
        closure = {name: cell.cell_contents for name, cell in cells if _filled(cell)}
        return {**thing.__globals__, **closure}
    return vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}


def _locals(code: types.CodeType) -> set[str]:
    """Return the names that are only local in a function and in those defined in it: they hide globals."""
    codes, local, others = [code], set[str](), set[str]()
    while codes:
        one = codes.pop()
        local.update(one.co_varnames, one.co_cellvars)
        others.update(one.co_names)
        codes.extend(const for const in one.co_consts if isinstance(const, types.CodeType))
    return local - others - set(code.co_freevars)


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is bound later
        return False


def _without_source(thing: types.FunctionType | type | types.ModuleType) -> str:
    if isinstance(thing, types.FunctionType):
        return thing.__code__.co_code.hex() + repr(thing.__code__.co_consts)
    return f"{thing.__module__}.{thing.__qualname__}" if isinstance(thing, type) else thing.__name__


def _is_data(value: object) -> bool:
    """Whether the text of a value says all of it."""
    if isinstance(value, dict):
        return all(map(_is_data, value)) and all(map(_is_data, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_data, value))
    return value is None or isinstance(value, (str, int, float, types.FunctionType, type, *_DATA))


def _constant(value: object) -> str:
    """Return the text of a constant; of anything that is not plain data (a logger, a lock) only its type."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    try:
        return f"{name}:{json.dumps(value, sort_keys=True)}"
    except (TypeError, ValueError):
        pass
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, set | frozenset):
        return f"{name}:{sorted(map(_constant, value))}"
    if isinstance(value, dict):
        return f"{name}:{sorted((_constant(k), _constant(v)) for k, v in value.items())}"
    if isinstance(value, list | tuple):
        return f"{name}:{[_constant(item) for item in value]}"
    return f"{name}:{value!r}" if isinstance(value, _DATA) or hasattr(type(value), "model_fields") else name


def _add_library(unit: _Unit, module: str) -> None:
    top = module.partition(".")[0]
    if top and top not in sys.stdlib_module_names and top not in {"__main__", "__mp_main__"}:
        unit.libraries.add(top)


def _stored_by(task: object) -> frozenset[str]:
    """Return the libraries that say what the arguments and outputs of a task are, stored and loaded."""
    if not isinstance(task, Task):
        return frozenset()
    arguments = (argument.annotation for argument in task.signature.arguments.values())
    return frozenset().union(*map(libraries, (*arguments, *task.signature.outputs.values())))


def _series(version: str) -> str:
    """Return the release series of a version: `2.3` of `2.3.1`. Why it is enough: `ValueType.types`."""
    return ".".join(version.split(".")[:2])


@functools.cache
def _version(top: str) -> str:
    loaded = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return importlib.metadata.version(_DISTRIBUTIONS.get(top, top))
    except importlib.metadata.PackageNotFoundError:
        return _version_under_another_name(top) if importlib.util.find_spec(top) is not None else "not installed"


def _version_under_another_name(top: str) -> str:
    """Return the version of the distribution that brings a module: `xgboost` is in `xgboost-cpu`.

    Names that begin alike are looked at first: to ask every distribution for its modules takes 0.2 s.
    """
    alike = (d for d in importlib.metadata.distributions() if (d.name or "").lower().startswith(top.lower()))
    for distribution in alike:
        if any(file.parts[0] == top for file in distribution.files or ()):
            return distribution.version
    names = importlib.metadata.packages_distributions().get(top, [])
    return importlib.metadata.version(names[0]) if names else "unknown"
