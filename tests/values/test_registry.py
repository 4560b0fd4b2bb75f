"""Value types by class name: Firnflow's own and those of plugins."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import pytest

from firnflow import values
from firnflow.errors import StoreError
from firnflow.values import registry as registries
from firnflow.values.base import Saved, ValueType
from firnflow.values.ref import Ref


class Shape:
    def __init__(self, text: str) -> None:
        self.text = text


class Circle(Shape):
    pass


class ShapeType(ValueType):
    kind = "shape"
    name = "shape"
    suffix = "txt"
    types: ClassVar = {f"{Shape.__module__.partition('.')[0]}.Shape": ("shapely",)}

    def save(self, value, path, storage):  # noqa: ARG002
        path.write_text(value.text)
        return Saved({"class": type(value).__name__})

    def load(self, path, ref, annotation, storage):  # noqa: ARG002
        return Shape(path.read_text())


class Unfinished(ValueType):
    kind = "unfinished"
    save = ShapeType.save
    load = ShapeType.load


class Entry:
    """An entry point, as `importlib.metadata` gives it."""

    class Distribution:
        name = "shapes"

    def __init__(self, name: str, found: Any) -> None:
        self.name, self.found, self.value, self.dist = name, found, f"shapes:{name}", self.Distribution()

    def load(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def plugins(monkeypatch):
    def install(*entries: Entry) -> None:
        monkeypatch.setattr(registries, "entry_points", lambda group: entries)  # noqa: ARG005
        registries.value_types.cache_clear()

    yield install
    registries.value_types.cache_clear()


def test_a_plugin_stores_its_class_and_subclasses(plugins, storage):
    plugins(Entry("shape", ShapeType))
    for value in (Shape("x"), Circle("x")):
        ref = values.save(value, Shape, storage)
        assert (ref.kind, ref.type) == ("shape", "shape")
        assert ref.where.endswith(".txt")
        assert values.load(Ref.from_json(ref.to_json()), Shape, storage).text == "x"
    assert values.describe(ref) == "shape (shape)"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (ImportError("no module named geo"), "ImportError: no module named geo"),
        (SyntaxError("bad"), "SyntaxError"),
        ("text", "no subclass of"),
        (Unfinished, "no attribute 'name'"),
        (type("Clash", (ShapeType,), {"name": "pandas"}), "'pandas' is taken by PandasType"),
    ],
)
def test_a_broken_plugin_is_named_and_breaks_no_other(plugins, storage, caplog, found, says):
    plugins(Entry("broken", found), Entry("shape", ShapeType))
    assert values.save(Shape("x"), Shape, storage).kind == "shape"
    (problem,) = registries.value_types().problems
    assert "plugin 'broken' (shapes:broken, of the package shapes) cannot be used" in problem
    assert says in problem
    assert problem in caplog.text
    with pytest.raises(StoreError, match=r"No value type 'shap' is known(?s:.*)Did you mean 'shape'(?s:.*)'broken'"):
        registries.value_types().named("shap")


def test_a_ref_of_a_missing_plugin_says_so(storage):
    with pytest.raises(StoreError, match=r"'geo'.*Mend: install the plugin"):
        values.load(Ref("geometry", "geo", "0" * 64, where="objects/00/x"), Any, storage)


def test_names_and_classes_are_unique():
    found = registries.value_types()
    classes = [cls for value_type in found.by_name.values() for cls in value_type.types]
    assert len(classes) == len(set(classes))
    assert all(value_type.suffix.isalnum() for value_type in found.by_name.values())


def test_looking_imports_no_library():
    code = (
        "import sys; from firnflow.values.registry import value_types; value_types().for_class(int);"
        "heavy = {'pandas', 'numpy', 'duckdb', 'ibis', 'pyarrow', 'polars', 'sklearn', 'xgboost', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
