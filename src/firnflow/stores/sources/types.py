"""SQL that turns what was read into the type that is declared, without loss: what does not fit becomes null."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow._sql import literal
from firnflow.graph.rules import duckdb_type

if TYPE_CHECKING:
    from firnflow.graph.rules import Column
    from firnflow.stores.sources.raw import Raw, RawColumn

_INT = r"\s*[+-]?\d+(\.0*)?\s*"
_FLOAT = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
_INFINITE = r"(?i)\s*([+-]?inf(inity)?|nan)\s*"
_DATE = r"\s*\d+[-/]\d+[-/]\d+"
_TIME = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
_ZONE = r"(?i)\s*(z|utc|[+-]\d{2}(:?\d{2})?)"

_FORMS = dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), _INT) | {
    "TIMESTAMP": rf"{_DATE}([ T]{_TIME})?\s*",  # a zone would be lost
    "TIMESTAMPTZ": rf"{_DATE}([ T]{_TIME}({_ZONE})?)?\s*",
}

# Inference is stricter than a declaration: 007 is a code and no number, 12345678901234567890 no float.
_DIGITS = r"(0|[1-9]\d{0,30})"
_INFERRED_FLOAT = (
    rf"\s*([+-]?((0|[1-9]\d{{0,14}})|{_DIGITS}?\.\d+|{_DIGITS}\.)([eE][+-]?\d{{1,2}})?|(?i:nan|[+-]?inf))\s*"
)
_DAY = r"\d{4}-\d{2}-\d{2}"
_LADDERS = (
    ("BIGINT", "DOUBLE"),
    ("BOOLEAN",),
    ("DATE", "TIMESTAMP"),
    ("TIMESTAMPTZ",),
)
_SAMPLE = 10_000


def value(column: RawColumn, declared: Column | None, decimal: str, *, checked: bool = False) -> str:
    """Return the SQL of the column's value, null where it is not of the wanted type.

    `checked`: it is known to be of the wanted type, so the SQL may leave out what finds the others.
    """
    source = present(column, declared)
    wanted = duckdb_type(declared.type) if declared is not None and declared.type else column.wanted
    if wanted is None or wanted == column.type:
        return source
    checked = checked or column.certain
    if column.type == "JSON":
        source = f"({source} ->> '$')"
    if column.type in {"VARCHAR", "JSON"}:
        return _from_text(source, wanted, declared.format if declared else None, decimal, checked=checked)
    if wanted == "JSON":
        return f"to_json({source})"
    cast = f"TRY_CAST({source} AS {wanted})"
    if checked or wanted in {"VARCHAR", "FLOAT"}:
        return cast
    return f"(CASE WHEN TRY_CAST({cast} AS {column.type}) = {source} THEN {cast} END)"


def present(column: RawColumn, declared: Column | None) -> str:
    """Return the SQL of what was read, null where a text stands for null."""
    if declared is None or not declared.null_values or column.type != "VARCHAR":
        return column.sql
    return f"(CASE WHEN {column.sql} NOT IN ({', '.join(map(literal, declared.null_values))}) THEN {column.sql} END)"


def inferred(connection: Any, raw: Raw, declared: dict[str, Column], decimal: str) -> Raw:
    """Return `raw` with a type for each text column that is not declared: the narrowest that fits all of its rows."""
    open_: dict[RawColumn, list[str]] = {
        c: [] for c in raw.columns if c.type == "VARCHAR" and not _has_type(declared.get(c.name))
    }
    tests = [(c, wanted) for c in open_ for ladder in _LADDERS for wanted in ladder]
    for c, wanted in _fitting(connection, f"SELECT * FROM ({raw.relation}) LIMIT {_SAMPLE}", tests, declared, decimal):
        open_[c].append(wanted)
    found: dict[str, str] = {}
    while open_:
        hopeful = [(c, wanted[0]) for c, wanted in open_.items() if wanted]
        fitting = _fitting(connection, raw.relation, hopeful, declared, decimal)
        found |= {c.name: wanted for c, wanted in fitting}
        open_ = {c: wanted[1:] for c, wanted in open_.items() if wanted and c.name not in found}
    columns = tuple(replace(c, wanted=found[c.name], certain=True) if c.name in found else c for c in raw.columns)
    return replace(raw, columns=columns)


def _has_type(declared: Column | None) -> bool:
    return declared is not None and declared.type is not None


def _fitting(
    connection: Any, relation: str, tests: list[tuple[RawColumn, str]], declared: dict[str, Column], decimal: str
) -> list[tuple[RawColumn, str]]:
    """Return the tests that all rows pass and at least one row is."""
    if not tests:
        return []
    parts = []
    for column, wanted in tests:
        text = present(column, declared.get(column.name))
        parts.append(
            f"count({text}) > 0 AND count({text}) = count(CASE WHEN {_looks(text, wanted, decimal)} THEN 1 END)"
        )
    (row,) = connection.con.execute(f"SELECT {', '.join(parts)} FROM ({relation})").fetchall()
    return [test for test, fits in zip(tests, row, strict=True) if fits]


def _looks(text: str, wanted: str, decimal: str) -> str:
    """Return the condition under which a text looks like a value of the type."""
    if wanted == "BIGINT":
        return f"CAST(TRY_CAST({text} AS BIGINT) AS VARCHAR) = trim({text})"
    if wanted == "DOUBLE":
        return _matches(_pointed(text, decimal), _INFERRED_FLOAT)
    if wanted == "BOOLEAN":
        return f"lower({text}) IN ('true', 'false')"
    if wanted == "DATE":
        return f"{_matches(text, _DAY)} AND TRY_CAST({text} AS DATE) IS NOT NULL"
    zone = _ZONE if wanted == "TIMESTAMPTZ" else ""
    time = f"[ T]{_TIME}{zone}" if zone else f"([ T]{_TIME})?"
    return f"{_matches(text, _DAY + time)} AND TRY_CAST({text} AS {wanted}) IS NOT NULL"


def _from_text(text: str, wanted: str, form: str | None, decimal: str, *, checked: bool) -> str:
    """Return the SQL of a text's value; null where it is not exactly one of the type, unless that is known."""
    if form is not None:
        return f"CAST(try_strptime({text}, {literal(form)}) AS {wanted})"
    if wanted in {"DOUBLE", "FLOAT"} | _FORMS.keys() or wanted.startswith("DECIMAL"):
        text = _pointed(text, decimal)
    read = f"CAST({text} AS JSON)" if wanted.endswith("[]") else f"trim({text})"
    cast = f"TRY_CAST({read} AS {wanted})"
    return cast if checked else f"(CASE WHEN {_exact(text, wanted, cast)} THEN {cast} END)"


def _exact(text: str, wanted: str, cast: str) -> str:
    """Return the condition under which a cast from a text loses nothing of it."""
    if wanted in _FORMS:
        return _matches(text, _FORMS[wanted])
    if wanted in {"DOUBLE", "FLOAT"}:
        return f"({_matches(text, _FLOAT)} AND isfinite({cast})) OR {_matches(text, _INFINITE)}"
    if wanted.startswith("DECIMAL"):
        scale = wanted.rstrip(")").rpartition(",")[2].strip()
        return _matches(text, rf"\s*[+-]?\d*(\.\d{{0,{scale}}}0*)?\s*")
    if wanted == "DATE":
        return f"{_matches(text, _DATE + '.*')} AND TRY_CAST(trim({text}) AS TIMESTAMP) = {cast}"
    if wanted == "JSON" or wanted.endswith("[]"):
        return f"json_valid({text})"
    return "true"


def _matches(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _pointed(text: str, decimal: str) -> str:
    return text if decimal == "." else f"replace({text}, {literal(decimal)}, '.')"
