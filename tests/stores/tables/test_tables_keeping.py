"""Old versions, small files, metadata that a dead writer has left; and the way back to an older version."""

from __future__ import annotations

import os
import time

import pytest

from firnflow._crash import InjectedCrash, _passes
from firnflow.errors import NotFoundError, TableConflictError, UsageError
from firnflow.stores.tables import expire, restore
from firnflow.stores.tables.versions import find, newest, versions


def fill(place, count, first=0):
    for number in range(first, first + count):
        place.publish(f"SELECT {number} AS id", mode="append", task=f"t{number}")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(expire, "MANY", 4)


def test_many_small_files_are_joined_under_the_same_number(place, opened):
    fill(place, expire.MANY + 2)
    before = place.read()
    version = newest(place.tables.get("orders"))
    assert expire.outdated(place.tables, 0.0, 99, ()).compact == ("orders",)
    assert expire.compact(place.tables, ["orders"]) == ["orders"]
    after = newest(place.tables.get("orders"))
    assert (after.number, after.digest, after.rows) == (version.number, version.digest, version.rows)
    assert after.at == pytest.approx(version.at, abs=0.001)
    assert place.read() == before
    assert place.numbers() == list(range(1, expire.MANY + 3))
    assert expire.outdated(place.tables, 0.0, 99, ()).compact == ()
    old = expire.places(place.tables)
    assert expire.expire(place.tables, []) == []
    assert place.numbers() == list(range(1, expire.MANY + 3))
    assert expire.places(place.tables) == old
    fill(opened(), 1, first=90)
    assert newest(place.tables.get("orders")).number == version.number + 1


def test_joining_keeps_partitions(place):
    for number in range(expire.MANY):
        place.publish(
            f"SELECT {number} AS id, {number % 2} AS part", mode="append", task=f"a{number}", partition=("part",)
        )
        place.publish(f"SELECT {number} AS id, 0 AS part", mode="append", task=f"b{number}")
    expire.compact(place.tables, ["orders"])
    place.publish("SELECT 99 AS id, 0 AS part", mode="partition", task="c")
    assert place.read() == [*((number, 1) for number in range(1, expire.MANY, 2)), (99, 0)]


def test_only_what_is_old_and_not_needed_expires(place):
    fill(place, 5)
    now = {version.number for version in expire.outdated(place.tables, 0.0, 2, {("orders", 2)}).versions}
    assert now == {1, 3}
    assert expire.outdated(place.tables, 3600.0, 0, ()).versions == ()
    gone = expire.outdated(place.tables, 0.0, 2, {("orders", 2)}).versions
    assert [version.number for version in place.tables.expire(gone)] == [1, 3]
    assert place.numbers() == [2, 4, 5]
    assert place.read(number=2) == [(0,), (1,)]
    table = place.tables.get("orders")
    with pytest.raises(NotFoundError, match="the version of then has expired"):
        find(table, as_of=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(versions(table)[0].at - 1)))


def test_the_newest_version_never_expires(place):
    fill(place, 3)
    place.tables.expire(versions(place.tables.get("orders")))
    assert place.numbers() == [3]
    fill(place, 1)
    assert place.numbers() == [3, 4]


def test_metadata_of_a_dead_writer_is_swept(place, monkeypatch, tmp_path):
    fill(place, 2)
    _passes.clear()
    monkeypatch.setenv("FIRNFLOW_CRASH", "table.staged:raise")
    with pytest.raises(InjectedCrash):
        place.publish("SELECT 9 AS id", mode="append", task="dies")
    monkeypatch.delenv("FIRNFLOW_CRASH")
    assert place.numbers() == [1, 2]
    folder = next((tmp_path / "artifacts" / "tables").iterdir()) / "metadata"
    before = set(folder.iterdir())
    assert expire.sweep(place.tables, 3600.0) == 0
    for path in before:
        os.utime(path, (time.time() - 7200,) * 2)
    assert expire.sweep(place.tables, 3600.0) == 3  # a manifest, a list of them, metadata
    assert len(before - set(folder.iterdir())) == 3
    assert place.read() == [(0,), (1,)]


def test_restoring_beside_a_writer(place, opened, monkeypatch):
    fill(place, 2)
    get = place.tables.get

    def late(name):
        found = get(name)
        fill(opened(), 1, first=90)
        monkeypatch.setattr(place.tables, "get", get)
        return found

    monkeypatch.setattr(place.tables, "get", late)
    with pytest.raises(TableConflictError, match="nothing was changed"):
        restore.restore(place.tables, "orders", 1, "me")
    assert place.numbers() == [1, 2, 3]
    assert restore.restore(place.tables, "orders", 1, "me").number == 4
    assert place.read() == [(0,)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["snowflake"])
def test_what_others_have_in_the_schema_is_theirs(place, kind):
    run = place.stores.warehouse.run
    fill(place, 2)
    assert run("SELECT COUNT(*) FROM orders") == [(2,)]  # the view
    run("CREATE TABLE FIRNFLOW_V$ORDERS$9 (id INT) COMMENT = 'mine'")
    run("CREATE TABLE taken (id INT)")
    staged = f"FIRNFLOW_STAGED${place.tables.state.identity()[:12].upper()}_DEAD"
    run(f"CREATE TABLE {staged} (id INT)")
    run("CREATE TABLE FIRNFLOW_STAGED$FFFFFFFFFFFF_OTHER (id INT)")
    fill(place, 1, first=5)
    assert place.numbers() == [1, 2, 3]
    assert place.tables.names() == ["orders"]
    with pytest.raises(UsageError, match=r"there is the table .*TAKEN.*Mend: publish under another name"):
        place.publish("SELECT 1 AS id", table="taken")
    with pytest.raises(UsageError, match="'orders', which differs in capital letters only"):
        place.publish("SELECT 1 AS id", table="Orders")
    assert place.tables.sweep(3600.0) == 0
    assert place.tables.sweep(-60.0) == 1
    left = {row["name"] for row in place.stores.warehouse.show("TABLES", "")}
    assert {"TAKEN", "FIRNFLOW_V$ORDERS$9", "FIRNFLOW_STAGED$FFFFFFFFFFFF_OTHER"} <= left
    assert staged not in left
    other = place.tables.get("orders").kept[0]
    assert place.tables.expire([other.version]) == [other.version]
    run(f"COMMENT ON TABLE {place.tables.get('orders').kept[0].place.sql} IS 'changed by hand'")
    assert place.numbers() == [3]
