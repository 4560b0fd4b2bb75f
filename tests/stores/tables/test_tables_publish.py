from __future__ import annotations

import datetime as dt
import shutil
import sys
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from firnflow import values
from firnflow.errors import (
    BadRowsError,
    DamagedArtifactError,
    DataError,
    MissingExtraError,
    NotFoundError,
    TableConflictError,
    UnsafeFormatError,
    UsageError,
)
from firnflow.stores.snowflake import publish as snowflake
from firnflow.stores.tables import commit, files, publish
from firnflow.stores.tables.publish import Wish
from firnflow.stores.tables.versions import find, newest, versions

A = "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(id, name)"
B = "SELECT * FROM (VALUES (3, 'c')) AS t(id, name)"


def test_versions_are_numbered_and_stay_readable(place):
    place.publish(A)
    place.publish(B)
    ref = place.publish(B, mode="append", task="more")
    assert place.numbers() == [1, 2, 3]
    assert place.read(number=1) == [(1, "a"), (2, "b")]
    assert place.read(number=2) == [(3, "c")]
    assert place.read() == place.rows(ref) == [(3, "c"), (3, "c")]
    assert (ref.meta["table"], ref.meta["version"], ref.meta["rows"]) == ("orders", 3, 2)


def test_a_replacement_copies_nothing(place):
    load = place.save(A)
    ref = publish.publish(place.tables, load, Wish("orders", run="r", task="t"))
    assert [part.where for part in ref.items] == [load.where]
    assert ref.digest == load.digest


def test_the_same_run_and_task_publish_once(place):
    for _ in range(3):
        place.publish(A, mode="append", run="r1")
    assert place.numbers() == [1]
    assert len(place.read()) == 2
    place.publish(A, mode="append", run="r1", task="another")
    assert len(place.read()) == 4


def test_a_load_that_runs_twice_leaves_each_row_once(place):
    place.publish(A, mode="append", run="monday")
    place.publish(B, mode="append", run="tuesday")
    ref = place.publish(A, mode="append", run="monday_again")
    assert place.numbers() == [1, 2]
    assert place.rows(ref) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_load_comes_back_after_somebody_has_replaced_the_table(place):
    place.publish(A)
    place.publish(B, task="other")
    place.publish(A)
    assert place.numbers() == [1, 2, 3]
    assert place.read() == [(1, "a"), (2, "b")]


def test_a_resumed_run_with_other_rows_takes_its_first_rows_back(place):
    place.publish(B, mode="append", run="r0")
    place.publish(A, mode="append", run="r1")
    place.publish("SELECT 9 AS id, 'z' AS name", mode="append", run="r1")
    assert place.read() == [(3, "c"), (9, "z")]
    assert place.read(number=2) == [(1, "a"), (2, "b"), (3, "c")]


def test_no_rows(place):
    place.publish(f"{A} WHERE id > 5")
    assert place.read() == []
    place.publish(A, mode="append")
    place.publish(f"{A} WHERE id > 5", task="none")
    assert place.read() == []
    assert place.read(number=2) == [(1, "a"), (2, "b")]


class TestPartitions:
    DAYS = "SELECT * FROM (VALUES (DATE '2026-01-01', 1), (DATE '2026-01-02', 2)) AS t(day, v)"
    MORE = "SELECT * FROM (VALUES (DATE '2026-01-02', 20), (DATE '2026-01-03', 30), (NULL, 40)) AS t(day, v)"

    def test_exactly_those_in_the_rows_are_replaced(self, place):
        place.publish(self.DAYS, mode="partition", partition=("day",))
        place.publish(self.MORE, mode="partition", partition=("day",))
        first, second, third = (dt.date(2026, 1, day) for day in (1, 2, 3))
        assert place.read() == [(first, 1), (second, 20), (third, 30), (None, 40)]
        assert place.read(number=1) == [(first, 1), (second, 2)]
        assert newest(place.tables.get("orders")).partitions == ("2026-01-02", "2026-01-03", "NULL")

    def test_again_with_null_and_nothing(self, place):
        place.publish(self.MORE, mode="partition", partition=("day",))
        place.publish(self.MORE, mode="partition", task="again")
        assert len(place.read()) == 3
        place.publish(f"{self.MORE} WHERE false", mode="partition", task="none")
        assert len(place.read()) == 3

    def test_an_append_keeps_what_is_there(self, place):
        place.publish(self.DAYS, mode="partition", partition=("day",))
        place.publish(self.MORE, mode="append")
        assert [v for _, v in place.read()] == [1, 2, 20, 30, 40]

    @pytest.mark.parametrize(
        ("kind", "one", "two"),
        [
            ("INTEGER", "1", "2"),
            ("VARCHAR", "'a/b ü=1'", "'é'"),
            ("BOOLEAN", "true", "false"),
            ("BIGINT", "-1", "0"),
            ("TIMESTAMP", "'2026-01-01 12:34:56.789012'", "'1960-01-01'"),
            ("DATE", "'1900-02-28'", "'2100-01-01'"),
        ],
    )
    def test_by_each_type(self, place, kind, one, two):
        rows = f"SELECT x::{kind} AS x, n FROM (VALUES ({one}, 1), ({two}, 2)) AS t(x, n)"
        place.publish(rows, mode="partition", partition=("x",))
        place.publish(f"SELECT x::{kind} AS x, n FROM (VALUES ({two}, 3)) AS t(x, n)", mode="partition", task="b")
        assert sorted(n for _, n in place.read()) == [1, 3]
        scanned = place.tables.get("orders").scan().to_arrow()
        assert sorted(scanned["n"].to_pylist()) == [1, 3]

    def test_by_two_columns(self, place):
        rows = "SELECT x, y, x * 10 + y AS v FROM range(2) AS a(x), range(2) AS b(y)"
        place.publish(rows, mode="partition", partition=("x", "y"))
        place.publish("SELECT 1::BIGINT AS x, 1::BIGINT AS y, 99::BIGINT AS v", mode="partition", task="b")
        assert [v for *_, v in place.read()] == [0, 1, 10, 99]

    def test_too_many(self, place, monkeypatch):
        monkeypatch.setattr(files, "PARTITIONS", 1)
        with pytest.raises(UsageError, match="2 partitions, each a file; at most 1 at once"):
            place.publish(self.DAYS, mode="partition", partition=("day",))
        assert place.tables.names() == []

    def test_by_what_cannot_be_one(self, place):
        with pytest.raises(UsageError, match="partition='v' is double"):
            place.publish("SELECT 1 AS a, 1.5::DOUBLE AS v", mode="partition", partition=("v",))
        with pytest.raises(UsageError, match=r"no such column\. It has: a"):
            place.publish("SELECT 1 AS a", mode="partition", partition=("b",))


class TestSchemas:
    def test_a_column_is_added(self, place):
        place.publish(A)
        place.publish("SELECT 3 AS id, 'c' AS name, 1.5 AS amount", mode="append", task="wide")
        assert place.read() == [(1, "a", None), (2, "b", None), (3, "c", 1.5)]
        assert place.read(number=1) == [(1, "a"), (2, "b")]
        scanned = place.tables.get("orders").scan().to_arrow().sort_by("id").to_pylist()
        assert [row["amount"] for row in scanned][:2] == [None, None]

    def test_numbers_grow_wider_and_narrow_ones_are_taken(self, place):
        place.publish("SELECT 1::INTEGER AS n, 1::FLOAT AS x")
        place.publish("SELECT 2::BIGINT AS n, 2::DOUBLE AS x", mode="append", task="wide")
        place.publish("SELECT 3::SMALLINT AS n, 3::FLOAT AS x", mode="append", task="narrow")
        assert place.read() == [(1, 1.0), (2, 2.0), (3, 3.0)]
        assert place.tables.get("orders").scan().to_arrow().schema.field("n").type == pa.int64()

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ("SELECT 'x' AS id, 'c' AS name", "'id' was INTEGER and is VARCHAR"),
            ("SELECT 1 AS id", "'name' is missing"),
            ("SELECT 1 AS id, 'c' AS name, 2 AS \"Größe\", [1] AS l", None),
            ("SELECT 1 AS \"ID\", 'c' AS name", "'ID' differs from 'id' in case only"),
        ],
    )
    def test_what_does_not_fit_shows_both(self, place, rows, said):
        place.publish(A)
        if said is None:
            place.publish(rows)
            return
        with pytest.raises(DataError, match=said) as caught:
            place.publish(rows)
        assert "table (version 1)  published" in str(caught.value)
        assert place.numbers() == [1]

    def test_what_iceberg_lacks(self, place):
        with pytest.raises(DataError, match="'l' holds TIMESTAMP_NS inside of others"):
            place.publish("SELECT ['2026-01-01'::TIMESTAMP_NS] AS l")
        with pytest.raises(DataError, match="columns t have nanoseconds"):
            place.publish("SELECT '2026-01-01 00:00:00.000000001'::TIMESTAMP_NS AS t")
        assert place.tables.names() == []


class TestKeys:
    def test_twice_in_what_is_published(self, place):
        with pytest.raises(BadRowsError, match="must be unique, but one stands twice in what is to be published: id=1"):
            place.publish("SELECT 1 AS id FROM range(2)", key=("id",))
        assert place.tables.names() == []

    def test_there_already(self, place):
        place.publish(A, key=("id",))
        with pytest.raises(BadRowsError, match="is in the table already: id=2"):
            place.publish("SELECT 2 AS id, 'x' AS name", mode="append")
        place.publish("SELECT 2 AS id, 'x' AS name")
        assert place.read() == [(2, "x")]

    def test_in_another_partition(self, place):
        place.publish("SELECT 1 AS day, 7 AS id", mode="partition", partition=("day",), key=("id",))
        with pytest.raises(BadRowsError, match="id=7"):
            place.publish("SELECT 2 AS day, 7 AS id", mode="partition")
        place.publish("SELECT 1 AS day, 7 AS id, 'new' AS note", mode="partition")
        assert place.read() == [(1, 7, "new")]

    def test_missing(self, place):
        with pytest.raises(BadRowsError, match="1 row without a value of the key id"):
            place.publish("SELECT NULL::INTEGER AS id", key=("id",))
        with pytest.raises(UsageError, match=r"no column nr\. It has: id"):
            place.publish("SELECT 1 AS id", key=("nr",))

    def test_another_than_the_table_has(self, place):
        place.publish(A, key=("id",))
        with pytest.raises(UsageError, match="whose key is id since its first version"):
            place.publish(A, key=("name",))
        with pytest.raises(UsageError, match="which has no partition"):
            place.publish(A, partition=("id",))


class TestConflicts:
    """A second writer publishes while the first has looked and not yet committed."""

    @staticmethod
    def between(opened, monkeypatch, sql, **wish):
        """Let somebody else publish, once, right before the commit."""
        for holder, name in ((commit.IcebergPublication, "_commit"), (snowflake, "settle")):
            before = getattr(holder, name)

            def late(*arguments, holder=holder, name=name, before=before):
                monkeypatch.setattr(holder, name, before)
                opened().publish(sql, **{"task": "other", "run": "other_run", **wish})
                return before(*arguments)

            monkeypatch.setattr(holder, name, late)

    def test_appends_follow_each_other(self, place, opened, monkeypatch):
        place.publish(A, mode="append")
        self.between(opened, monkeypatch, "SELECT 5 AS id, 'e' AS name", mode="append")
        place.publish(B, mode="append", task="late")
        assert place.read() == [(1, "a"), (2, "b"), (3, "c"), (5, "e")]
        assert place.numbers() == [1, 2, 3]

    def test_a_replacement_loses_and_says_to_whom(self, place, opened, monkeypatch):
        place.publish(A)
        self.between(opened, monkeypatch, "SELECT 5 AS id, 'e' AS name", mode="append")
        with pytest.raises(TableConflictError, match=r"run other_run \(task 'other' of p\) has published version 2"):
            place.publish(B)
        assert place.read() == [(1, "a"), (2, "b"), (5, "e")]

    @pytest.mark.parametrize("day", [1, 2])
    def test_partitions(self, place, opened, monkeypatch, day):
        place.publish("SELECT 0 AS day, 0 AS v", mode="partition", partition=("day",))
        self.between(opened, monkeypatch, "SELECT 1 AS day, 1 AS v", mode="partition")
        if day == 1:
            with pytest.raises(TableConflictError, match="nothing was changed"):
                place.publish("SELECT 1 AS day, 11 AS v", mode="partition", task="late")
            assert place.read() == [(0, 0), (1, 1)]
        else:
            place.publish("SELECT 2 AS day, 2 AS v", mode="partition", task="late")
            assert place.read() == [(0, 0), (1, 1), (2, 2)]

    def test_the_first_version(self, place, opened, monkeypatch):
        self.between(opened, monkeypatch, "SELECT 5 AS id, 'e' AS name", mode="append")
        place.publish(A, mode="append")
        assert place.read() == [(1, "a"), (2, "b"), (5, "e")]

    def test_a_key_is_checked_again(self, place, opened, monkeypatch):
        place.publish(A, mode="append", key=("id",))
        self.between(opened, monkeypatch, B, mode="append")
        with pytest.raises(BadRowsError, match="id=3"):
            place.publish(B, mode="append", task="late")
        assert len(place.read()) == 3

    def test_rows_made_from_an_older_version(self, place):
        place.publish(A)
        place.publish(B, task="other")
        with pytest.raises(TableConflictError, match="version 2"):
            place.publish(A, base=1, task="late")


class TestMoments:
    def test_as_of(self, place):
        place.publish(A)
        place.publish(B)
        table = place.tables.get("orders")
        first, second = (each.at for each in versions(table))
        when = dt.datetime.fromtimestamp(first, dt.UTC)
        assert find(table, as_of=when.isoformat()).number == 1
        zurich = when.astimezone(dt.timezone(dt.timedelta(hours=1)))
        assert find(table, as_of=zurich.isoformat()).number == 1
        assert find(table, as_of=when.replace(tzinfo=None).isoformat()).number == 1
        assert find(table, as_of=dt.datetime.fromtimestamp(second, dt.UTC).date().isoformat()).number == 2
        with pytest.raises(NotFoundError, match="no version of 2020-01-01: version 1 is of"):
            find(table, as_of="2020-01-01")

    def test_names_and_numbers_that_are_not_there(self, place):
        with pytest.raises(NotFoundError, match=r"no table 'orders'\. There is no named table yet"):
            place.tables.get("orders")
        place.publish(A)
        with pytest.raises(NotFoundError, match="Did you mean 'orders'"):
            place.tables.get("order")
        with pytest.raises(NotFoundError, match=r"Version 2 of table 'orders' is not there\. Kept: 1"):
            find(place.tables.get("orders"), number=2)


def test_any_library_reads_a_version_of_several_files(place):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    place.publish(A, mode="append")
    ref = place.publish(B, mode="append")
    for kind in (pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table, ibis.Table):
        loaded = values.load(ref, kind, place.stores)
        frame = loaded.collect() if kind is pl.LazyFrame else loaded
        frame = frame.to_pyarrow() if kind is ibis.Table else frame
        assert sorted(pa.table({"id": pa.array(frame["id"])})["id"].to_pylist()) == [1, 2, 3]


@pytest.mark.parametrize("how", [Path.rename, shutil.copytree])
def test_a_store_that_was_moved_or_copied(opened, tmp_path, how):
    place = opened(f"sqlite:///{tmp_path}/old/state.db", f"{tmp_path}/old/artifacts")
    place.publish(A, mode="append")
    place.tables.close()
    place.tables.state.close()
    how(tmp_path / "old", tmp_path / "new")
    there = sorted((tmp_path / "old").rglob("*"))
    moved = opened(f"sqlite:///{tmp_path}/new/state.db", f"{tmp_path}/new/artifacts")
    assert moved.read() == [(1, "a"), (2, "b")]
    moved.publish(B, mode="append")
    assert moved.read() == [(1, "a"), (2, "b"), (3, "c")]
    assert sorted((tmp_path / "old").rglob("*")) == there


@pytest.mark.parametrize("name", ["py-io-impl", "write.py-location-provider.impl"])
def test_metadata_that_names_code_is_refused(place, name):
    place.publish(A)
    metadata = place.tables.get("orders").metadata_location
    text = Path(metadata).read_text().replace('"properties":{', f'"properties":{{"{name}":"os.system",', 1)
    Path(metadata).write_text(text)
    with pytest.raises(UnsafeFormatError, match=f"names code to be run: {name}"):
        place.read()


def test_without_pyiceberg_the_extra_is_named(place, opened, monkeypatch):
    place.publish(A)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyiceberg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyiceberg", None)
    for work in (opened().numbers, opened().tables.names, lambda: opened().publish(B)):
        with pytest.raises(MissingExtraError, match=r"pyiceberg is not installed.*\[tables\]"):
            work()


def test_types_in_a_ref_are_types(place):
    ref = place.publish(A)
    ref.meta["columns"]["id"] = "INTEGER) FROM read_csv('/etc/passwd'"
    with pytest.raises(DamagedArtifactError, match="cannot be read"):
        place.rows(ref)


def test_the_catalog_is_beside_the_state(place, tmp_path):
    assert not place.tables.exists
    assert place.tables.names() == []
    place.publish(A)
    assert (tmp_path / "tables.db").exists()
    assert place.tables.names() == ["orders"]
