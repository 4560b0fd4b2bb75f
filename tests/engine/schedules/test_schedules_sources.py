"""What new and changed files of sources start, on a clock that is set by hand; and how sources are watched."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from firnflow import _crash
from firnflow._crash import InjectedCrash
from firnflow.engine.schedules.updates import MOST, SourceNews
from firnflow.engine.schedules.watch import QUIET, SourceWatch
from firnflow.graph.model import OnUpdate
from firnflow.graph.partitions import ByKey, Daily

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = 86_400.0


class Feeds:
    """Sources whose files the test names: source → key → content; "" as the key: one without partitions."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str] | None] = {}
        self.touched, self.place = 0, "here"

    def news(self, wanted: Any, known: Any) -> dict[tuple[str, str], SourceNews]:
        del known
        found = {}
        for name, kind in wanted:
            files = self.files.get(name, {})
            if files is not None:
                marks = {key: f"listing{self.touched}.{content}" for key, content in files.items()}
                found[name, kind] = SourceNews("" not in files and bool(kind), marks, len(files), self.place)
        return found


@pytest.fixture
def feeds(world, monkeypatch):
    """Sources of the world's pipelines."""
    made = Feeds()
    begin = world.up

    def up(most: int = 10):
        found = begin(most)
        found._looks._sources = made
        return found

    monkeypatch.setattr(world, "up", up)
    world.partitions = {"etl": Daily("2026-01-01")}
    return made


def ran(world) -> list[str | None]:
    """Return the partitions that were run since this was asked last, in order."""
    runs, world.started[:] = [world.state.run(run) for run, _ in world.started], []
    return [run.partition for run in runs]


def go(world, up) -> list[str | None]:
    for _ in range(3):
        world.now += 5
        world.pass_by(up, 5, step=1)
    return ran(world)


def test_each_partition_whose_file_is_new_or_changed_runs_once(world, feeds):
    feeds.files["orders"] = {"2026-01-01": "a"}
    world.schedules = {"etl": OnUpdate(source="orders")}
    up = world.up()
    assert go(world, up) == []  # what is there when a schedule is seen first brings nothing
    assert "etl  waits for files of source orders; 1 file is there already, and brings nothing" in world.said
    feeds.files["orders"] |= {"2026-01-03": "c", "2026-01-02": "b"}
    assert go(world, up) == ["2026-01-02", "2026-01-03"]
    feeds.files["orders"] |= {"2026-01-02": "b again"}
    assert go(world, up) == ["2026-01-02"]
    feeds.touched += 1  # the same content in other files
    assert go(world, world.up()) == []
    del feeds.files["orders"]["2026-01-03"]
    assert go(world, up) == []
    feeds.files["orders"] |= {"2026-01-03": "c"}
    assert go(world, up) == []
    feeds.files["orders"] |= {"2026-01-03": "d"}
    assert go(world, world.up()) == ["2026-01-03"]


def test_what_is_no_partition_or_has_not_begun_waits(world, feeds):
    feeds.files["orders"] = {}
    world.schedules = {"etl": OnUpdate(source="orders")}
    up = world.up()
    go(world, up)
    feeds.files["orders"] = {"2025-12-31": "x", "x.y": "x", "2026-02-30": "x", "2026-05-30": "x"}
    assert go(world, up) == []
    said = (
        "etl  files for no partition of now are left alone: 2025-12-31, 2026-02-30, 2026-05-30, … (1 more). 2025-12-31"
    )
    assert sum(line.startswith(said) for line in world.said) == 1
    world.now += 2 * DAY
    assert go(world, up) == ["2026-05-30"]


def test_with_and_both_files_of_a_day_must_be_news_and_with_or_one(world, feeds):
    feeds.files |= {"orders": {}, "trials": {}}
    world.schedules = {
        "etl": OnUpdate(source="orders") & OnUpdate(source="trials"),
        "any": OnUpdate(source="orders") | OnUpdate("prices"),
    }
    world.partitions["any"] = Daily("2026-01-01")
    up = world.up()
    go(world, up)
    feeds.files["orders"] = {"2026-01-01": "a", "2026-01-02": "a"}
    assert go(world, up) == ["2026-01-01", "2026-01-02"]  # of `any`
    feeds.files["trials"] = {"2026-01-02": "b"}
    assert go(world, up) == ["2026-01-02"]  # of `etl`
    feeds.files["trials"] |= {"2026-01-01": "b"}
    assert go(world, up) == ["2026-01-01"]
    world.versions["prices"] = 1
    assert go(world, up) == ["2026-05-27"]  # for a table, the newest day that is over


def test_a_table_and_files_together(world, feeds):
    feeds.files["orders"] = {}
    world.schedules = {"etl": OnUpdate("prices") & OnUpdate(source="orders")}
    up = world.up()
    go(world, up)
    days = [f"2026-{1 + number // 28:02}-{1 + number % 28:02}" for number in range(12)]
    feeds.files["orders"] = dict.fromkeys(days, "a")
    assert go(world, up) == []
    world.versions["prices"] = 1
    assert sorted(go(world, up)) == days
    feeds.files["orders"] = dict.fromkeys(days, "b")
    assert go(world, up) == []


def test_more_partitions_than_are_written_down_at_once(world, feeds):
    feeds.files["orders"] = {}
    world.partitions = {"etl": ByKey()}
    world.schedules = {"etl": OnUpdate("prices") & OnUpdate(source="orders")}
    up = world.up()
    go(world, up)
    feeds.files["orders"] = {f"k{number:04}": "a" for number in range(MOST + 20)}
    world.versions["prices"] = 1
    for _ in range(4):
        world.now += 1
        up.round()
    assert len(world.ledger.open()) == MOST + 20
    assert len({each.partition for each in world.ledger.open()}) == MOST + 20


def test_a_source_without_partitions(world, feeds):
    feeds.files["orders"] = {"": "a"}
    world.schedules = {"plain": OnUpdate(source="orders"), "etl": OnUpdate(source="orders")}
    up = world.up()
    assert go(world, up) == []
    feeds.files["orders"] = {"": "b"}
    assert set(go(world, up)) == {None, "2026-05-27"}
    feeds.files["orders"] = {}  # it is being written: nothing is known of it
    assert go(world, up) == []
    feeds.files["orders"] = {"": "b"}
    assert go(world, up) == []


def test_a_source_that_is_away_holds_up_nothing_else(world, feeds):
    feeds.files |= {"orders": {"": "a"}, "away": None}
    world.schedules = {"plain": OnUpdate(source="orders") | OnUpdate(source="away"), "other": OnUpdate(source="orders")}
    up = world.up()
    assert go(world, up) == []
    feeds.files["orders"] = {"": "b"}
    assert go(world, up) == [None]  # `plain` has not begun to count
    feeds.files["away"] = {"": "x"}
    assert go(world, up) == []
    feeds.files["away"] = None
    feeds.files["orders"] = {"": "c"}
    assert go(world, up) == [None, None]
    feeds.files["away"] = {"": "y"}
    assert go(world, up) == [None]


def test_a_source_that_moves_begins_anew(world, feeds):
    feeds.files["orders"] = {"2026-01-01": "a"}
    world.schedules = {"etl": OnUpdate(source="orders")}
    go(world, world.up())
    feeds.place, feeds.files["orders"] = "there", {"2026-01-01": "tag", "2026-01-02": "tag"}
    up = world.up()
    assert go(world, up) == []
    assert world.said[-1].endswith("2 files are there already, and bring nothing")
    feeds.files["orders"] |= {"2026-01-02": "another"}
    assert go(world, up) == ["2026-01-02"]
    world.partitions = {}
    feeds.files["orders"] = {"": "all"}
    assert go(world, up) == []
    feeds.files["orders"] = {"": "all of them"}
    assert go(world, up) == [None]


def test_a_pause_loses_no_file(world, feeds):
    feeds.files["orders"] = {}
    world.schedules = {"etl": OnUpdate(source="orders")}
    up = world.up()
    go(world, up)
    world.ledger.pause("etl", world.now, "zoe")
    feeds.files["orders"] = {"2026-01-01": "a"}
    assert go(world, up) == []
    world.ledger.unpause("etl", world.now)
    assert go(world, up) == ["2026-01-01"]


@pytest.mark.slow
def test_wherever_it_is_killed_each_content_runs_once(world, feeds, monkeypatch):
    """Die at random crash points while files come and change for a month, 20 times."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    feeds.files["orders"] = {}
    world.schedules = {"etl": OnUpdate(source="orders")}
    up = world.up()
    go(world, up)
    points = [point for point in sorted(_crash.POINTS) if point.startswith("schedule.")]
    contents: list[str] = []
    deaths, days = 0, iter(f"2026-{month:02}-{day:02}" for month in (3, 4) for day in range(1, 31))
    while len(contents) < 60 or world.ledger.open():
        if deaths < 20 and chance.random() < 0.4:
            _crash._passes.clear()
            monkeypatch.setenv("FIRNFLOW_CRASH", f"{chance.choice(points)}:raise@{chance.randint(1, 2)}")
        for _ in range(chance.randint(0, 3) if len(contents) < 60 else 0):
            key = next(days) if chance.random() < 0.6 or not contents else chance.choice(contents)
            feeds.files["orders"][key] = f"content{len(contents)}"
            contents.append(key)
            world.now += 1
            break
        world.now += 1
        try:
            up.round()
        except InjectedCrash:
            deaths += 1
            monkeypatch.delenv("FIRNFLOW_CRASH")
            up = world.up()
        for run in world.state.runs(status="running"):
            if chance.random() < 0.7:
                world.end(run.id)
    assert deaths == 20
    settled = [each.partition for each in world.ledger._where(world.settled)]
    assert sorted(settled) == sorted(contents)
    assert len({each.run for each in world.ledger._where(world.settled)}) == len(contents)


# -- watching ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return a function that lets seconds pass, looks, and returns the marks of the source `orders`."""
    said: list[str] = []
    clock = [0.0]
    watching = SourceWatch(tmp_path, said.append, lambda: clock[0], background=False)

    def look(seconds: float = 1.0, kind: str = "daily", known: tuple[str, ...] = ()) -> dict[str, str]:
        clock[0] += seconds
        found = watching.news([("orders", kind)], known).get(("orders", kind))
        return dict(found.marks) if found is not None else {"nothing": "yet"}

    look.said = said
    return look


def declare(folder: Path, text: str) -> None:
    (folder / "catalog.toml").write_text(f"[orders]\n{text}\n")


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_a_file_counts_when_it_has_been_quiet(watch, tmp_path):
    declare(tmp_path, 'path = "in/orders_{partition}*.csv"')
    write(tmp_path, "in/orders_2026-01-01.csv", "a")
    assert watch() == {"nothing": "yet"}
    assert watch(QUIET).keys() == {"2026-01-01"}
    for text in ("a", "ab", "abc"):  # somebody is writing
        write(tmp_path, "in/orders_2026-01-02_b.csv", text)
        assert watch().keys() == {"2026-01-01"}
    assert watch(QUIET - 0.1).keys() == {"2026-01-01"}
    before = watch(1)
    assert before.keys() == {"2026-01-01", "2026-01-02"}
    write(tmp_path, "in/orders_2026-01-02_a.csv", "more")  # a day is quiet when all of its files are
    assert watch().keys() == {"2026-01-01"}
    after = watch(QUIET)
    assert after["2026-01-01"] == before["2026-01-01"]
    assert after["2026-01-02"].split(".")[1] != before["2026-01-02"].split(".")[1]
    for name in ("in/orders_2026-1-3.csv", "in/orders_.csv", "in/.orders_2026-01-03.csv", "orders_2026-01-03.csv"):
        write(tmp_path, name, "no partition")
    assert watch(10) == watch(10) == after
    (said,) = watch.said
    assert said.startswith("source orders: for no partition, such as 2026-01-05, and left alone: in/orders_")
    assert "2026-1-3.csv" in said


def test_a_file_that_is_only_touched_holds_the_same(watch, tmp_path):
    declare(tmp_path, 'path = "orders.csv"')
    write(tmp_path, "orders.csv", "a")
    watch()
    before = watch(QUIET)[""]
    os.utime(tmp_path / "orders.csv", (0, 0))
    watch()
    after = watch(QUIET)[""]
    assert after != before
    assert after.split(".")[1] == before.split(".")[1]


def test_what_was_seen_before_a_restart_is_not_read_again(watch, tmp_path, monkeypatch):
    declare(tmp_path, 'path = "orders.csv"')
    write(tmp_path, "orders.csv", "a")
    watch()
    mark = watch(QUIET)[""]
    monkeypatch.setattr("firnflow.stores.sources.locate.digest_of_files", lambda _files: pytest.fail("read again"))
    again, clock = SourceWatch(tmp_path, print, lambda: clock[0], background=False), [0.0]
    again.news([("orders", "")], [mark])
    clock[0] += QUIET
    assert again.news([("orders", "")], [mark])["orders", ""].marks == {"": mark}


def test_trouble_is_said_once_and_tried_more_and_more_seldom(watch, tmp_path, monkeypatch):
    from firnflow.errors import StoreError
    from firnflow.stores.sources import locate

    declare(tmp_path, 'path = "orders.csv"')
    write(tmp_path, "orders.csv", "a")
    watch()
    before = watch(QUIET)
    looks = []

    def away(*_: Any) -> Any:
        looks.append(1)
        raise StoreError("the disk is away. Mend: bring it back")

    with monkeypatch.context() as patched:
        patched.setattr(locate, "listed", away)
        for _ in range(300):
            assert watch() == before
    assert 8 <= len(looks) <= 12
    assert watch.said == ["source orders cannot be looked at: the disk is away. Mend: bring it back"]
    assert watch(60) == before
    assert watch.said[1:] == ["source orders can be looked at again"]


@pytest.mark.parametrize(
    ("catalog", "said"),
    [
        ('[orderz]\npath = "x.csv"', "it is not in catalog.toml. Did you mean 'orderz'? Mend: add [orders]"),
        ('[orders]\npath = "in"', "is a folder. Mend: name its files with a pattern"),
        ("[orders]\npth = 1", "pth"),
        ('[orders]\nquery = "SELECT 1"\nconnection = "env:HOME"', "Mend: `version` beside it in catalog.toml"),
        ('[orders]\nquery = "SELECT 1"\nconnection = "env:HOME"\nversion = "SELECT 1"', "is no URL of a PostgreSQL"),
    ],
)
def test_what_cannot_be_watched(watch, tmp_path, catalog, said):
    (tmp_path / "in").mkdir()
    (tmp_path / "catalog.toml").write_text(catalog)
    assert watch() == watch(QUIET) == {"nothing": "yet"}
    (line,) = watch.said
    assert line.startswith("source orders cannot be looked at: ")
    assert said in line
    declare(tmp_path, 'path = "x.csv"')
    watch(60)
    assert watch(60) == {}  # there is no file yet
    assert watch.said[1:] == ["source orders can be looked at again"]


@pytest.mark.server
def test_objects_are_watched_by_their_tags(watch, tmp_path, s3_url):
    import fsspec

    s3 = fsspec.filesystem("s3")
    declare(tmp_path, f'url = "{s3_url}/{{partition}}/Grüße {{partition}}.csv"')
    assert watch() == {}
    s3.pipe_file(f"{s3_url}/2026-W01/Grüße 2026-W01.csv", b"a")
    s3.pipe_file(f"{s3_url}/2026-W01/Grüße 2026-W02.csv", b"a")  # two partitions in one name: none
    before = watch(60, "weekly")
    assert before.keys() == {"2026-W01"}
    s3.pipe_file(f"{s3_url}/2026-W01/Grüße 2026-W01.csv", b"a")
    assert watch(60, "weekly") == before
    s3.pipe_file(f"{s3_url}/2026-W01/Grüße 2026-W01.csv", b"b")
    assert watch(60, "weekly").keys() == {"2026-W01"} != before
    assert watch(60, "weekly") != before
