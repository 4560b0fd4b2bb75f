from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from firnflow.errors import ConfigError, DamagedArtifactError, MissingExtraError, StoreError
from firnflow.stores import artifacts as module
from firnflow.stores.artifacts import ArtifactStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = hashlib.sha256(b"content").hexdigest()
WHERE = f"objects/{DIGEST[:2]}/{DIGEST}.parquet"
HOSTILE_PLACES = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../../etc/passwd",
    f"objects/{DIGEST[:2]}/../../../etc/passwd",
    f"objects/{DIGEST[:2]}/..%2f..%2fetc.passwd",
    f"../objects/{DIGEST[:2]}/{DIGEST}.parquet",
    f"/{WHERE}",
    f"./{WHERE}",
    f"{WHERE}/",
    f"{WHERE}\n",
    f"{WHERE}\0",
    f"{WHERE};x",
    f"objects/00/{DIGEST}.parquet",
    f"objects/{DIGEST[:2]}/{DIGEST.upper()}.parquet",
    f"objects/{DIGEST[:2]}/{DIGEST}.PARQUET",
    f"objects/{DIGEST[:2]}/{DIGEST}",
    f"objects/{DIGEST[:2]}/{DIGEST}.a.b.c",
    f"objects/{DIGEST[:2]}/{DIGEST}.p*",
    f"objects\\{DIGEST[:2]}\\{DIGEST}.parquet",
    f"objects/{DIGEST[:2]}/{DIGEST[:-1]}\uff11.parquet",
    "objects/" + "a" * 5000,
]

PUT = """
import sys
from firnflow.stores.artifacts import ArtifactStore
store = ArtifactStore(sys.argv[1])
path = store.scratch("parquet")
path.write_bytes(b"content")
print(store.put(path, sys.argv[2], "parquet"))
"""


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


def put(store: ArtifactStore, content: bytes = b"content", digest: str = DIGEST) -> str:
    path = store.scratch("parquet")
    path.write_bytes(content)
    return store.put(path, digest, "parquet")


def test_a_value_is_put_and_read(store: ArtifactStore) -> None:
    where = put(store)
    assert where == WHERE
    assert store.local(where).read_bytes() == b"content"
    assert store.exists(where)
    assert [(found.where, found.size) for found in store.objects()] == [(where, 7)]
    assert abs(next(store.objects()).modified - time.time()) < 60
    assert store.address(where) == str(store.local(where))
    assert not list((store.folder / "tmp").iterdir())


def test_an_object_is_not_writable(store: ArtifactStore) -> None:
    assert store.local(put(store)).stat().st_mode & 0o222 == 0


def test_putting_again_mends_a_damaged_object_and_renews_its_age(store: ArtifactStore) -> None:
    path = store.local(put(store))
    path.chmod(0o644)
    path.write_bytes(b"cont")
    os.utime(path, (0, 0))
    put(store)
    assert path.read_bytes() == b"content"
    assert path.stat().st_mtime > 0


def test_a_missing_object_is_damage(store: ArtifactStore) -> None:
    assert not store.exists(WHERE)
    with pytest.raises(DamagedArtifactError, match=r"is not in the artifact store .* Mend: .*--no-cache"):
        store.local(WHERE)
    store.delete(WHERE)


def test_deleting(store: ArtifactStore) -> None:
    where = put(store)
    store.delete(where)
    assert not store.exists(where)
    assert list(store.objects()) == []


def test_files_that_are_no_objects_are_not_listed(store: ArtifactStore) -> None:
    folder = store.local(put(store)).parent
    (folder / "notes.txt").write_text("mine")
    (folder / ".nfs0001").write_text("")
    assert [found.where for found in store.objects()] == [WHERE]


@pytest.mark.parametrize("where", HOSTILE_PLACES)
def test_a_place_that_is_none_is_refused_everywhere(store: ArtifactStore, where: str) -> None:
    put(store)
    for use in (store.local, store.exists, store.delete, store.address):
        with pytest.raises(DamagedArtifactError, match="is no place in the artifact store"):
            use(where)


@pytest.mark.parametrize("suffix", ["", "..", "../x", "a/b", "P", "a.b.c", "x" * 17, "a\0", "a b", "ü"])
def test_a_suffix_that_is_none_is_refused(store: ArtifactStore, suffix: str) -> None:
    with pytest.raises(StoreError, match="is no file suffix"):
        store.scratch(suffix)


@pytest.mark.parametrize("digest", ["", "ab", "../" * 21 + "a", DIGEST.upper(), DIGEST + "0", DIGEST[:-1] + "/"])
def test_a_digest_that_is_none_is_refused(store: ArtifactStore, digest: str) -> None:
    with pytest.raises(StoreError, match="is no SHA-256 digest"):
        put(store, digest=digest)


def test_a_link_out_of_the_store_is_not_followed(store: ArtifactStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    place = store.folder / WHERE
    place.parent.mkdir(parents=True)
    place.symlink_to(secret)
    with pytest.raises(DamagedArtifactError, match="is no place"):
        store.local(WHERE)


def test_the_store_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    store = ArtifactStore(str(tmp_path / "store"))
    assert store.local(put(store)).read_bytes() == b"content"


@pytest.mark.parametrize("url", ["http://host/x", "ftp://host/x", "file:///tmp/x", "memory://x", "://", "s4://bucket"])
def test_only_stores_that_write_whole_objects(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a folder nor in an object store"):
        ArtifactStore(url, tmp_path)


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("s3://b/f", r"pip install .*\[s3\]'$"),
        ("gs://b/f", "^gcsfs is not installed. Mend: pip install gcsfs$"),
        ("az://b/f", "^adlfs is not installed. Mend: pip install adlfs$"),
    ],
)
def test_a_store_whose_library_is_missing(url: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(_: str) -> None:
        raise ImportError("Install it to access the store")  # as fsspec says it

    monkeypatch.setattr("fsspec.core.url_to_fs", not_there)
    with pytest.raises(MissingExtraError, match=mend):
        ArtifactStore(url, tmp_path).exists(f"objects/ab/{'ab' * 32}.json")


def test_an_object_store_needs_a_cache() -> None:
    with pytest.raises(ConfigError, match="needs a local cache folder"):
        ArtifactStore("s3://bucket")


@pytest.mark.parametrize("point", ["artifact.written", "artifact.synced", "artifact.renamed"])
@pytest.mark.parametrize(("action", "code"), [("kill", -signal.SIGKILL), ("term", -signal.SIGTERM), ("raise", 1)])
def test_a_crash_leaves_all_or_nothing(store: ArtifactStore, point: str, action: str, code: int) -> None:
    call = [sys.executable, "-c", PUT, store.url, DIGEST]
    crashing = {**os.environ, "FIRNFLOW_CRASH": f"{point}:{action}"}
    crashed = subprocess.run(call, env=crashing, capture_output=True, text=True)
    assert crashed.returncode == code, crashed.stderr
    found = [(each.where, store.local(each.where).read_bytes()) for each in store.objects()]
    assert found == ([(WHERE, b"content")] if point == "artifact.renamed" else [])
    left = list((store.folder / "tmp").iterdir())
    assert len(left) == (0 if action == "raise" or point == "artifact.renamed" else 1)
    again = subprocess.run(call, capture_output=True, text=True, check=True)
    assert again.stdout.strip() == WHERE
    assert store.local(WHERE).read_bytes() == b"content"
    assert store.sweep_scratch(older_than=-1) == len(left)
    assert not list((store.folder / "tmp").iterdir())


def test_sweeping_spares_what_is_young_or_in_use(store: ArtifactStore) -> None:
    young, mine = store.folder / "tmp" / "99999999-young.parquet", store.scratch("parquet")
    spill = store.folder / "tmp" / "duckdb-99999999-ab"
    spill.mkdir()
    for path in (young, mine, spill / "block.tmp"):
        path.write_bytes(b"x")
    assert store.sweep_scratch(older_than=3600) == 0
    for path in (mine, spill):
        os.utime(path, (0, 0))
    assert store.sweep_scratch(older_than=3600) == 1
    assert sorted((store.folder / "tmp").iterdir()) == sorted([young, mine])


@pytest.mark.slow
def test_eight_processes_put_the_same_value(store: ArtifactStore) -> None:
    code = f"import sys\nfor _ in range(50):\n{textwrap.indent(PUT, '    ')}    assert store.exists(sys.argv[3])\n"
    call = [sys.executable, "-c", code, store.url, DIGEST, WHERE]
    running = [subprocess.Popen(call, stdout=subprocess.DEVNULL) for _ in range(8)]
    assert [process.wait() for process in running] == [0] * 8
    assert [found.where for found in store.objects()] == [WHERE]
    assert not list((store.folder / "tmp").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_says_so_and_leaves_nothing(small_disk: Path) -> None:
    store = ArtifactStore(str(small_disk / "store"))
    path = store.scratch("bin")
    with pytest.raises(StoreError, match=r"disk of .* is full. Mend: free space"), module.writing(path):
        path.write_bytes(bytes(2**21))
    assert not path.exists()
    assert put(store) == WHERE


def test_a_disk_that_fills_while_an_object_is_put(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="is full"):
        put(store)
    assert list(store.objects()) == []
    assert not list((store.folder / "tmp").iterdir())


@pytest.fixture(
    params=[
        pytest.param("s3", marks=pytest.mark.server),
        pytest.param("snowflake", marks=[pytest.mark.server, pytest.mark.slow]),
    ]
)
def remote_url(request: pytest.FixtureRequest) -> str:
    """URL of an object store, with nothing in it."""
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    return f"{request.getfixturevalue('snowflake_url')}/FIRNFLOW"


def test_an_object_store(remote_url: str, tmp_path: Path) -> None:
    store = ArtifactStore(f"{remote_url}/some/prefix", tmp_path / "cache")
    assert list(store.objects()) == []
    where = put(store)
    assert store.exists(where)
    assert store.address(where) == f"{remote_url}/some/prefix/{where}"
    elsewhere = ArtifactStore(f"{remote_url}/some/prefix/", tmp_path / "other cache")
    assert elsewhere.local(where).read_bytes() == b"content"
    assert [(found.where, found.size) for found in elsewhere.objects()] == [(where, 7)]
    assert abs(next(elsewhere.objects()).modified - time.time()) < 3600
    elsewhere.delete(where)
    elsewhere.delete(where)
    assert not store.exists(where)
    assert not (elsewhere.folder / where).exists()
    with pytest.raises(DamagedArtifactError, match=r"is not in the artifact store [a-z0-9]+://"):
        elsewhere.local(where)
    assert not list((elsewhere.folder / "tmp").iterdir())


def test_a_local_copy_is_as_old_as_its_last_use(remote_url: str, tmp_path: Path) -> None:
    store = ArtifactStore(remote_url, tmp_path / "cache")
    where = put(store)
    os.utime(store.folder / where, (1, 1))
    assert [(each.where, each.size, each.modified) for each in store.copies()] == [(where, 7, 1.0)]
    store.local(where)
    assert abs(next(store.copies()).modified - time.time()) < 60
    assert store.drop_copy(where)
    assert list(store.copies()) == []
    assert store.local(where).read_bytes() == b"content"


def test_a_folder_has_no_local_copies(store: ArtifactStore) -> None:
    put(store)
    assert list(store.copies()) == []


def test_an_object_store_that_is_not_there(remote_url: str, tmp_path: Path) -> None:
    store = ArtifactStore(f"{remote_url}notthere", tmp_path / "cache")
    with pytest.raises(StoreError, match=r"(?s)cannot be used: .* Mend: (check the URL|see that there is a stage)"):
        put(store)
    assert not list((store.folder / "tmp").iterdir())
    assert not store.exists(WHERE)
