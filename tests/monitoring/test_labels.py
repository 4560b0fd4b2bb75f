"""Labels: what may be said of which days, that nothing contradicts, and what a detector is judged by."""

from __future__ import annotations

import datetime as dt
import threading

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg")

from firnflow import values
from firnflow.errors import DataError, NotFoundError, UsageError
from firnflow.monitoring.labels import Labels, answers, history_of, labels_of, no_labels
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.state import State
from firnflow.stores.tables.catalog import Tables
from firnflow.stores.tables.publish import Wish, publish
from firnflow.stores.tables.versions import versions
from firnflow.stores.warehouse import DuckDBWarehouse

FIRST = dt.date(2026, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


class Place:
    """An environment in a folder, opened as one process would."""

    def __init__(self, folder):
        self.state = State(f"sqlite:///{folder / 'state.db'}")
        artifacts = ArtifactStore(str(folder / "artifacts"), folder / "cache")
        self.stores = Stores(artifacts, DuckDBWarehouse(None, None, artifacts.folder / "tmp"))
        self.tables = Tables(self.state, self.stores)

    def put(self, name, table, mode="replace", **wish):
        publish(self.tables, values.save(table, pa.Table, self.stores), Wish(name, mode, **wish))

    def close(self):
        self.tables.close()
        self.stores.close()
        self.state.close()


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    days = [day(n) for n in range(60)]
    found.put("usage", pa.table({"category": ["a"] * 60 + ["b"] * 30, "day": days + days[:30], "usage": [1.0] * 90}))
    yield found
    found.close()


@pytest.fixture
def labels(place):
    return Labels(place.tables, "usage")


def say(labels, first, last=None, category="a", anomaly=True, **more):
    return labels.add(
        day(first), day(first if last is None else last), anomaly=anomaly, by="me", category=category, **more
    )


def test_an_answer_is_kept_with_who_and_when_and_each_is_a_version(labels, place):
    assert labels.read() == ((), 0)
    label, new = say(labels, 5, 7, note="a loop that did not end: $ <b>'x'</b>")
    assert new
    say(labels, 9, anomaly=False)
    assert [(each.first, each.last, each.anomaly) for each in labels.current()] == [
        (day(5), day(7), True),
        (day(9), day(9), False),
    ]
    assert labels.current()[0] == label
    assert abs(label.at - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < dt.timedelta(minutes=1)
    assert [version.mode for version in versions(place.tables.get("usage_labels"))] == ["append", "append"]


def test_what_is_taken_back_does_not_count_and_stays_written_down(labels):
    label, _ = say(labels, 5)
    gone = labels.remove(label.id[:4], by="you", note="it was the month's end")
    assert labels.current() == ()
    history, _ = labels.read()
    assert [(each.removed, each.by, each.note) for each in history] == [
        (False, "me", ""),
        (True, "you", "it was the month's end"),
    ]
    assert (gone.id, gone.first) == (label.id, label.first)
    with pytest.raises(NotFoundError, match="has no label"):
        labels.remove(label.id, by="you")
    assert say(labels, 5, anomaly=False)[1]


def test_the_same_answer_is_given_once_and_what_contradicts_it_is_refused(labels):
    label, _ = say(labels, 5, 7)
    assert say(labels, 5, 7) == (label, False)
    for first, last, anomaly in ((5, 7, False), (7, 9, True), (1, 30, True), (6, 6, False)):
        with pytest.raises(UsageError, match=f"labelled already. {label.id}.*firnflow label remove usage {label.id}"):
            say(labels, first, last, anomaly=anomaly)
    assert say(labels, 8)[1]
    assert say(labels, 5, 7, category="b", anomaly=False)[1]


WRONG = [
    (7, 5, "a", "end before they begin"),
    (5, 60, "a", "only what was seen"),
    (-1, 5, "a", "only what was seen"),
    (29, 30, "b", "whose days of b are 2026-01-01 to 2026-01-30"),
    (10_000, 10_001, "a", "only what was seen"),
    (5, 5, "A", "no category 'A'. Did you mean 'a'?"),
    (5, 5, "'; DROP TABLE usage --", "no category"),
    (5, 5, None, "Which category of usage\\? Known: a, b"),
]


def test_only_what_was_seen_can_be_labelled(labels):
    for first, last, category, message in WRONG:
        with pytest.raises(UsageError, match=message):
            say(labels, first, last, category)
    assert labels.read() == ((), 0)


def test_notes_and_names_are_on_one_line(labels):
    for more in ({"note": "x\ny"}, {"note": "x" * 1001}, {"note": "\x1b[31m"}):
        with pytest.raises(UsageError, match="is no note"):
            say(labels, 5, **more)
    with pytest.raises(UsageError, match="Who says so"):
        labels.add(day(5), day(5), anomaly=True, by=" ", category="a")


def test_a_series_has_one_column_of_days(place):
    place.put("hourly", pa.table({"at": [dt.datetime(2026, 1, 1, 5), dt.datetime(2026, 1, 3, 7)], "x": [1, 2]}))  # noqa: DTZ001
    label, _ = Labels(place.tables, "hourly").add(day(2), day(2), anomaly=True, by="me")
    assert label.category == ""
    place.put("none", pa.table({"x": [1]}))
    place.put("two", pa.table({"a": [day(1)], "b": [day(1)]}))
    place.put("empty", pa.table({"day": pa.array([], pa.date32())}))
    for name, message in (("none", "has 0 columns of dates"), ("two", "has 2 columns"), ("empty", "no day yet")):
        with pytest.raises(UsageError, match=message):
            Labels(place.tables, name).add(day(1), day(1), anomaly=True, by="me")
    with pytest.raises(NotFoundError, match="Did you mean 'usage'"):
        Labels(place.tables, "usgae")
    with pytest.raises(UsageError, match="has the labels of usage"):
        Labels(place.tables, "usage_labels")


def test_a_pipeline_makes_the_table_and_does_not_undo_what_was_said(labels, place):
    wish = {"run": "1", "task": "publish_usage_labels", "pipeline": "watch"}
    place.put("usage_labels", no_labels(), "append", **wish)
    assert labels.read() == ((), 1)
    say(labels, 5)
    place.put("usage_labels", no_labels(), "append", **{**wish, "run": "2"})
    assert len(labels.current()) == 1
    assert len(versions(place.tables.get("usage_labels"))) == 2


def test_an_answer_is_held_against_what_came_while_it_was_given(labels, place, monkeypatch):
    read, first = labels.read, []

    def slow():
        found = read()
        if not first:
            first.append(say(Labels(place.tables, "usage"), 5, 7))
        return found

    monkeypatch.setattr(labels, "read", slow)
    with pytest.raises(UsageError, match="labelled already"):
        say(labels, 6, anomaly=False)
    assert say(labels, 9)[1]
    assert len(labels.current()) == 2


def test_two_at_once_never_contradict_each_other(place, tmp_path):
    wins, refused = [], []

    def one(number):
        mine = Place(tmp_path)
        try:
            for first in range(4):
                try:
                    wins.append(say(Labels(mine.tables, "usage"), first, first + 1, anomaly=number == 0))
                except UsageError as error:
                    refused.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Labels(place.tables, "usage").current()
    assert len(wins) + len(refused) == 8
    assert [each for each in found for other in found if each.id < other.id and each.overlaps(other)] == []
    assert len(found) == sum(new for _, new in wins) >= 2


def test_labels_are_what_detectors_are_judged_by(labels, place):
    say(labels, 5, 7)
    say(labels, 9, anomaly=False)
    gone, _ = say(labels, 20, category="b")
    labels.remove(gone.id, by="me")
    rows = labels._rows("usage_labels")[0].to_pyarrow()
    assert len(history_of(rows)) == 4
    found = answers(labels_of(rows), "a")
    assert [(each.first, each.last) for each in found.windows] == [(day(5), day(7))]
    assert [(each.first, each.last) for each in found.normal] == [(day(9), day(9))]
    assert answers(labels_of(rows), "b") == ((), ())
    with pytest.raises(UsageError, match=r"no table of labels: it has no column .*category"):
        labels_of(pa.table({"id": ["x"]}))
    with pytest.raises(DataError, match="no label: note"):
        labels_of(pa.Table.from_pylist([{**rows.to_pylist()[0], "note": None}], rows.schema))
