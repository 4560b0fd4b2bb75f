"""The cache may be taken only while the code that a task reaches is the same: change one thing, look at the digest."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
import uuid

import pytest

from firnflow.engine.fingerprint import Fingerprinter

MAIN = """
    import functools
    import json
    import logging
    import math
    from dataclasses import dataclass
    from enum import Enum

    import firnflow as ff
    import numpy as np
    import PACKAGE.helpers
    from PACKAGE import helpers as h
    from PACKAGE.helpers import used, LIMIT, SHARED

    logger = logging.getLogger("x")
    FACTOR = 2
    STEPS = [lambda x: x + 5, abs]
    ARRAY = np.array([1, 2])
    ARRAY[0] = 7
    TABLE = {"a": [1, 2], "b": {3, 4}}

    class Color(Enum):
        RED = 1

    class Model:
        __slots__ = ("rate",)

        def __init__(self, rate):
            self.rate = rate

    @dataclass
    class Config:
        depth: int = 3

        def area(self):
            return self.depth * FACTOR

    CONFIG = Config()
    MODEL = Model(0.5)

    def local(x):
        # a comment
        return x + FACTOR

    def decorated(f):
        @functools.wraps(f)
        def inner(*args):
            return f(*args) + 1
        return inner

    @decorated
    def wrapped(x):
        return local(x)

    @functools.cache
    def cached(x):
        return x + 100

    @functools.singledispatch
    def dispatched(x):
        return x

    @dispatched.register
    def _(x: int):
        return x + 200

    def hidden(x):
        return x

    def hides(hidden):
        return [hidden for hidden in [hidden]]

    def unused(x):
        return x

    @ff.task(retries=1)
    def main(x: int) -> int:
        "A docstring."
        logger.info("hello")
        from PACKAGE.late import later
        return (
            wrapped(x) + used(x) + LIMIT + h.by_alias(x) + PACKAGE.helpers.by_path(x) + later(x)
            + CONFIG.area()
            + TABLE["a"][0] + Color.RED.value + STEPS[0](x) + hides(x)[0]
            + cached(x) + dispatched(x) + ARRAY[0] + SHARED[0] + MODEL.rate + int(np.sum([x]))
        )
"""
HELPERS = """
    import numpy

    LIMIT = 10
    SHARED = numpy.zeros(3)

    def used(x):
        return inner(x)

    def inner(x):
        return x * 2

    def by_alias(x):
        return x

    def by_path(x):
        return x

    def not_used(x):
        return x
"""
LATE = """
    def later(x):
        return x - 1
"""


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Return a function that writes the project with replacements and gives the fingerprint of `main`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = f"package_{uuid.uuid4().hex[:8]}"

    def compute(*replacements, of="main"):
        folder = tmp_path / package
        folder.mkdir(exist_ok=True)
        for name, source in (("__init__", ""), ("main", MAIN), ("helpers", HELPERS), ("late", LATE)):
            text = textwrap.dedent(source)
            for old, new in replacements:
                text = text.replace(textwrap.dedent(old), textwrap.dedent(new))
            (folder / f"{name}.py").write_text(text.replace("PACKAGE", package))
        for module in [m for m in sys.modules if m.startswith(package)]:
            del sys.modules[module]
        sys.path_importer_cache.clear()
        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        import linecache

        linecache.clearcache()
        module = importlib.import_module(f"{package}.main")
        return Fingerprinter((tmp_path,)).of(getattr(module, of))

    return compute


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return x + FACTOR", "return x - FACTOR"),
        ("FACTOR = 2", "FACTOR = 3"),
        ("x * 2", "x * 3"),
        ("LIMIT = 10", "LIMIT = 11"),
        ("def by_alias(x):\n    return x", "def by_alias(x):\n    return -x"),
        ("def by_path(x):\n    return x", "def by_path(x):\n    return -x"),
        ("x - 1", "x - 2"),
        ("depth: int = 3", "depth: int = 4"),
        ("self.depth * FACTOR", "self.depth + FACTOR"),
        ("CONFIG = Config()", "CONFIG = Config(5)"),
        ('"a": [1, 2]', '"a": [1, 3]'),
        ('"b": {3, 4}', '"b": {3, 5}'),
        ("RED = 1", "RED = 2"),
        ("x + 100", "x + 101"),
        ("x + 200", "x + 201"),
        ("np.array([1, 2])", "np.array([1, 3])"),
        ("ARRAY[0] = 7", "ARRAY[0] = 8"),
        ("numpy.zeros(3)", "numpy.ones(3)"),
        ("Model(0.5)", "Model(0.6)"),
        ("x + 5", "x + 6"),
        ("abs]", "int]"),
        ("return f(*args) + 1", "return f(*args) + 2"),
        ("wrapped(x) + used(x)", "used(x) + wrapped(x)"),
    ],
)
def test_what_is_reached_counts(digest, old, new):
    assert digest().digest != digest((old, new)).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment"),
        ('"A docstring."', '"Another docstring."'),
        ("def unused(x):\n    return x", "def unused(x):\n    return -x"),
        ("def not_used(x):\n    return x", "def not_used(x):\n    return -x"),
        ("return x + FACTOR", "return (x\n            + FACTOR)"),
        ("@ff.task(retries=1)", "@ff.task(retries=2, timeout='1h')"),
        ("@ff.task(retries=1)", "@ff.task"),
        ("def hidden(x):\n    return x", "def hidden(x):\n    return -x"),
    ],
)
def test_what_is_not_reached_does_not(digest, old, new):
    assert digest().digest == digest((old, new)).digest


def test_libraries_are_named_and_the_standard_library_is_not(digest):
    found = digest().libraries
    assert "numpy" in found
    assert not found & {"math", "json", "functools", "logging", "dataclasses"}


def test_a_library_counts_by_its_version(digest, monkeypatch):
    before = digest().digest
    monkeypatch.setattr("firnflow.engine.fingerprint._version", lambda name: "99" if name == "numpy" else "1")
    assert digest().digest != before


TABLES = """
    from typing import NamedTuple

    import firnflow as ff
    import ibis
    import pandas as pd

    class Both(NamedTuple):
        one: pd.DataFrame
        more: list[ibis.Table]

    @ff.task
    def handed_on(orders: ibis.Table) -> pd.DataFrame:
        return orders.to_pandas()

    @ff.task
    def inside(n: int) -> Both:
        return None

    @ff.task
    def named(orders: ibis.Table) -> pd.DataFrame:
        return pd.DataFrame(orders.to_pandas())

    @ff.task
    def plain(n: int) -> int:
        return n
"""


@pytest.mark.parametrize(
    ("task", "upgrade", "counts"),
    [
        ("handed_on", {"duckdb": "1.5.3"}, False),
        ("handed_on", {"duckdb": "1.6.0"}, True),
        ("handed_on", {"pandas": "3.0.2", "pyarrow": "25.0.1", "ibis": "12.0.7"}, False),
        ("handed_on", {"pandas": "3.1.0"}, True),
        ("handed_on", {"pyarrow": "26.0.0"}, True),
        ("inside", {"duckdb": "1.6.0"}, True),
        ("inside", {"duckdb": "1.5.3", "pandas": "3.0.2"}, False),
        ("named", {"pandas": "3.0.2"}, True),
        ("named", {"duckdb": "1.5.3"}, False),
        ("plain", {"duckdb": "1.6.0", "pandas": "3.1.0"}, False),
    ],
)
def test_what_stores_a_value_counts_by_its_series(digest, tmp_path, monkeypatch, task, upgrade, counts):
    versions = {"duckdb": "1.5.2", "pandas": "3.0.1", "pyarrow": "25.0.0", "ibis": "12.0.0"}
    monkeypatch.setattr("firnflow.engine.fingerprint._version", lambda name: versions.get(name, "1.2.3"))
    before = digest((MAIN, TABLES), of=task).digest
    versions |= upgrade
    assert (digest((MAIN, TABLES), of=task).digest != before) == counts


def test_closures_and_partials(tmp_path):
    import functools

    def make(n):
        def inner(x):
            return x + n

        return inner

    read = Fingerprinter((tmp_path,))
    assert read.of(make(1)).digest != read.of(make(2)).digest
    assert read.of(make(1)).digest == Fingerprinter((tmp_path,)).of(make(1)).digest
    one, two = functools.partial(max, 1), functools.partial(max, 2)
    assert read.of(one).digest != read.of(two).digest


def test_recursion_ends(tmp_path):
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert Fingerprinter((tmp_path,)).of(even).digest


def test_the_same_in_every_process(digest, tmp_path):
    import subprocess

    here = digest()
    folder = next(tmp_path.iterdir())
    script = (
        f"import sys, pathlib; sys.path.insert(0, {str(tmp_path)!r}); from {folder.name}.main import main; "
        "from firnflow.engine.fingerprint import Fingerprinter; "
        f"print(Fingerprinter((pathlib.Path({str(tmp_path)!r}),)).of(main).digest)"
    )
    for seed in ("0", "1"):
        said = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        assert said.stdout.strip() == here.digest, said.stderr
