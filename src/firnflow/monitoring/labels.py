"""Labels: what people say of days of a series: that something had happened, or that nothing had.

A series is a named table with one column of dates or times, and perhaps a column `category`. Its labels are the rows
of another one, `NAME_labels`. Rows are only added; that a label does not count any more is a row too. So the table
tells who has said what and when, each answer is a version of it, and a pipeline reads it like any other.

Windows of a category never overlap: an answer that contradicts one that is there is refused, also where both are given
at once.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from pydantic import ValidationError

from firnflow._text import listing, nearest
from firnflow.errors import DataError, NotFoundError, TableConflictError, UsageError
from firnflow.graph.task import task
from firnflow.models.section import Section
from firnflow.monitoring.anomalies.evaluation import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import ibis

    from firnflow.stores.tables.base import TablesLike

SUFFIX = "_labels"
CATEGORY = "category"
"""The column of a series that tells categories apart."""
_TYPES: dict[str, pa.DataType] = {
    "id": pa.string(),
    "category": pa.string(),
    "first": pa.date32(),
    "last": pa.date32(),
    "anomaly": pa.bool_(),
    "note": pa.string(),
    "by": pa.string(),
    "at": pa.timestamp("us"),  # UTC
    "removed": pa.bool_(),
}
SCHEMA = pa.schema(_TYPES)
_LONGEST = 1000
_TRIES = 50


class Label(Section):
    """An answer, or that one does not count any more.

    Attributes:
        id: what tells it from all others.
        category: of the series; empty where it has none.
        first, last: the days, both belong to it.
        anomaly: whether something had happened.
        note: what, or why not.
        by: who says so.
        at: when, in UTC.
        removed: whether this takes the answer back; `note` and `by` say why and who.
    """

    id: str
    category: str
    first: dt.date
    last: dt.date
    anomaly: bool
    note: str
    by: str
    at: dt.datetime
    removed: bool = False

    def __str__(self) -> str:
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        of = f" of {self.category}" if self.category else ""
        return f"{self.id}: {days}{of}: {'yes' if self.anomaly else 'no'}, by {self.by}"

    def overlaps(self, other: Label) -> bool:
        """Return whether both are about a day of the same category."""
        return self.category == other.category and self.first <= other.last and other.first <= self.last


class Answers(NamedTuple):
    """The labels of one category, as `evaluate` and `compare` take them: when something had happened, and when not."""

    windows: tuple[Window, ...]
    normal: tuple[Window, ...]


@task
def no_labels() -> pa.Table:
    """Return the rows of labels that nobody has given: published, they make the table that `firnflow label` adds to."""
    return SCHEMA.empty_table()


def labels_of(rows: pa.Table) -> tuple[Label, ...]:
    """Return the labels that count, from the rows of a table of labels, in the order of their days.

    Raises:
        UsageError: the table is none of labels.
        DataError: a row is no label.
    """
    history = history_of(rows)
    gone = {label.id for label in history if label.removed}
    found = (label for label in history if label.id not in gone)
    return tuple(sorted(found, key=lambda label: (label.category, label.first, label.id)))


def history_of(rows: pa.Table) -> tuple[Label, ...]:
    """Return all that was ever said, the newest last.

    Raises:
        UsageError: the table is none of labels.
        DataError: a row is no label.
    """
    missing = [name for name in SCHEMA.names if name not in rows.column_names]
    if missing:
        raise UsageError(
            f"This is no table of labels: it has no column {listing(missing)}. "
            f"Mend: no_labels().publish('NAME{SUFFIX}', mode='append')"
        )
    try:
        found = [Label.model_validate(row) for row in rows.select(SCHEMA.names).to_pylist()]
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"A row of a table of labels is no label: {first['loc'][0]}: {first['msg']}") from error
    return tuple(sorted(found, key=lambda label: (label.at, label.removed, label.id)))


def answers(labels: Iterable[Label], category: str = "") -> Answers:
    """Return the labels of a category."""
    mine = [label for label in labels if label.category == category]
    both = (
        [Window(first=each.first, last=each.last) for each in mine if each.anomaly is kind] for kind in (True, False)
    )
    return Answers(*map(tuple, both))


class Labels:
    """The labels of a series among the named tables of an environment.

    Args:
        tables: of the environment.
        series: the name of the series.

    Raises:
        NotFoundError: there is no such table.
        UsageError: it is itself one of labels.
    """

    def __init__(self, tables: TablesLike, series: str) -> None:
        if series.endswith(SUFFIX):
            raise UsageError(f"{series} has the labels of {series.removesuffix(SUFFIX)}. Name that one")
        self._tables, self.series, self.name = tables, series, series + SUFFIX
        tables.get(series)

    def read(self) -> tuple[tuple[Label, ...], int]:
        """Return all that was ever said, the newest last, and the version that has it; 0: there is none."""
        table = self._tables.find(self.name)
        if table is None:
            return (), 0
        rows, version = self._rows(self.name)
        return history_of(rows.to_pyarrow()), version

    def current(self) -> tuple[Label, ...]:
        """Return the labels that count."""
        history, _ = self.read()
        gone = {label.id for label in history if label.removed}
        return tuple(label for label in history if label.id not in gone)

    def add(
        self, first: dt.date, last: dt.date, *, anomaly: bool, by: str, category: str | None = None, note: str = ""
    ) -> tuple[Label, bool]:
        """Say something of days of the series; return the label, and whether it is new.

        The same answer about the same days is given once.

        Args:
            first: the first day.
            last: the last one.
            anomaly: whether something had happened.
            by: who says so.
            category: of the series; needed where it has several.
            note: what had happened, or why it is none.

        Raises:
            UsageError: days or category are not in the series, or an answer is there that this one contradicts.
            TableConflictError: others have written all the time.
        """
        if last < first:
            raise UsageError(f"The days end before they begin: {first} to {last}. Mend: swap the two")
        wish = Label(
            id=uuid.uuid4().hex[:8],
            category=self._category(category, first, last),
            first=first,
            last=last,
            anomaly=anomaly,
            note=_said("note", note),
            by=_said("name", by),
            at=_now(),
        )

        def look(there: tuple[Label, ...]) -> Label:
            same = [label for label in there if label.overlaps(wish)]
            for label in same:
                if (label.first, label.last, label.anomaly) == (first, last, anomaly):
                    return label
            if same:
                raise UsageError(
                    f"These days are labelled already. {same[0]}. "
                    f"Mend: firnflow label remove {self.series} {same[0].id}, and add again"
                )
            return wish

        return self._write(look)

    def remove(self, id_: str, *, by: str, note: str = "") -> Label:
        """Take an answer back; that it was given stays written down.

        Args:
            id_: of the label, or how it begins.
            by: who takes it back.
            note: why.

        Raises:
            NotFoundError: there is no such label, or it was taken back.
            TableConflictError: others have written all the time.
        """
        changes = {"by": _said("name", by), "note": _said("note", note), "at": _now(), "removed": True}

        def look(there: tuple[Label, ...]) -> Label:
            found = [label for label in there if id_ and label.id.startswith(id_)]
            if len(found) == 1:
                return found[0].model_copy(update=changes)
            known = listing(label.id for label in (found or there))
            said = f"{len(found)} labels begin with {id_!r}" if found else f"{self.series} has no label {id_!r:.60}"
            raise NotFoundError(f"{said}. Known: {known}. See: firnflow label list {self.series}")

        return self._write(look)[0]

    def _write(self, look: Callable[[tuple[Label, ...]], Label]) -> tuple[Label, bool]:
        """Add the row that `look` makes of the labels that count, as long as they are what it has seen."""
        from firnflow import values
        from firnflow.stores.tables.publish import Wish, publish

        for _ in range(_TRIES):
            history, version = self.read()
            gone = {label.id for label in history if label.removed}
            row = look(tuple(label for label in history if label.id not in gone))
            if row in history:
                return row, False
            ref = values.save(pa.Table.from_pylist([row.model_dump()], SCHEMA), pa.Table, self._tables.stores)
            try:
                publish(self._tables, ref, Wish(self.name, "append", by=row.by, base=version))
            except TableConflictError:
                continue  # somebody else has said something: it may be about the same days
            return row, True
        raise TableConflictError(f"Others have labelled {self.series} all the time; nothing was added. Mend: try again")

    def _category(self, category: str | None, first: dt.date, last: dt.date) -> str:
        """Return the category that is meant. Raises UsageError where the series has none such, or not these days."""
        spans = self.spans()
        if category is None and len(spans) == 1:
            category = next(iter(spans))
        if category is None:
            raise UsageError(f"Which category of {self.series}? Known: {listing(spans, 40)}. Write --category NAME")
        if category not in spans:
            raise UsageError(
                f"{self.series} has no category {category!r:.100}.{nearest(category, spans)} "
                f"Known: {listing(spans, 40)}"
            )
        begins, ends = spans[category]
        if first < begins or last > ends:
            of = f" of {category}" if category else ""
            raise UsageError(
                f"The days {first} to {last} are not in {self.series}, whose days{of} are {begins} to {ends}: "
                "only what was seen can be labelled"
            )
        return category

    def spans(self) -> Mapping[str, tuple[dt.date, dt.date]]:
        """Return the categories of the series, each with its first and last day; without such a column one, `""`.

        Raises:
            UsageError: the table is no series: it has no column of dates or times, or several, or no row.
        """
        import ibis

        rows, _ = self._rows(self.series)
        time = rows[self._time(rows)]
        category = rows[CATEGORY].cast("string") if CATEGORY in rows.columns else ibis.literal("")
        named = rows.select(category=category, day=time.date() if time.type().is_timestamp() else time)
        found = named.group_by("category").agg(first=named.day.min(), last=named.day.max()).to_pyarrow().to_pylist()
        spans = {row["category"]: (row["first"], row["last"]) for row in found if None not in row.values()}
        if not spans:
            raise UsageError(f"{self.series} has no day yet: there is nothing to label")
        return spans

    def _time(self, rows: ibis.Table) -> str:
        kinds = rows.schema()
        found = [name for name in rows.columns if kinds[name].is_date() or kinds[name].is_timestamp()]
        if len(found) != 1:
            has = ", ".join(f"{name} ({kinds[name]})" for name in rows.columns)
            raise UsageError(
                f"{self.series} is no series: it has {len(found)} columns of dates or times, not one. It has: {has}"
            )
        return str(found[0])

    def _rows(self, name: str) -> tuple[Any, int]:
        import ibis

        from firnflow import values
        from firnflow.stores.tables.read import ref_of
        from firnflow.stores.tables.versions import newest

        table = self._tables.get(name)
        version = newest(table)
        return values.load(ref_of(table, version), ibis.Table, self._tables.stores), version.number


def _said(what: str, text: str) -> str:
    """Return a text of people on one line. Raises UsageError."""
    if len(text) > _LONGEST or not text.isprintable():
        raise UsageError(f"{text!r:.60} is no {what}: at most {_LONGEST} characters on one line")
    if what == "name" and not text.strip():
        raise UsageError("Who says so? The name is empty. Mend: --by NAME")
    return text


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
