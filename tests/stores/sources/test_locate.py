from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.errors import ConfigError, DataError, NotFoundError, StoreError
from firnflow.project.catalog import Source
from firnflow.stores.sources import fingerprint, read_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firnflow.stores import Stores


@pytest.mark.parametrize(
    "name", ["it's.csv", "a b.csv", "ü.csv", "[x].csv", "a*b.csv", "q?.csv", "-rf.csv", "$(x).csv", "%2e%2e.csv"]
)
def test_any_file_name_is_a_name(rows: Callable[..., Any], name: str) -> None:
    assert rows({name: b"a\n1\n", "axb.csv": b"a\n2\n"}, path=name) == [(1,)]


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("custmers.csv", NotFoundError, "there is no file .*custmers.csv. Did you mean 'customers.csv'"),
        ("nowhere/x.csv", NotFoundError, "there is no file .*nowhere/x.csv"),
        ("folder", DataError, r"folder is a folder. Mend: name its files with a pattern, e.g. folder/\*.csv"),
        ("folder/*.csv", NotFoundError, r"no file matches .*/folder/\*.csv"),
        ("/dev/null", DataError, "is no regular file"),
        ("pipe", DataError, "is no regular file"),
        ("dangling", NotFoundError, "there is no file"),
        ("loop", DataError, "cannot be read: Too many levels"),
        ("customers.csv/x.csv", DataError, "cannot be read: Not a directory"),
        ("x" * 5000, DataError, "cannot be read: File name too long"),
        ("customers.dat", NotFoundError, "customers.dat: the format cannot be told from the name. Mend: format ="),
    ],
)
def test_what_is_no_file(
    rows: Callable[..., Any], tmp_path: Path, path: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "project" / "folder").mkdir(parents=True)
    os.mkfifo(tmp_path / "project" / "pipe")
    (tmp_path / "project" / "dangling").symlink_to("nothing")
    (tmp_path / "project" / "loop").symlink_to("loop")
    with pytest.raises(error, match=message):
        rows({"customers.csv": b"a\n1\n", "customers.dat": b"a\n1\n"}, path=path)


def test_files_of_several_formats(rows: Callable[..., Any]) -> None:
    with pytest.raises(
        DataError, match=r"the files are of several formats: d/a.csv, d/b.jsonl. Mend: a narrower pattern"
    ):
        rows({"d/a.csv": b"a\n1\n", "d/b.jsonl": b'{"a": 1}\n'}, path="d/*")


def test_a_pattern_over_folders(rows: Callable[..., Any]) -> None:
    files = {"d/2/a.csv": b"a\n3\n", "d/1/b.csv": b"a\n2\n", "d/1/a.csv": b"a\n1\n"}
    assert rows(files, path="d/**/*.csv") == [(1,), (2,), (3,)]


def test_another_input_keeps_types_and_checks(rows: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"a": "1"}\n')
    declared = {"columns": {"a": "int"}, "query": "SELECT 1", "connection": "env:NOT_SET"}
    assert rows({}, str(tmp_path / "mine.jsonl"), **declared) == [(1,)]
    (tmp_path / "mine.jsonl").write_text('{"a": "x"}\n')
    with pytest.raises(DataError, match=r"a = .* is no int"):
        rows({}, str(tmp_path / "mine.jsonl"), **declared)


def test_an_input_without_a_declaration(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a\n1\n")
    found = read_source(None, stores, tmp_path, str(tmp_path / "mine.csv"), name="customers")
    assert found.a.execute().tolist() == [1]
    with pytest.raises(NotFoundError, match=r"no source 'customers' .* add \[customers\], or --input customers=PATH"):
        read_source(None, stores, tmp_path, name="customers")


def test_what_was_read_lies_in_the_task_s_scratch_folder(table: Callable[..., Any], tmp_path: Path) -> None:
    table(b"a\n1\n").execute()
    assert list((tmp_path / "scratch").rglob("*.parquet"))
    assert not (tmp_path / "store").exists()


def test_a_fingerprint_is_of_content_and_declaration(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    source = Source(name="s", path="*.csv")
    first = fingerprint(source, tmp_path)
    os.utime(tmp_path / "a.csv", (0, 0))
    assert fingerprint(source, tmp_path) == first
    assert fingerprint(Source(name="s", path="*.csv", description="other words"), tmp_path) == first
    assert fingerprint(source, tmp_path, str(tmp_path / "a.csv")) == first
    seen = {first, fingerprint(Source(name="s", path="*.csv", columns={"a": {"type": "float"}}), tmp_path)}
    (tmp_path / "b.csv").write_text("a\n1\n")
    seen.add(fingerprint(source, tmp_path))
    (tmp_path / "b.csv").write_text("a\n2\n")
    seen.add(fingerprint(source, tmp_path))
    assert len(seen) == 4


def test_a_url_of_no_object_store(stores: Stores, tmp_path: Path) -> None:
    for url in ("https://host/x.csv", "file:///etc/passwd", "ftp://x/y.csv"):
        with pytest.raises(ConfigError, match="the URL is of no object in a store that is known: s3"):
            read_source(Source(name="s", url=url), stores, tmp_path)


@pytest.mark.server
def test_objects(rows: Callable[..., Any], stores: Stores, tmp_path: Path, s3_url: str) -> None:
    import fsspec

    s3 = fsspec.filesystem("s3")
    for name, content in {"d/2.csv": b"a\n2\n", "d/1.csv": b"a\n1\n", "other.csv": b"a\n9\n"}.items():
        s3.pipe_file(f"{s3_url}/{name}", content)
    source = Source(name="s", url=f"{s3_url}/d/*.csv")
    assert rows({}, url=f"{s3_url}/d/*.csv") == [(1,), (2,)]
    assert rows({}, url=f"{s3_url}/other.csv") == [(9,)]
    assert rows({}, f"{s3_url}/other.csv", path="x.csv") == [(9,)]
    first = fingerprint(source, tmp_path)
    assert fingerprint(source, tmp_path) == first
    s3.pipe_file(f"{s3_url}/d/2.csv", b"a\n3\n")
    assert fingerprint(source, tmp_path) != first
    with pytest.raises(NotFoundError, match=r"there is no object s3://.*/nothing.csv, or it is empty"):
        rows({}, url=f"{s3_url}/nothing.csv")
    s3.pipe_file(f"{s3_url}/d/3.csv", b"a\nx\n")
    with pytest.raises(DataError, match=r"s3://.*/d/3.csv, line 2: a = 'x' is no int"):
        rows({}, url=f"{s3_url}/d/*.csv", columns={"a": "int"})
    with pytest.raises((StoreError, NotFoundError), match=r"cannot be used|there is no object"):
        read_source(Source(name="s", url=f"{s3_url}-not-there/x.csv"), stores, tmp_path)
