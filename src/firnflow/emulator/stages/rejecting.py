"""Rows of a file that a table does not take: counted, told, and left out.

ON_ERROR and VALIDATION_MODE: https://docs.snowflake.com/en/sql-reference/sql/copy-into-table. Where a row has several
errors, the first one is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.objects import columns, lengths
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session

_HEAD = (
    *(("ERROR", "text"), ("FILE", "text"), ("LINE", "fixed"), ("CHARACTER", "fixed"), ("BYTE_OFFSET", "fixed")),
    *(("CATEGORY", "text"), ("CODE", "fixed"), ("SQL_STATE", "text"), ("COLUMN_NAME", "text"), ("ROW_NUMBER", "fixed")),
    *(("ROW_START_LINE", "fixed"), ("REJECTED_RECORD", "text")),
)
_KINDS = (("DATE", "Date"), ("TIMESTAMP", "Timestamp"), ("TIME", "Time"), ("BOOLEAN", "Boolean value"))
_MODE = re.compile(r"RETURN_(?:(\d+)_ROWS|(?:ALL_)?ERRORS)")
_SKIP = re.compile(r"SKIP_FILE_(\d+)(%?)")


@dataclass
class Rejected:
    """A row that is left out: its number from 1, the column, why, with code and state, and what it is."""

    row: int
    column: str
    why: tuple[int, str, str]
    record: str = ""


@dataclass
class Checked:
    """What a file has: the rows that can be loaded as a query, how many there were, and those that cannot."""

    query: Any
    parsed: int
    rejected: list[Rejected]


def limit(how: str) -> float | None:
    """Return how many errors are too many for ON_ERROR, in percent of the rows where it says so; None: one is.

    Raises:
        SnowflakeError: it is no such option.
    """
    if how in ("ABORT_STATEMENT", "SKIP_FILE"):
        return None
    if how == "CONTINUE":
        return float("inf")
    found = _SKIP.fullmatch(how)
    if found is None:
        raise errors.invalid(
            f"invalid value '{how}' for ON_ERROR: ABORT_STATEMENT, CONTINUE, SKIP_FILE, SKIP_FILE_3, …"
        )
    return float(found[1])


def is_too_many(checked: Checked, most: float, *, in_percent: bool) -> bool:
    """Return whether a file has too many errors: as many as are said, or more percent of its rows than are said."""
    count = len(checked.rejected)
    return count > 0 and (100 * count > most * checked.parsed if in_percent else count >= most)


def check(session: Session, table: Object, wanted: Sequence[str], query: Any, *, cuts: bool = False) -> Checked:
    """Look at each value of a file, whether its column takes it.

    Args:
        session: whose.
        table: where the rows are to go.
        wanted: its columns.
        query: gives a value for each of them, as the file has it.
        cuts: whether texts that are too long are cut.
    """
    from sqlglot import exp

    most = {} if cuts else lengths.limits(table)
    known = {name: (kind, null, most.get(name)) for name, kind, null, _ in columns.found_columns(session, table)}
    names = [exp.to_identifier(f"c{at}", quoted=True) for at in range(len(wanted))]
    values = [
        exp.alias_(item.unalias().copy(), name.copy()) for item, name in zip(query.expressions, names, strict=True)
    ]
    number = exp.Window(this=exp.RowNumber())
    inner = query.copy()
    inner.set("expressions", [*values, exp.alias_(number, "n", quoted=True)])
    held = session.engine.scratch.table(session.engine.run(inner).table)
    why: Any = exp.Case()
    for name, column in zip(names, wanted, strict=True):
        kind, null, letters = known[column]
        value = exp.column(name.copy())
        cast = exp.TryCast(this=exp.cast(value.copy(), "varchar"), to=exp.DataType.build(kind, dialect="duckdb"))
        if kind != "JSON":
            why = why.when(
                exp.and_(value.copy().is_(exp.null()).not_(), cast.is_(exp.null())), exp.Literal.string(column)
            )
        if not null:
            why = why.when(value.copy().is_(exp.null()), exp.Literal.string(column))
        if letters is not None:
            why = why.when(exp.Length(this=exp.cast(value.copy(), "varchar")) > letters, exp.Literal.string(column))
    if not why.args.get("ifs"):
        why = exp.null()
    marked = exp.select("*", exp.alias_(why, "bad", quoted=True)).from_(held).subquery("marked")
    bad = exp.column(exp.to_identifier("bad", quoted=True))
    found = session.engine.run(exp.select("*").from_(marked.copy()).where(bad.copy().is_(exp.null()).not_())).table
    items = [
        exp.alias_(
            exp.column(name) if kind == "JSON" else exp.cast(exp.column(name), exp.DataType.build(kind, "duckdb")),
            column,
            quoted=True,
        )
        for name, column, kind in (
            (name.copy(), column, known[column][0]) for name, column in zip(names, wanted, strict=True)
        )
    ]
    good = exp.select(*items).from_(marked).where(bad.is_(exp.null()))
    rejected = [_rejected(row, wanted, known) for row in found.to_pylist()]
    (count,) = session.engine.run(exp.select("COUNT(*)").from_(held.copy())).table[0]
    return Checked(good, count.as_py(), sorted(rejected, key=lambda each: each.row))


def _rejected(row: dict[str, Any], wanted: Sequence[str], known: dict[str, Any]) -> Rejected:
    column = row["bad"]
    value, (kind, _, letters) = row[f"c{list(wanted).index(column)}"], known[column]
    if value is None:
        why = (100072, "22000", "NULL result in a non-nullable column")
    elif letters is not None:
        why = (100074, "54000", f"User character length limit ({letters}) exceeded by string '{value}'")
    else:
        said = next((word for start, word in _KINDS if kind.startswith(start)), "Numeric value")
        why = (100038, "22018", f"{said} '{value}' is not recognized")
    record = ",".join("" if row[f"c{at}"] is None else str(row[f"c{at}"]) for at in range(len(wanted)))
    return Rejected(row["n"], column, why, record)


def _told(table: Object, name: str, each: Rejected) -> tuple[Any, ...]:
    where = f'"{table.name}"["{each.column}"]'
    code, state, said = each.why
    return (
        *(said, name, each.row, 1, None, "conversion", code, state, where),
        *(each.row, each.row, each.record),
    )


def validated(mode: str, table: Object, files: Sequence[tuple[str, Checked]], session: Session) -> Result:
    """Return what VALIDATION_MODE says of files: their errors, or their first rows if those have none.

    Raises:
        SnowflakeError: it is no such mode, or one of the first rows has an error.
    """
    found = _MODE.fullmatch(mode)
    if found is None:
        raise errors.invalid(
            f"invalid value '{mode}' for VALIDATION_MODE: RETURN_3_ROWS, RETURN_ERRORS, RETURN_ALL_ERRORS"
        )
    told = [_told(table, name, each) for name, checked in files for each in checked.rejected]
    if found[1] is None:
        return rows(_HEAD, told)
    most = int(found[1])
    name, checked = files[0]
    if checked.rejected and checked.rejected[0].row <= most:
        first = checked.rejected[0]
        code, state, said = first.why
        raise errors.SnowflakeError(code, state, f"{said}\n  File '{name}', line {first.row}, column {first.column}")
    return session.engine.run(checked.query.limit(most))
