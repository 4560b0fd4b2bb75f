"""Pickle is refused, both ways, unless the project names the class; and then the ref says so."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import duckdb
import ibis
import matplotlib as mpl
import matplotlib.figure
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost as xgb

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError, UnsafeFormatError
from firnflow.values.model import Model


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def predict(self) -> int:
        return self.number


NAME = f"{Thing.__module__}.{Thing.__qualname__}"


@pytest.fixture
def importable(monkeypatch):
    """Tests are no package: make pickle find the class."""
    import sys

    monkeypatch.setitem(sys.modules, Thing.__module__, sys.modules[Thing.__module__])


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Thing(1), Thing),
        (Thing(1), Any),
        ([Thing(1)], list[Thing]),
        ({"a": Thing(1)}, dict),
        (Model(Thing(1)), Model),
    ],
)
def test_an_object_is_refused_with_what_to_do(storage, value, annotation):
    with pytest.raises(UnsafeFormatError, match=rf'could only be pickled.*Mend: .*pickle = \["{NAME}"\]'):
        values.save(value, annotation, storage)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (pd.Series([1]), r"series\.to_frame"),
        (pd.Index([1]), r"index\.to_frame"),
        (pl.Series([1]), r"series\.to_frame"),
        (pa.array([1]), r"pyarrow\.table"),
        (pa.chunked_array([[1]]), r"pyarrow\.table"),
        (pa.record_batch({"a": [1]}), r"Table\.from_batches"),
        (ibis.memtable({"a": [1]}).a, r"column\.as_table"),
        (ibis.memtable({"a": [1]}).a.sum(), r"scalar\.as_table"),
        (duckdb.connect().sql("SELECT 1"), r"relation\.to_arrow_table"),
        (mpl.figure.Figure().add_subplot(), r"axes\.figure"),
        (xgb.DMatrix([[1.0]]), "the table that it is made of"),
        (pd.NA, "return None"),
        (lambda: 1, "a function is code"),
        ((i for i in "ab"), "return a list"),
    ],
)
def test_the_hint_fits_the_class(storage, value, hint):
    with pytest.raises(UnsafeFormatError, match=f"Mend: .*{hint}"):
        values.save(value, Any, storage)


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("annotation", [Thing, Any, Thing | None])
def test_an_allowed_class_is_pickled_and_the_ref_says_so(storage, annotation):
    storage.pickle_allowed = frozenset({NAME})
    ref = values.save(Thing(7), annotation, storage)
    assert (ref.kind, ref.meta) == ("pickle", {"pickle": NAME})
    assert values.describe(ref) == f"pickle of {NAME}"
    assert values.load(ref, annotation, storage).number == 7
    with pytest.raises(DataError, match="cannot be loaded as"):
        values.load(ref, Path, storage)
    storage.pickle_allowed = frozenset()
    with pytest.raises(UnsafeFormatError, match="loading it could run code"):
        values.load(ref, annotation, storage)


@pytest.mark.usefixtures("importable")
def test_an_allowed_estimator_is_pickled_in_the_model(storage):
    storage.pickle_allowed = frozenset({NAME})
    ref = values.save(Model(Thing(7), features=("a",)), Model, storage)
    assert ref.meta["pickle"] == NAME
    assert values.load(ref, Model, storage).estimator.predict() == 7
    storage.pickle_allowed = frozenset()
    with pytest.raises(UnsafeFormatError, match="loading it could run code"):
        values.load(ref, Model, storage)


@pytest.mark.parametrize("name", ["m.pkl", "m.PICKLE", "m.joblib", "m.dill", "disguised.bin", "no_suffix"])
def test_a_pickle_is_no_file_either(storage, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UnsafeFormatError, match=r"is a pickle.*Mend: return the model itself"):
        values.save(path, Path, storage)
    storage.pickle_allowed = frozenset({"pathlib.Path"})
    ref = values.save(path, Path, storage)
    assert ref.meta == {"name": name, "pickle": "pathlib.Path"}


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x80\x04", b"\x80\x04 not one", b"plain."])
def test_other_files_are_no_pickles(storage, tmp_path, content):
    path = tmp_path / "x.bin"
    path.write_bytes(content)
    assert values.load(values.save(path, Path, storage), Path, storage).read_bytes() == content


def test_a_damaged_pickle_is_damage(storage):
    from firnflow.values.ref import Ref

    storage.pickle_allowed = frozenset({NAME})
    path = storage.scratch("pkl")
    path.write_bytes(b"\x80\x05garbage")
    from firnflow.values import digest

    found, size = digest.of_file(path), path.stat().st_size
    ref = Ref("pickle", "pickle", found, where=storage.put(path, found, "pkl"), size=size, meta={"pickle": NAME})
    with pytest.raises(DamagedArtifactError, match="cannot be read as pickle"):
        values.load(ref, Thing, storage)
