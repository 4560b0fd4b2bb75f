"""A folder of a stage as an object store, on the emulator: what S3 is asked for, and what only a stage does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from firnflow.errors import StoreError
from firnflow.stores.remote import object_store
from firnflow.stores.snowflake import session
from firnflow.stores.snowflake.stage import StageStore

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture
def store(snowflake_url: str) -> StageStore:
    found = object_store(f"{snowflake_url}/FIRNFLOW/artifacts/shop")
    assert isinstance(found, StageStore)
    return found


def test_what_is_written_is_read_described_listed_and_removed(store, tmp_path):
    (tmp_path / "file").write_bytes(b"one")
    store.upload(tmp_path / "file", "objects/ab/x.json")
    store.write(b"two!", "objects/cd/y.parquet")
    store.write(b"three", "tables/t-1/00000-a_b.metadata.json")
    assert [(each.name, each.size) for each in store.find("objects")] == [
        ("objects/ab/x.json", 3),
        ("objects/cd/y.parquet", 4),
    ]
    assert store.describe("objects/cd/y.parquet").etag
    assert store.read("tables/t-1/00000-a_b.metadata.json") == b"three"
    store.write(b"anew", "objects/ab/x.json")
    store.download("objects/ab/x.json", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"anew"
    store.delete("objects/ab/x.json")
    store.delete("objects/ab/x.json")
    assert not store.exists("objects/ab/x.json")
    for look in (store.describe, store.read):
        with pytest.raises(FileNotFoundError):
            look("objects/ab/x.json")


def test_a_name_that_begins_like_another_is_another(store):
    store.write(b"long", "objects/ab/x.json.gz")
    assert not store.exists("objects/ab/x.json")
    with pytest.raises(FileNotFoundError):
        store.read("objects/ab/x.json")
    store.delete("objects/ab/x.json")
    assert store.find("objects/a") == []
    assert store.read("objects/ab/x.json.gz") == b"long"


@pytest.mark.parametrize("name", ["a b", "../x", "/x", "x'y", "a//b", "x*", "", "x/", "ä", "x\n", '"x"', "a/../../b;c"])
def test_names_that_mean_something_else_in_sql_are_refused(store, name):
    with pytest.raises(StoreError, match="is no name of ours"):
        store.write(b"", name)


def test_the_folder_of_a_file_may_be_called_anything(store, tmp_path):
    folder = tmp_path / "it's a [b*] \\ $1 ü"
    folder.mkdir()
    (folder / "file").write_bytes(b"x")
    store.upload(folder / "file", "objects/ab/x.json")
    store.download("objects/ab/x.json", folder / "back")
    assert (folder / "back").read_bytes() == b"x"
    assert sorted(each.name for each in folder.iterdir()) == ["back", "file"]


def test_a_stage_whose_name_is_quoted(snowflake_url):
    here = session.session_at(snowflake_url)
    here.send("""CREATE STAGE "We; 'ird/ü" """)
    store = object_store(f"{snowflake_url}/%22We%3B%20%27ird%2F%C3%BC%22/x")
    store.write(b"one", "objects/ab/x.json")
    assert [each.name for each in store.find("")] == ["objects/ab/x.json"]
    assert store.read("objects/ab/x.json") == b"one"


def test_several_threads_at_once(store):
    def work(number: int) -> None:
        store.write(str(number).encode(), f"objects/ab/{number}.json")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.name: store.read(each.name) for each in store.find("")} == {
        f"objects/ab/{number}.json": str(number).encode() for number in range(8)
    }


def test_a_session_that_has_ended_is_begun_anew(store):
    store.write(b"one", "objects/ab/x.json")
    here = session.session_at(store.url)
    here._connection.rest.delete_session()
    assert store.read("objects/ab/x.json") == b"one"


LARGE = """
import resource, sys
from pathlib import Path
from firnflow.stores.remote import object_store
store, path = object_store(sys.argv[1]), Path(sys.argv[2])
store.write(b"", "objects/ab/small.bin")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.upload(path, "objects/ab/large.bin")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_file_is_not_held_in_memory(store, tmp_path: Path):
    """Only on the way there: what the connector reads of a stage on this machine, it reads at once."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(72 * 2**20)
    ran = subprocess.run(
        [sys.executable, "-c", LARGE, store.url, str(tmp_path / "large")],
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert store.describe("objects/ab/large.bin").size == 72 * 2**20
    assert int(ran.stdout) < 40 * 2**10
    store.delete("objects/ab/large.bin")
