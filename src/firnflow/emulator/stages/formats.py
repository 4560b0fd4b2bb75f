"""Formats of files: which options there are, and how DuckDB reads a file of each.

https://docs.snowflake.com/en/sql-reference/sql/create-file-format
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._sql import literal, path_literal
from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from firnflow.emulator.session import Session
    from firnflow.emulator.stages.places import Place

_CSV = {
    "RECORD_DELIMITER": "\n",
    "FIELD_DELIMITER": ",",
    "PARSE_HEADER": False,
    "SKIP_HEADER": 0,
    "SKIP_BLANK_LINES": False,
    "ESCAPE": "NONE",
    "ESCAPE_UNENCLOSED_FIELD": "\\",
    "TRIM_SPACE": False,
    "FIELD_OPTIONALLY_ENCLOSED_BY": "NONE",
    "EMPTY_FIELD_AS_NULL": True,
    "ERROR_ON_COLUMN_COUNT_MISMATCH": True,
    "DATE_FORMAT": "AUTO",
    "TIME_FORMAT": "AUTO",
    "TIMESTAMP_FORMAT": "AUTO",
    "ENCODING": "UTF8",
}
_KNOWN: dict[str, dict[str, Any]] = {
    "CSV": _CSV,
    "JSON": {"STRIP_OUTER_ARRAY": False, "STRIP_NULL_VALUES": False},
    "PARQUET": {
        "BINARY_AS_TEXT": True,
        "USE_LOGICAL_TYPE": False,
        "USE_VECTORIZED_SCANNER": False,
        "SNAPPY_COMPRESSION": True,
        "TRIM_SPACE": False,
    },
}
_ANY = {"COMPRESSION": "AUTO", "NULL_IF": ["\\N"]}
_SAME = {
    "DATE_FORMAT": ("AUTO",),
    "TIME_FORMAT": ("AUTO",),
    "TIMESTAMP_FORMAT": ("AUTO",),
    "ENCODING": ("UTF8", "UTF-8"),
}
"""Options of which only these values are emulated."""
OPTIONS = ("TYPE", *_ANY, *{option: None for each in _KNOWN.values() for option in each})
"""All options of all formats."""


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a format, with its type.

    Raises:
        SnowflakeError: a type, option or value that is not emulated, or an option of another type.
    """
    sort = str(given.get("TYPE", "CSV")).upper()
    if sort not in _KNOWN:
        raise errors.unknown(f"FILE FORMAT TYPE = {sort}", [f"FILE FORMAT TYPE = {each}" for each in _KNOWN])
    for option, value in given.items():
        if option not in ("TYPE", "COMMENT", *_ANY, *_KNOWN[sort]):
            raise errors.SnowflakeError(
                1420, "42601", f"SQL compilation error:\ninvalid property '{option}' for 'FILE FORMAT' of type {sort}"
            )
        if option in _SAME and str(value).upper() not in _SAME[option]:
            raise errors.unknown(f"{option} = {value}", [f"{option} = {each}" for each in _SAME[option]])
    return {**given, "TYPE": sort}


def chosen(session: Session, given: Any, place: Place | None) -> dict[str, Any]:
    """Return the format to read or write with: what the statement says, else what the stage says, else CSV.

    Args:
        session: whose.
        given: options, the name of a format, or None.
        place: where the files are.
    """
    if isinstance(given, str):
        return _named(session, given)
    if given:
        return (
            {**_named(session, str(given["FORMAT_NAME"])), **_rest(given)} if "FORMAT_NAME" in given else checked(given)
        )
    stage = session.account.catalog.get("STAGE", place.stage) if place is not None and place.stage else None
    held = stage.body.get("FILE_FORMAT") if stage is not None else None
    return chosen(session, held, None) if held else {"TYPE": "CSV"}


def _rest(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != "FORMAT_NAME"}


def _named(session: Session, name: str) -> dict[str, Any]:
    path = session.path("FILE FORMAT", Reader(name).name())
    if session.account.catalog.get("FILE FORMAT", path) is None:
        raise errors.missing("FILE FORMAT", full(path))
    return session.need("FILE FORMAT", path, "USAGE").body


def option(form: dict[str, Any], name: str) -> Any:
    """Return the value of an option, or its default."""
    return form.get(name, {**_ANY, **_KNOWN[form["TYPE"]]}.get(name))


def reading(form: dict[str, Any], files: Iterable[Path], *, padded: bool) -> str:
    """Return what DuckDB reads files of a format with: a function in FROM, with a column `filename`.

    Args:
        form: the format.
        files: of one format.
        padded: whether lines of CSV may have fewer columns than others.
    """
    listed = "[" + ", ".join(path_literal(path) for path in files) + "]"
    if form["TYPE"] == "PARQUET":
        text = "true" if option(form, "BINARY_AS_TEXT") else "false"
        how = f"filename = true, hive_partitioning = false, binary_as_string = {text}, union_by_name = true"
        return f"read_parquet({listed}, {how})"
    if form["TYPE"] == "JSON":
        return f"read_json_objects({listed}, filename = true, hive_partitioning = false, format = 'auto')"
    return f"read_csv({listed}, {_csv(form, padded=padded)})"


def _csv(form: dict[str, Any], *, padded: bool) -> str:
    enclosed = option(form, "FIELD_OPTIONALLY_ENCLOSED_BY")
    escape = option(form, "ESCAPE")
    nulls = option(form, "NULL_IF")
    empty = [""] if option(form, "EMPTY_FIELD_AS_NULL") else []
    quote = "" if enclosed == "NONE" else enclosed
    names = bool(option(form, "PARSE_HEADER"))
    settings = {
        "delim": literal(str(option(form, "FIELD_DELIMITER"))),
        "quote": literal(quote),
        "escape": literal(quote if escape == "NONE" else escape),
        "header": str(names).lower(),
        "skip": str(option(form, "SKIP_HEADER")),
        "nullstr": "[" + ", ".join(map(literal, [*nulls, *empty] or ["\\N"])) + "]",
        "all_varchar": "true",
        "allow_quoted_nulls": "false",
        "filename": "true",
        "hive_partitioning": "false",
        "null_padding": str(padded or not option(form, "ERROR_ON_COLUMN_COUNT_MISMATCH")).lower(),
        "strict_mode": str(not padded).lower(),
    }
    return ", ".join(f"{key} = {value}" for key, value in settings.items())
