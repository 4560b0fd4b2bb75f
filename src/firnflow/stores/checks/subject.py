"""What is checked, as the checks see it: rows of the warehouse, with a value for each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.graph.rules import TYPES, duckdb_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import ibis

    from firnflow.graph.rules import Checks


@dataclass(frozen=True)
class Field:
    """One column of what is checked, as SQL over `Subject.relation`.

    Attributes:
        name: the user's name of the column.
        value: its value, null where what stands there is not of the wanted type.
        read: what stands there, null where nothing does.
        shown: what stands there, for people.
        type: the type of the value, as the warehouse calls it.
        mistyped: what a value is not that could not be read: `is no int`; "": every one can.
    """

    name: str
    value: str
    read: str
    shown: str
    type: str
    mistyped: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the values are texts."""
        return self.type == "VARCHAR" or self.type.startswith("ENUM")


def no_places(places: Sequence[int]) -> list[str]:
    """Return what to call rows that have no place."""
    return ["" for _ in places]


@dataclass(frozen=True)
class Subject:
    """Rows that are checked.

    Attributes:
        name: what they are called.
        relation: a SELECT of them. It has no columns b0, b1, …, nor v0, v1, …
        fields: the columns.
        declared_by: who says what the rows must be, for messages.
        done: what was not done where they are not: `nothing was loaded`.
        called: what they are called where the table as a whole is wrong.
        mend: what to do then.
        place: SQL of a whole number that orders the rows; None: they have no order.
        places: such numbers → what people call them: `orders.csv, line 4`.
    """

    name: str
    relation: str
    fields: tuple[Field, ...]
    declared_by: str
    done: str
    called: str
    mend: str
    place: str | None = None
    places: Callable[[Sequence[int]], list[str]] = no_places

    def field(self, name: str) -> tuple[int, Field] | None:
        """Return a column and its number, or None where there is none of this name."""
        return next(((at, each) for at, each in enumerate(self.fields) if each.name == name), None)


def of_table(table: ibis.Table, connection: Any, name: str, done: str = "nothing went on") -> Subject:
    """Return a table of the warehouse as a subject.

    Args:
        table: its rows, which have no order.
        connection: the Ibis backend that computes it.
        name: what it is called.
        done: what was not done where the rows are not what they must be.
    """
    compiled = sql_of(table, connection)
    types = {row[0]: row[1] for row in connection.con.execute(f"DESCRIBE {compiled}").fetchall()}
    columns = ", ".join(f"{identifier(column)} AS c{at}" for at, column in enumerate(types))
    fields = (Field(column, f"c{at}", f"c{at}", f"c{at}", kind) for at, (column, kind) in enumerate(types.items()))
    relation = f"SELECT {columns} FROM ({compiled})"  # noqa: S608 - quoted
    mend = "look at where the rows come from, or change the rules"
    return Subject(name, relation, tuple(fields), "its checks declare", done, name, mend)


def sql_of(table: ibis.Table, connection: Any) -> str:
    """Return a table as SQL, its in-memory tables registered, as executing it would."""
    connection._run_pre_execute_hooks(table)  # noqa: SLF001 - nothing public does this without executing
    return str(connection.compile(table))


_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_FITTING = {
    "VARCHAR": ("VARCHAR", "ENUM"),
    "DOUBLE": ("DOUBLE", "FLOAT"),
    "TIMESTAMP": ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
    "TIMESTAMPTZ": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"),
    "JSON": ("JSON", "VARCHAR"),
}
_ANY_WHOLE = (*_WHOLE, *(f"U{kind}" for kind in _WHOLE), "HUGEINT")


def fits(found: str, wanted: str) -> bool:
    """Return whether a column of the type `found`, the warehouse's, is what the rules call `wanted`.

    `int` is any whole number, `float` any float; with a width all values of `found` must be values of it.
    """
    if wanted == "int":
        return found in _ANY_WHOLE
    kind = duckdb_type(wanted)
    if kind in _WHOLE:
        return found in _WHOLE[: _WHOLE.index(kind) + 1] or found in _ANY_WHOLE[4 : 4 + _WHOLE.index(kind)]
    if kind.startswith("DECIMAL"):
        return found.replace(" ", "") == kind.replace(" ", "")
    return found.startswith(_FITTING[kind]) if kind == "VARCHAR" else found in _FITTING.get(kind, (kind,))


def problems(subject: Subject, checks: Checks) -> dict[str, tuple[str, str]]:
    """Return column → rule and what is wrong with it as a whole: `missing`, `type` or `extra`."""
    found: dict[str, tuple[str, str]] = {}
    for name in checks.named:
        there = subject.field(name)
        wanted = checks.columns[name].type if name in checks.columns else None
        if there is None:
            found[name] = "missing", "is missing"
        elif wanted and not there[1].mistyped and not fits(there[1].type, wanted):
            found[name] = "type", f"should be {wanted}, but is {readable(there[1].type)}"
    for each in subject.fields:
        if not checks.extra and each.name not in checks.columns:
            found[each.name] = "extra", "is not declared, and extra = false"
    return found


def readable(kind: str) -> str:
    """Return what the rules call a type of the warehouse."""
    return next((name for name, known in reversed(TYPES.items()) if known == kind), kind.lower())
