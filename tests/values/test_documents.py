"""Models that are plain JSON: they come back equal, from equal bytes, and nothing else gets in."""

from __future__ import annotations

import json
import zipfile

import pytest

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError
from firnflow.values import archive
from firnflow.values.model import Document, Model

DATA = {"thresholds": {"b": [1.5, -2], "a": None}, "name": "Läckerli", "on": True}


def test_a_document_comes_back_and_equal_ones_have_one_digest(storage):
    ref = values.save(Model(Document(DATA), metadata={"x": 1}), Model, storage)
    found = values.load(ref, Model, storage)
    assert (found.estimator, found.metadata) == (Document(DATA), {"x": 1})
    again = Model(Document(json.loads(json.dumps(DATA, sort_keys=True))), metadata={"x": 1})
    assert values.save(again, Model, storage).digest == ref.digest
    assert ref.meta["library"] == "document"


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": object()}, {1: 2}, {"x": (1, 2)}, [1], None])
def test_what_is_no_json_object_is_refused(storage, data):
    with pytest.raises(DataError, match=r"no plain JSON|a JSON object"):
        values.save(Model(Document(data)), Model, storage)


@pytest.mark.parametrize("content", [b"[1]", b'{"a": 1, "a": 2}', b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_one_is_refused(storage, content):
    ref = values.save(Model(Document(DATA)), Model, storage)
    path = storage.local(ref.where)
    with zipfile.ZipFile(path) as file:
        manifest = file.read("manifest.json")
    other = storage.scratch("zip")
    archive.write(other, {"manifest.json": manifest, "model.json": content})
    path.chmod(0o644)
    path.write_bytes(other.read_bytes())
    from firnflow.values import digest, modelfile

    with pytest.raises(DamagedArtifactError):
        modelfile.read(path, storage, lambda why: digest.damaged(ref, why))
