"""Models from files: they say the same in a process of their own; what was tampered with is refused, and not run."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import textwrap
import zipfile
from importlib import metadata
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sklearn.linear_model import LogisticRegression

import firnflow as ff
from firnflow import models, steps
from firnflow.errors import (
    DamagedArtifactError,
    DataError,
    FirnflowError,
    NotFoundError,
    SignatureError,
    StoreError,
    UnsafeFormatError,
)
from firnflow.models.registry import Registry
from firnflow.project.settings import load_settings
from firnflow.stores import Stores
from firnflow.stores.state import State
from firnflow.values import archive

COLUMNS = steps.Columns(key="id", label="left", positive=1)


def people(count: int) -> pa.Table:
    rng = np.random.default_rng(1)
    spend, calls = rng.gamma(2.0, 30.0, count), rng.poisson(2.0, count)
    plan = rng.choice(["basic", "plus", "pro"], count)
    risk = 0.03 * (spend - 60) + 0.8 * (calls - 2) + (plan == "basic") - 1.5
    return pa.table(
        {
            "id": rng.permutation(count),
            "spend": pa.array(spend, mask=rng.random(count) < 0.05),
            "calls": calls,
            "plan": pa.array(plan, pa.string(), mask=rng.random(count) < 0.02),
            "left": (rng.random(count) < 1 / (1 + np.exp(-risk))).astype("int8"),
        }
    )


def train(table: ibis.Table) -> ff.Model:
    found = steps.impute(table, COLUMNS, steps.Imputing())
    deriving = steps.Deriving(logs=("spend",), ratios=(("spend", "calls"),), bands={"spend": 10}, scores=("calls",))
    found = steps.derive(table, COLUMNS, deriving, found)
    found = steps.encode(table, COLUMNS, steps.Encoding(), found)
    features = found.apply(table)
    return steps.train(features, found, [steps.cross_validate(features, COLUMNS, steps.Training(folds=2, rounds=60))])


@pytest.fixture(scope="module")
def raw():
    return people(10_000)


@pytest.fixture(scope="module")
def model(raw):
    return train(ibis.duckdb.connect().create_table("t", raw))


@pytest.fixture
def path(model, tmp_path):
    models.save(model, tmp_path / "model.zip")
    return tmp_path / "model.zip"


@pytest.fixture
def trap(tmp_path):
    """A file that is there once a payload has run."""
    path = tmp_path / "it ran"
    yield path
    assert not path.exists()


class Payload:
    def __init__(self, trap):
        self.trap = trap

    def __reduce__(self):
        return (os.system, (f"touch '{self.trap}'",))


def test_what_is_saved_is_loaded(model, path, raw):
    digest = models.save(model, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    for place in (path, str(path)):
        back = models.load(place, digest=digest)
        assert (back.features, back.preprocessing, back.signature) == (
            model.features,
            model.preprocessing,
            model.signature,
        )
        assert models.predict(back, raw).equals(models.predict(model, raw))


ALONE = """
import sys
import pyarrow.parquet as pq
from firnflow import models

model = models.load(sys.argv[1])
pq.write_table(models.predict(model, pq.read_table(sys.argv[2])), sys.argv[3])
assert not any(name.startswith(("firnflow.steps", "firnflow.engine")) for name in sys.modules)
for name in ("sklearn", "skops", "matplotlib", "optuna", "mlflow"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} is installed")
"""


def needed(*wanted: str) -> set[str]:
    """Return the distributions that these need, themselves included, without their extras."""
    found, queue = set(), list(wanted)
    while queue:
        name = canonicalize_name(queue.pop())
        if name in found:
            continue
        found.add(name)
        requirements = map(Requirement, metadata.requires(name) or ())
        extra = "duckdb" if name == "ibis-framework" else ""
        queue += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": extra})]
    return found


def install(folder: Path, *wanted: str) -> None:
    """Link the installed files of these distributions and of all that they need into a folder."""
    folder.mkdir()
    for name in needed(*wanted):
        for file in metadata.files(name) or ():
            source = Path(str(file.locate())).resolve()
            top = file.parts[0]
            if top != ".." and not (folder / top).exists():
                (folder / top).symlink_to(source.parents[len(file.parts) - 2] if len(file.parts) > 1 else source)
    if not (folder / "firnflow").exists():
        (folder / "firnflow").symlink_to(Path(ff.__file__).parent)


@pytest.mark.slow
def test_a_fresh_process_with_only_the_core_and_xgboost_says_the_same_bits(model, path, raw, tmp_path):
    """Acceptance 7: an installation of the core, of XGBoost and of what they depend on, and of nothing else."""
    install(tmp_path / "site", "firnflow", "xgboost-cpu")
    pq.write_table(raw.drop("left"), tmp_path / "rows.parquet")
    command = [sys.executable, "-S", "-c", ALONE, path, tmp_path / "rows.parquet", tmp_path / "said.parquet"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "site")}
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert found.returncode == 0, found.stderr
    said, here = pq.read_table(tmp_path / "said.parquet"), models.predict(model, raw)
    assert said.num_rows == 10_000
    assert said.equals(here)  # bits: Arrow compares floats exactly


def members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewritten(path, **changes):
    """Write the archive again with another manifest: all its checksums are right."""
    parts = members(path)
    manifest = {**json.loads(parts["manifest.json"]), **changes}
    archive.write(path, {**parts, "manifest.json": json.dumps(manifest).encode()})


class TestTampering:
    def test_every_byte_counts(self, path):
        """Without a digest the archive's own checksums find what was changed by accident, wherever it is."""
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        for place in np.linspace(0, len(content) - 1, 60).astype(int):
            changed = bytearray(content)
            changed[place] ^= 0x10
            path.write_bytes(bytes(changed))
            with pytest.raises(DamagedArtifactError, match=r"not what was written: its SHA-256"):
                models.load(path, digest=digest)
        for place in (200, len(content) // 2):  # in the manifest, in the trees
            changed = bytearray(content)
            changed[place] ^= 0x10
            path.write_bytes(bytes(changed))
            with pytest.raises(DamagedArtifactError, match="cannot be read as a model: Bad CRC-32"):
                models.load(path)

    def test_a_file_of_the_artifact_store_has_its_digest_as_its_name(self, path):
        content = path.read_bytes()
        named = path.with_name(f"{hashlib.sha256(content).hexdigest()}.zip")
        named.write_bytes(content)
        assert models.load(named).features
        rewritten(named, metadata={"threshold": 0.0})
        with pytest.raises(DamagedArtifactError, match="not what was written"):
            models.load(named)

    @pytest.mark.parametrize("protocol", [0, 2, 4, 5])
    def test_a_renamed_pickle(self, path, trap, protocol):
        path.write_bytes(pickle.dumps(Payload(trap), protocol))
        with pytest.raises(StoreError, match=r"is a pickle, whatever its name|cannot be read as a model"):
            models.load(path)

    @pytest.mark.parametrize("library", ["xgboost", "lightgbm", "sklearn", "onnx", "pickle", "os"])
    def test_a_pickle_in_a_model_file(self, path, trap, library):
        parts = members(path)
        manifest = {**json.loads(parts.pop("manifest.json")), "library": library}
        manifest["info"] = {"class": "Booster", "best_iteration": 0}
        archive.write(
            path, {"manifest.json": json.dumps(manifest).encode(), manifest["file"]: pickle.dumps(Payload(trap))}
        )
        with pytest.raises(StoreError, match=r"could run code|cannot be read as a model"):
            models.load(path)

    def test_a_skops_file_with_a_foreign_type(self, tmp_path):
        names = ("a", "b", "c", "d")
        estimator = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
        path = tmp_path / "model.zip"
        models.save(ff.Model(estimator, names), path)
        assert models.load(path).features == names
        parts = members(path)
        with zipfile.ZipFile(io.BytesIO(parts["model.skops"])) as file:
            inner = {name: file.read(name) for name in file.namelist()}
        schema = json.loads(inner["schema.json"])
        schema["content"]["content"]["extra"] = {
            "__class__": "function",
            "__module__": "os",
            "__loader__": "FunctionNode",
            "content": {"module_path": "os", "function": "system"},
            "__id__": 10**9,
        }
        buffer = io.BytesIO()
        archive.write(buffer, {**inner, "schema.json": json.dumps(schema).encode()})
        archive.write(path, {**parts, "model.skops": buffer.getvalue()})
        with pytest.raises(UnsafeFormatError, match=r"not known to be safe: os\.\w+\. Mend: .*skops_trusted"):
            models.load(path)

    def test_an_estimator_that_only_a_pickle_could_hold(self, tmp_path):
        with pytest.raises(UnsafeFormatError, match="could only be pickled"):
            models.save(ff.Model(Payload(tmp_path)), tmp_path / "model.zip")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            (
                {"format": "firnflow.model", "version": 9},
                r"its format is firnflow\.model 9; this Firnflow reads .* 1, 2",
            ),
            ({"format": "torch"}, "its format is torch"),
            ({"library": "joblib"}, "its library is 'joblib'; known are document, lightgbm, onnx"),
            ({"file": "../model.ubj"}, "its members are"),
            ({"features": [1, 2]}, "its features are no texts"),
            ({"metadata": None}, "its manifest has no metadata"),
            ({"info": {"class": "DataIter"}}, "'DataIter' is no class of XGBoost"),
        ],
    )
    def test_another_manifest(self, path, changes, says):
        rewritten(path, **changes)
        with pytest.raises(DamagedArtifactError, match=says):
            models.load(path)

    def test_a_signature_that_is_not_the_models(self, path, model):
        inputs = dict(list(model.signature["inputs"].items())[:-1])
        for changes, says in (
            ({"signature": {**model.signature, "inputs": inputs}}, "signature reads calls, spend, its preprocessing"),
            ({"signature": {"inputs": 1}}, "signature cannot be read"),
            ({"features": list(model.features[:-1])}, r"reads \d+ columns, but the model names"),
            ({"preprocessing": {"steps": []}}, "preprocessing cannot be read"),
        ):
            models.save(model, path)
            rewritten(path, **changes)
            with pytest.raises(SignatureError, match=says):
                models.load(path)

    @pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x05.", b"PK\x05\x06" + b"\0" * 18, b"{}" * 1000])
    def test_what_is_no_archive(self, path, content):
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"cannot be read as a model|is a pickle"):
            models.load(path)

    def test_members_that_share_their_bytes(self, path):
        """A zip bomb without compression: many entries for the same bytes."""
        parts = members(path)
        buffer = io.BytesIO()
        archive.write(buffer, {"a": b"0" * 100_000, **{f"b{i}": b"" for i in range(50)}})
        content = bytearray(buffer.getvalue())
        entries = [i for i in range(len(content)) if content[i : i + 4] == b"PK\x01\x02"]
        for entry in entries[1:]:
            content[entry + 16 : entry + 28] = content[entries[0] + 16 : entries[0] + 28]
            content[entry + 42 : entry + 46] = content[entries[0] + 42 : entries[0] + 46]
        path.write_bytes(bytes(content))
        assert parts
        with pytest.raises(DamagedArtifactError, match="share bytes: 5,100,000 bytes are declared"):
            models.load(path)

    def test_what_is_no_file(self, tmp_path):
        with pytest.raises(NotFoundError, match="no model file"):
            models.load(tmp_path / "none.zip")
        with pytest.raises(NotFoundError, match="no model file"):
            models.load(tmp_path)


def test_a_name_without_zip_is_refused(model, tmp_path):
    with pytest.raises(StoreError, match=r"must end in \.zip"):
        models.save(model, tmp_path / "model.bin")


def test_a_save_that_fails_leaves_the_old_file(model, path):
    before = path.read_bytes()
    with pytest.raises(DataError, match="no plain JSON"):
        models.save(ff.Model(model.estimator, metadata={"a": {1}}), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


class Strange(LogisticRegression):
    pass


def test_a_project_may_trust_more(tmp_path):
    """Without it the file is refused; no module of the project is imported to read what it trusts."""
    trusted = f'[models]\nskops_trusted = ["{Strange.__module__}.Strange"]\n'
    (tmp_path / "firnflow.toml").write_text(f'[project]\nname = "p"\npipelines = ["p.nowhere"]\n{trusted}')
    estimator = Strange().fit(np.eye(2), [0, 1])
    content = skops.io.dumps(estimator)
    models.save(ff.Model(LogisticRegression().fit(np.eye(2), [0, 1]), ("a", "b")), tmp_path / "model.zip")
    parts = members(tmp_path / "model.zip")
    inner = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        archive.write(inner, {name: file.read(name) for name in file.namelist()})
    archive.write(tmp_path / "model.zip", {**parts, "model.skops": inner.getvalue()})
    with pytest.raises(UnsafeFormatError, match="not known to be safe"):
        models.load(tmp_path / "model.zip")
    assert type(models.load(tmp_path / "model.zip", tmp_path).estimator).__name__ == "Strange"


def test_what_is_not_installed_is_named(path):
    code = """
        import sys
        sys.modules["xgboost"] = None
        from firnflow import models
        models.load(sys.argv[1])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code), path], capture_output=True, text=True)
    assert "MissingExtraError: xgboost is not installed. Mend: pip install" in found.stderr


def test_errors_are_ours(path, tmp_path):
    """Whatever stands in the file: an error of the tree, never another one."""
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 5):
            changed[place] = int(rng.integers(0, 256))
        path.write_bytes(bytes(changed[: int(rng.integers(1, len(content) + 1))]))
        with pytest.raises(FirnflowError, match=r"\w"):
            models.load(path)


@pytest.fixture
def project(tmp_path, model):
    """A project with two versions of a model; no module of it can be imported."""
    (tmp_path / "firnflow.toml").write_text('[project]\nname = "p"\npipelines = ["p.nowhere"]\n')
    settings = load_settings(tmp_path)
    other = ff.Model(model.estimator, model.features, model.preprocessing, {"threshold": 0.5}, model.signature)
    with (
        contextlib.closing(Stores.open(settings, tmp_path)) as stores,
        contextlib.closing(State(settings.state.reveal())) as state,
    ):
        registry = Registry(state, stores)
        for each in (model, other):
            registry.register("leavers", each)
        registry.promote("leavers", 1, expected=None, reason="the first")
    return tmp_path


class TestRegistry:
    def test_by_alias_version_and_name(self, project, model, raw, monkeypatch):
        for place in ("leavers@champion", "leavers/1", "leavers"):
            found = models.load(place, project)
            assert found.metadata == model.metadata
            assert models.predict(found, raw).equals(models.predict(model, raw))
        assert models.load("leavers/2", project).metadata == {"threshold": 0.5}
        monkeypatch.chdir(project)
        assert models.load("leavers").metadata == model.metadata

    def test_what_is_not_there(self, project, tmp_path):
        for place, says in (
            ("leaver", "Did you mean"),
            ("leavers/9", "9"),
            ("leavers@chalenger", "no 'chal"),
        ):
            with pytest.raises(NotFoundError, match=says):
                models.load(place, project)
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "firnflow.toml").write_text('[project]\nname = "p"\n')
        with pytest.raises(NotFoundError, match="nothing has run yet"):
            models.load("leavers", tmp_path / "empty")
        assert [each.name for each in (tmp_path / "empty").iterdir()] == ["firnflow.toml"]

    @pytest.mark.parametrize("how", ["byte", "pickle", "manifest", "gone"])
    def test_tampering(self, project, trap, how):
        """Whoever can write to the artifact store cannot make another file of a registered one."""
        for path in project.rglob("objects/*/*.zip"):
            path.chmod(0o644)
            if how == "byte":
                content = bytearray(path.read_bytes())
                content[-300] ^= 1
                path.write_bytes(bytes(content))
            elif how == "pickle":
                path.write_bytes(pickle.dumps(Payload(trap)))
            elif how == "manifest":
                rewritten(path, metadata={"threshold": 0.0})
            else:
                path.unlink()
        with pytest.raises(DamagedArtifactError, match=r"SHA-256 differs|were committed|is not in the artifact store"):
            models.load("leavers@champion", project)

    def test_a_digest_that_is_asked_for(self, project):
        with pytest.raises(DamagedArtifactError, match="has the digest"):
            models.load("leavers", project, digest="0" * 64)
