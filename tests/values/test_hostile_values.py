"""Files that somebody made to break or to take over: each is an error with a message, and nothing in it runs.

Where a test wants to reach past the check of the digest, it gives the hostile file a ref with the right digest.
"""

from __future__ import annotations

import io
import json
import pickle
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError, StoreError, UnsafeFormatError
from firnflow.values import archive, digest
from firnflow.values.figure import Figure
from firnflow.values.html import Html
from firnflow.values.model import Model
from firnflow.values.ref import Ref

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import altair as alt
    import plotly.graph_objects as go
    import skops.io
    import xgboost as xgb
    from sklearn.linear_model import LogisticRegression

FRAME = pd.DataFrame({"a": range(1000), "s": ["x", None] * 500})
X = np.arange(40.0).reshape(20, 2)


class Payload:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.fixture
def trap(tmp_path):
    """A path that a payload would touch; it must not be there in the end."""
    path = tmp_path / "it-ran"
    yield path
    assert not path.exists()


def planted(storage, content: bytes, ref: Ref, suffix: str | None = None) -> Ref:
    """Store hostile bytes with a digest that fits them, in the place of what `ref` refers to."""
    suffix = suffix or ref.where.partition(".")[2]
    path = storage.scratch(suffix)
    path.write_bytes(content)
    found = digest.of_bytes(content)
    where = storage.put(path, found, suffix)
    return Ref(ref.kind, ref.type, found, where=where, size=len(content), meta=ref.meta)


def model() -> xgb.Booster:
    return xgb.train({}, xgb.DMatrix(X, X[:, 0]), 2)


SAVED: dict[str, Any] = {
    "pandas": lambda storage: values.save(FRAME, pd.DataFrame, storage),
    "arrow": lambda storage: values.save(pa.table({"a": [1]}), pa.Table, storage),
    "reader": lambda storage: values.save(pa.table({"a": [1]}).to_reader(), pa.RecordBatchReader, storage),
    "polars": lambda storage: values.save(pl.DataFrame({"a": [1]}), pl.DataFrame, storage),
    "lazy": lambda storage: values.save(pl.LazyFrame({"a": [1]}), pl.LazyFrame, storage),
    "ibis": lambda storage: values.save(ibis.memtable({"a": [1, 2]}), ibis.Table, storage),
    "array": lambda storage: values.save(np.arange(100), np.ndarray, storage),
    "html": lambda storage: values.save(Html("<p>é</p>" * 9), Html, storage),
    "plotly": lambda storage: values.save(go.Figure(go.Bar(y=[1])), go.Figure, storage),
    "altair": lambda storage: values.save(alt.Chart(pd.DataFrame({"a": [1]})).mark_bar(), alt.Chart, storage),
    "xgboost": lambda storage: values.save(Model(model(), ("a",)), Model, storage),
    "sklearn": lambda storage: values.save(LogisticRegression().fit(X, X[:, 0] > 20), LogisticRegression, storage),
    "json": lambda storage: values.save(list(range(1000)), list[int], storage),
}


def overwrite(storage, ref: Ref, content: bytes) -> None:
    path = storage.local(ref.where)
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", SAVED)
def test_a_file_cut_or_changed_anywhere_is_damage(storage, kind):
    """The digest is checked before any library reads the file: no flipped bit reaches XGBoost, which would abort."""
    ref = SAVED[kind](storage)
    content = storage.local(ref.where).read_bytes()
    cuts = [content[:at] for at in (0, 1, 10, len(content) // 2, len(content) - 1)]
    for hostile in [*cuts, content + b"\0", b"\0" * 3]:
        overwrite(storage, ref, hostile)
        with pytest.raises(DamagedArtifactError, match="objects/"):
            values.load(ref, Any, storage)
        with pytest.raises(DamagedArtifactError, match="objects/"):
            values.verify(ref, storage)
    for at in range(0, len(content), max(1, len(content) // 20)):
        overwrite(storage, ref, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(DamagedArtifactError, match="SHA-256 differs"):
            values.load(ref, Any, storage)


GARBAGE = [b"", b"\0", b"{", b"PK\x03\x04", b"PAR1" * 3, b"\xff" * 300, b"[" * 9999]
GARBAGE += [b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00{"]


@pytest.mark.parametrize("content", GARBAGE, ids=repr)
@pytest.mark.parametrize("kind", [kind for kind in SAVED if kind != "html"])
def test_garbage_with_the_right_digest_is_damage(storage, kind, content):
    ref = planted(storage, content, SAVED[kind](storage))
    with pytest.raises(DamagedArtifactError, match="cannot be read as"):
        values.load(ref, Any, storage)


def test_html_that_is_no_text_is_damage(storage):
    with pytest.raises(DamagedArtifactError, match="cannot be read as html"):
        values.load(planted(storage, b"\xff", SAVED["html"](storage)), Html, storage)


@pytest.mark.parametrize(
    "wanted", [pd.DataFrame, pa.Table, pl.DataFrame, pl.LazyFrame, pa.RecordBatchReader, ibis.Table]
)
def test_a_pickled_arrow_type_does_not_run(storage, trap, wanted):
    """CVE-2023-47248: an extension type that pyarrow < 14.0.1 unpickled when it read a schema."""
    metadata = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Payload(trap)),
    }
    field = pa.field("a", pa.int64(), metadata=metadata)
    buffer = io.BytesIO()
    pq.write_table(pa.table([pa.array([1])], schema=pa.schema([field])), buffer)
    ref = planted(storage, buffer.getvalue(), SAVED["arrow"](storage))
    if wanted in (pl.DataFrame, pl.LazyFrame):
        with pytest.raises(DataError, match="polars cannot hold"):
            values.load(ref, wanted, storage)
    else:
        loaded = values.load(ref, wanted, storage)
        assert wanted is not pa.Table or loaded["a"].type == pa.int64()


@pytest.mark.parametrize(
    "notes",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"schema": "x"}',
        b'{"schema": "AAAA"}',
        json.dumps({"schema": "", "dictionaries": {"a": "AAAA"}}).encode(),
    ],
)
def test_hostile_notes_in_a_table_are_damage(storage, notes):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({b"firnflow": notes}), buffer)
    for kind, wanted in [("arrow", pa.Table), ("pandas", pd.DataFrame), ("polars", pl.LazyFrame), ("reader", Any)]:
        with pytest.raises(DamagedArtifactError, match="cannot be read as"):
            values.load(planted(storage, buffer.getvalue(), SAVED[kind](storage)), wanted, storage)


@pytest.mark.parametrize("own", [{"dtypes": {"0": "rm -rf"}}, {"dtypes": {"9": "object"}}, [], {"dtypes": []}])
def test_hostile_notes_of_pandas_are_damage(storage, own):
    ref = SAVED["pandas"](storage)
    table = pq.read_table(storage.local(ref.where))
    notes = json.loads(table.schema.metadata[b"firnflow"]) | {"pandas": own}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"firnflow": json.dumps(notes)}), buffer)
    with pytest.raises(DamagedArtifactError, match="cannot be read as"):
        values.load(planted(storage, buffer.getvalue(), ref), pd.DataFrame, storage)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4,)}", b"\0" * 8),
        npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}"),
        npy("(" * 500 + ")" * 500),
    ],
    ids=["huge", "negative", "short", "code", "deep"],
)
def test_hostile_npy_headers_are_damage(storage, content):
    with pytest.raises(DamagedArtifactError, match="cannot be read as numpy"):
        values.load(planted(storage, content, SAVED["array"](storage)), np.ndarray, storage)


def test_an_npy_of_objects_does_not_run(storage, trap):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(trap)], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedArtifactError, match="cannot be read as numpy"):
        values.load(planted(storage, buffer.getvalue(), SAVED["array"](storage)), np.ndarray, storage)


def zipped(members: list[tuple[Any, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def huge(content: bytes) -> bytes:
    """Return an archive that declares 16 TiB for its member."""
    head, tail = content.rfind(b"PK\x01\x02"), content.rfind(b"PK\x05\x06")
    changed = bytearray(content)
    changed[head + 20 : head + 28] = b"\xfe\xff\xff\xff\xfe\xff\xff\xff"
    assert tail > head
    return bytes(changed)


MANIFEST = json.dumps(
    {
        "format": "firnflow.model",
        "version": 1,
        "library": "xgboost",
        "file": "model.ubj",
        "info": {"class": "Booster"},
        "features": [],
        "preprocessing": None,
        "metadata": {},
        "wrapped": True,
    }
)


def manifest(**changes: Any) -> str:
    return json.dumps({**json.loads(MANIFEST), **changes})


def model_file(library: str, file: str, content: bytes, **info: Any) -> bytes:
    text = manifest(library=library, file=file, info=info)
    buffer = io.BytesIO()
    archive.write(buffer, {"manifest.json": text.encode(), file: content})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped([("../../escaped", b"x")]), "is a path"),
        (zipped([("/etc/escaped", b"x")]), "is a path"),
        (zipped([("a\\b", b"x")]), "is a path"),
        (zipped([("folder/", b"")]), "is a path"),
        (zipped([(special("manifest.json", stat.S_IFLNK | 0o777), b"/etc/passwd")]), "no plain file"),
        (zipped([("manifest.json", b"{}"), ("manifest.json", b"{}")]), "stands twice"),
        (zipped([("manifest.json", b"\0" * 10_000_000)], zipfile.ZIP_DEFLATED), "is compressed: 10,000,000 bytes"),
        (huge(zipped([("manifest.json", b"{}")])), "cannot be read as model"),
        (zipped([]), "manifest.json"),
        (zipped([("manifest.json", b"[")]), "cannot be read as model"),
        (zipped([("manifest.json", b"{}")]), "cannot be read as model"),
        (zipped([("manifest.json", b"[" * 100_000)]), "cannot be read as model"),
        (zipped([("manifest.json", manifest(version=3)), ("model.ubj", b"")]), "its format is"),
        (zipped([("manifest.json", MANIFEST)]), "its members are"),
        (zipped([("manifest.json", MANIFEST), ("model.ubj", b"x"), ("more", b"")]), "its members are"),
        (zipped([("manifest.json", MANIFEST), ("model.ubj", b"")]), "the model is empty"),
        (zipped([("manifest.json", MANIFEST), ("model.ubj", b"\0garbage")]), "cannot be read as model"),
        (zipped([("manifest.json", manifest(library="os")), ("model.ubj", b"x")]), "cannot be read as model"),
        (model_file("xgboost", "model.ubj", b"{", **{"class": "callback", "params": {}}), "no class of XGBoost"),
        (model_file("xgboost", "model.ubj", b"{", **{"class": "XGBModel"}), "no class of XGBoost"),
        (model_file("xgboost", "model.ubj", b"{", **{"class": "XGBClassifier"}), "'params'"),
    ],
)
def test_hostile_model_archives(storage, tmp_path, content, says):
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    ref = planted(storage, content, SAVED["xgboost"](storage))
    with pytest.raises(DamagedArtifactError, match=says):
        values.load(ref, Model, storage)
    assert not list(tmp_path.rglob("escaped"))
    assert len({path for path in tmp_path.rglob("*") if path.is_file()} - before) <= 2


def test_a_pickle_in_a_model_does_not_run(storage, trap):
    for info in ({"class": "builtins.dict"}, {}):
        content = model_file("pickle", "model.pkl", pickle.dumps(Payload(trap)), **info)
        with pytest.raises(StoreError, match=r"could run code|cannot be read as model"):
            values.load(planted(storage, content, SAVED["xgboost"](storage)), Model, storage)


def test_a_pickle_behind_a_ref_does_not_run(storage, trap):
    content = pickle.dumps(Payload(trap))
    for meta in ({"pickle": "pathlib.PosixPath"}, None, {"pickle": None}):
        ref = planted(storage, content, Ref("pickle", "pickle", "", where="x.pkl", meta=meta))
        with pytest.raises(UnsafeFormatError, match="could run code"):
            values.load(ref, Any, storage)


def skops_file(schema: Any, **members: bytes) -> bytes:
    return zipped([("schema.json", json.dumps(schema).encode()), *members.items()])


def foreign(trap: Path) -> dict[str, Any]:
    """Return a skops schema that would call `Path.touch`, and the like."""
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "is_json": True, "__id__": 2}
    argument = {**text, "content": json.dumps(str(trap))}
    return {
        "__class__": "PosixPath",
        "__module__": "pathlib",
        "__loader__": "ReduceNode",
        "__reduce__": {
            "args": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [argument]}
        },
        "content": argument,
        "__id__": 1,
        "protocol": skops.io._protocol.PROTOCOL,
        "_skops_version": skops.__version__,
    }


def test_foreign_types_in_a_skops_file_are_refused(storage, trap):
    estimator = LogisticRegression().fit(X, X[:, 0] > 20)
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as file:
        members = {name: file.read(name) for name in file.namelist()}
    schema = json.loads(members.pop("schema.json"))
    function = {
        "__class__": "function",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "content": {"module_path": "os", "function": "system"},
        "__id__": 10**9,
    }
    for extra in (function, {**foreign(trap), "__loader__": "TypeNode"}):
        schema["content"]["content"]["extra"] = extra
        content = model_file("sklearn", "model.skops", skops_file(schema, **members))
        with pytest.raises(UnsafeFormatError, match=r"not known to be safe: (os|pathlib)\."):
            values.load(planted(storage, content, SAVED["sklearn"](storage)), Model, storage)
    content = model_file("sklearn", "model.skops", skops_file(foreign(trap)))
    with pytest.raises(DamagedArtifactError, match="ReduceNode"):
        values.load(planted(storage, content, SAVED["sklearn"](storage)), Model, storage)


def test_a_hostile_archive_in_an_archive(storage):
    for inner in (
        zipped([("schema.json", b"{}")], zipfile.ZIP_DEFLATED),
        zipped([("../schema.json", b"{}")]),
        zipped([("schema.json", b"\0" * 5_000_000)], zipfile.ZIP_DEFLATED),
        b"no zip",
    ):
        content = model_file("sklearn", "model.skops", inner)
        with pytest.raises(DamagedArtifactError, match="cannot be read as model"):
            values.load(planted(storage, content, SAVED["sklearn"](storage)), Model, storage)


@pytest.mark.parametrize("where", ["../../etc/passwd", "/etc/passwd", "", None])
def test_a_ref_that_points_elsewhere(storage, where):
    ref = Ref("table", "pandas", "0" * 64, where=where, size=1)
    with pytest.raises(StoreError, match=r"objects|no place|not there|is not|bytes"):
        values.load(ref, pd.DataFrame, storage)


@pytest.mark.parametrize("kind", ["table", "json", "list", "nonsense"])
def test_refs_that_make_no_sense(storage, kind):
    with pytest.raises((StoreError, DataError), match=r"cannot be|annotation|No value type|says no place"):
        values.load(Ref(kind, kind if kind != "table" else "pandas", "0" * 64), pd.DataFrame, storage)


def test_a_figure_that_is_none(storage):
    with pytest.raises(DataError, match="no stored figure"):
        values.save(Figure(Path("/etc/passwd"), "text/plain"), Figure, storage)
