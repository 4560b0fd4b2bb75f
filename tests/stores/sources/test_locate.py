from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.errors import ConfigError, DataError, NotFoundError, StoreError
from firnflow.project.catalog import Source
from firnflow.stores.remote import ObjectStore
from firnflow.stores.sources import fingerprint, read_source
from firnflow.stores.sources.locate import listed

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
    s3.pipe_file(f"{s3_url}/d/3.csv", b"a\nx\n")
    with pytest.raises(DataError, match=r"s3://.*/d/3.csv, line 2: a = 'x' is no int"):
        rows({}, url=f"{s3_url}/d/*.csv", columns={"a": "int"})


@pytest.mark.server
def test_any_name_of_an_object_is_a_name(rows: Callable[..., Any], tmp_path: Path, s3_url: str) -> None:
    import fsspec

    s3 = fsspec.filesystem("s3")
    names = ["ü ö.csv", "it's [x].csv", "q?.csv", "%41+&=#.csv", "-rf.csv", "$(x).csv"]
    for number, name in enumerate(names):
        s3.pipe_file(f"{s3_url}/Grüße an alle/{name}", f"a\n{number}\n".encode())
    for number, name in enumerate(names):
        assert rows({}, url=f"{s3_url}/Grüße an alle/{name}") == [(number,)], name
    assert sorted(rows({}, url=f"{s3_url}/Gr*/*.csv")) == [(number,) for number in range(len(names))]
    found = listed(Source(name="s", url=f"{s3_url}/**"), tmp_path)
    assert [each.shown for each in found] == sorted(f"{s3_url}/Grüße an alle/{name}" for name in names)
    assert all(each.size == 4 and each.tag and time.time() - each.modified < 60 for each in found)


@pytest.mark.server
def test_objects_are_listed_page_after_page(tmp_path: Path, s3_url: str) -> None:
    import fsspec

    s3 = fsspec.filesystem("s3")
    s3.pipe({f"{s3_url}/many/{number:04}.csv": b"" for number in range(1203)})
    page = s3.call_s3("list_objects_v2", Bucket=s3_url.removeprefix("s3://"))
    assert page["IsTruncated"]
    assert len(page["Contents"]) == 1000
    found = listed(Source(name="s", url=f"{s3_url}/many/*.csv"), tmp_path)
    assert [each.shown for each in found] == [f"{s3_url}/many/{number:04}.csv" for number in range(1203)]


@pytest.mark.server
@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("/orders/custmers.csv", NotFoundError, "there is no object s3://.*custmers.csv. Did you mean 'customers.csv'"),
        ("/orders/*.parquet", NotFoundError, r"no object matches s3://.*/orders/\*.parquet"),
        ("/orders", NotFoundError, r"is a folder. Mend: name its objects with a pattern, e.g. orders/\*.csv"),
        ("-away/x.csv", StoreError, "there is no bucket for s3://.*-away/x.csv, or these credentials may not see"),
        ("-away/*.csv", StoreError, "there is no bucket for s3://"),
        ("/orders/empty.csv", DataError, "empty.csv is empty"),
    ],
)
def test_what_is_no_object(
    rows: Callable[..., Any], s3_url: str, place: str, error: type[Exception], message: str
) -> None:
    import fsspec

    s3 = fsspec.filesystem("s3")
    s3.pipe({f"{s3_url}/orders/customers.csv": b"a\n1\n", f"{s3_url}/orders/empty.csv": b""})
    with pytest.raises(error, match=message):
        rows({}, url=f"{s3_url}{place}")


@pytest.mark.server
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", r"cannot be used: PermissionError: .*signature.* credentials"),
        ("AWS_ACCESS_KEY_ID", "nobody", r"cannot be used: PermissionError: .*Access Key.* credentials"),
        ("AWS_ENDPOINT_URL", "nonsense", r"cannot be used: ValueError: Invalid endpoint: nonsense.*AWS_ENDPOINT_URL"),
    ],
)
def test_a_store_that_refuses(
    tmp_path: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    import s3fs

    monkeypatch.setenv(variable, value)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(StoreError, match=message) as raised:
            listed(Source(name="s", url=f"{s3_url}/*.csv"), tmp_path)
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
    assert "canary-s3-key" not in str(raised.value)


@pytest.mark.server
def test_an_object_that_is_deleted_while_it_is_read(
    rows: Callable[..., Any], s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    s3 = fsspec.filesystem("s3")
    s3.pipe_file(f"{s3_url}/x.csv", b"a\n1\n")
    download = ObjectStore.download

    def too_late(store: ObjectStore, name: str, path: Path) -> None:
        s3.rm_file(f"{s3_url}/{name}")
        download(store, name, path)

    monkeypatch.setattr(ObjectStore, "download", too_late)
    with pytest.raises(DataError, match=r"s3://.*/x.csv was deleted while it was read. Mend: run again"):
        rows({}, url=f"{s3_url}/*.csv")
