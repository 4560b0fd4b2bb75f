"""COPY INTO a stage: https://docs.snowflake.com/en/sql-reference/sql/copy-into-location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._sql import literal
from firnflow.emulator import errors
from firnflow.emulator.engine import failures, trees
from firnflow.emulator.objects.selects import prepared
from firnflow.emulator.result import Result, rows
from firnflow.emulator.stages import formats
from firnflow.emulator.stages.places import place

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.reader import Reader
    from firnflow.emulator.session import Session
    from firnflow.emulator.stages.places import Place

_OPTIONS = ("FILE_FORMAT", "HEADER", "OVERWRITE", "SINGLE", "MAX_FILE_SIZE", "INCLUDE_QUERY_ID", "DETAILED_OUTPUT")
_ENDS = {"CSV": ".csv", "JSON": ".json", "PARQUET": ".parquet"}
_PACKED = {"NONE": "", "GZIP": ".gz", "ZSTD": ".zst", "SNAPPY": ".snappy", "AUTO": ""}


def unload(session: Session, reader: Reader) -> Result:
    """Write the rows of a table or query to one file of a stage.

    Args:
        session: whose.
        reader: stands before the place.

    Raises:
        SnowflakeError: it may not, the file is there and may not be overwritten, or an option is not emulated.
    """
    where = place(session, reader.location(), "WRITE")
    reader.need("FROM")
    text = reader.enclosed() if reader.is_next("(") else f"(SELECT * FROM {_name(reader)})"  # noqa: S608 - a name
    options = reader.settings(_OPTIONS, "COPY")
    form = formats.chosen(session, options.get("FILE_FORMAT"), where)
    tree = trees.parsed(f"SELECT * FROM {text}")  # noqa: S608 - the user's own query
    found = session.engine.run(prepared(session, tree, []))
    target = _target(where, form, single=bool(options.get("SINGLE")))
    if target.exists() and not options.get("OVERWRITE"):
        raise errors.SnowflakeError(
            1030,
            "22000",
            f"Files already existing at the unload destination: {where.prefix}{where.path}. Use overwrite option "
            "to force unloading.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with failures.translated():
        _write(session, found.table, target, form, header=bool(options.get("HEADER")))
    size = target.stat().st_size
    head = [("rows_unloaded", "fixed"), ("input_bytes", "fixed"), ("output_bytes", "fixed")]
    return rows(head, [(found.table.num_rows, found.table.nbytes, size)], kind=0x3600)


def _name(reader: Reader) -> str:
    """Return the name of a table as it is written."""
    start = reader.next.start
    reader.name()
    return reader.text[start : reader.next.start]


def _target(where: Place, form: dict[str, Any], *, single: bool) -> Path:
    """Return the file to write: the place itself, or one that is named as there."""
    packed = str(formats.option(form, "COMPRESSION")).upper()
    if packed not in _PACKED:
        raise errors.unknown(f"COMPRESSION = {packed}", [f"COMPRESSION = {each}" for each in _PACKED])
    if single:
        return where.inside() if not where.path.endswith("/") and where.path else where.inside("data")
    auto = {"CSV": ".gz", "JSON": ".gz", "PARQUET": ".snappy"}[form["TYPE"]]
    suffix = auto if packed == "AUTO" else _PACKED[packed]
    end = f"{suffix}{_ENDS['PARQUET']}" if form["TYPE"] == "PARQUET" else f"{_ENDS[form['TYPE']]}{suffix}"
    is_folder = where.path.endswith("/") or not where.path
    return where.inside(f"data_0_0_0{end}") if is_folder else where.folder / f"{where.path}_0_0_0{end}"


def _write(session: Session, table: Any, target: Path, form: dict[str, Any], *, header: bool) -> None:
    name = session.engine.scratch.table(table).sql(dialect="duckdb")
    packed = {".gz": "gzip", ".zst": "zstd"}.get(target.suffix, "none")
    if form["TYPE"] == "PARQUET":
        how = "FORMAT parquet, COMPRESSION " + ("snappy" if ".snappy" in target.suffixes else "uncompressed")
    elif form["TYPE"] == "JSON":
        how = f"FORMAT json, COMPRESSION {packed}"
    else:
        enclosed = formats.option(form, "FIELD_OPTIONALLY_ENCLOSED_BY")
        nulls = formats.option(form, "NULL_IF")
        quote = "" if enclosed == "NONE" else enclosed
        how = (
            f"FORMAT csv, HEADER {str(header).lower()}, DELIMITER {literal(formats.option(form, 'FIELD_DELIMITER'))}, "
            f"QUOTE {literal(quote)}, NULLSTR {literal(nulls[0] if nulls else '')}, COMPRESSION {packed}"
        )
    session.engine.raw(f"COPY (SELECT * FROM {name}) TO {literal(str(target))} ({how})")  # noqa: S608 - a scratch name
