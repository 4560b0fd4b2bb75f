"""COPY INTO a table: https://docs.snowflake.com/en/sql-reference/sql/copy-into-table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import columns, lengths, relations
from firnflow.emulator.objects.changes import insert
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, rows, status
from firnflow.emulator.stages import formats, reading, rejecting, unloading
from firnflow.emulator.stages.places import File, Place, place

if TYPE_CHECKING:
    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_OPTIONS = (
    *("FILES", "PATTERN", "FILE_FORMAT", "ON_ERROR", "PURGE", "FORCE", "MATCH_BY_COLUMN_NAME", "SIZE_LIMIT"),
    *(
        "VALIDATION_MODE",
        "RETURN_FAILED_ONLY",
        "ENFORCE_LENGTH",
        "TRUNCATECOLUMNS",
        "LOAD_UNCERTAIN_FILES",
        "USE_VECTORIZED_SCANNER",
    ),
)
_HEAD = (
    *(("file", "text"), ("status", "text"), ("rows_parsed", "fixed"), ("rows_loaded", "fixed")),
    *(("error_limit", "fixed"), ("errors_seen", "fixed"), ("first_error", "text"), ("first_error_line", "fixed")),
    *(("first_error_character", "fixed"), ("first_error_column_name", "text")),
)
_PARTLY = (
    "with a query ON_ERROR is ABORT_STATEMENT or SKIP_FILE, and there is no VALIDATION_MODE; a file of lines that "
    "cannot be taken apart is left out as a whole"
)


@dataclass
class Load:
    """A COPY INTO a table.

    Attributes:
        table: the table.
        into: its columns that are loaded; [] is all.
        where: the place of the files.
        select: the query over them, or None.
        options: as they are written.
        form: the format.
    """

    table: Object
    into: list[str]
    where: Place
    select: Any
    options: dict[str, Any]
    form: dict[str, Any] = field(default_factory=dict)


@statement("COPY INTO", "sql-reference/sql/copy-into-table", partly=_PARTLY)
def _copy_into(session: Session, given: Statement) -> Result:
    reader = given.reader
    if reader.is_next("@") or reader.next.value.startswith("@"):
        return unloading.unload(session, reader)
    path = session.path("TABLE", reader.name())
    table = relations.need(session, path, "INSERT")
    into = _columns(reader) if reader.take("(") else []
    reader.need("FROM")
    where, select = _source(session, reader)
    options = reader.settings(_OPTIONS, "COPY")
    load = Load(table, into, where, select, options, formats.chosen(session, options.get("FILE_FORMAT"), where))
    return _run(session, load)


def _columns(reader: Reader) -> list[str]:
    found = [reader.part()]
    while reader.take(","):
        found.append(reader.part())
    reader.need(")")
    return found


def _source(session: Session, reader: Reader) -> tuple[Place, Any]:
    """Read where the files are, and the query over them if there is one."""
    if reader.is_next("("):
        tree = trees.parsed(reader.enclosed()).unnest()
        table = tree.args["from_"].this
        return place(session, Reader(str(table.this.this)).location(), "READ", "USAGE"), tree
    return place(session, reader.location(), "READ", "USAGE"), None


def _run(session: Session, load: Load) -> Result:
    """Load the files that are not loaded already, and say of each what became of it."""
    how = str(load.options.get("ON_ERROR", "ABORT_STATEMENT")).upper()
    most = rejecting.limit(how)
    mode = load.options.get("VALIDATION_MODE")
    if load.select is not None and (most is not None or mode):
        raise errors.unknown(
            "ON_ERROR = CONTINUE, SKIP_FILE_n or VALIDATION_MODE with a query", ["ON_ERROR = ABORT_STATEMENT"]
        )
    done: dict[str, str] = dict(load.table.body.get("loaded", {}))
    waiting = [file for file in _files(load) if load.options.get("FORCE") or done.get(file.shown) != _digest(file)]
    if not waiting:
        return status("Copy executed with 0 files processed.")
    if mode:
        checked = [(file.shown, _checked(session, load, file)) for file in waiting]
        return rejecting.validated(str(mode).upper(), load.table, checked, session)
    said: list[tuple[Any, ...]] = []
    for file in waiting:
        try:
            told = _whole(session, load, file) if most is None else _in_part(session, load, file, how)
        except errors.SnowflakeError as error:
            if how == "ABORT_STATEMENT":
                raise
            said.append((file.shown, "LOAD_FAILED", 0, 0, 1, 1, error.message, None, None, None))
            continue
        said.append(told)
        if told[1] == "LOAD_FAILED":
            continue
        done[file.shown] = _digest(file)
        if load.options.get("PURGE"):
            file.path.unlink(missing_ok=True)
    session.account.catalog.put(load.table.changed(loaded=done))
    return rows(_HEAD, said, kind=0x3600)


def _whole(session: Session, load: Load, file: File) -> tuple[Any, ...]:
    """Load a file, none of whose rows may have an error."""
    count = insert(session, _insert(session, load, file))
    return (file.shown, "LOADED", count, count, 1, 0, None, None, None, None)


def _in_part(session: Session, load: Load, file: File, how: str) -> tuple[Any, ...]:
    """Load the rows of a file that have no error, unless there are too many that have one."""
    from sqlglot import exp

    checked = _checked(session, load, file)
    most = rejecting.limit(how) or 0.0
    count = 0
    if not rejecting.is_too_many(checked, most, in_percent=how.endswith("%")):
        made = _insert(session, load, file)
        count = insert(session, _cut(load, exp.Insert(this=made.this, expression=checked.query)))
    bad = checked.rejected
    word = "LOADED" if not bad else "PARTIALLY_LOADED" if count else "LOAD_FAILED"
    first = (bad[0].why[-1], bad[0].row, 1, bad[0].column) if bad else (None, None, None, None)
    return (file.shown, word, checked.parsed, count, checked.parsed, len(bad), *first)


def _checked(session: Session, load: Load, file: File) -> rejecting.Checked:
    found = reading.source(session, [file], load.form, file.shown, padded=False)
    wanted, query = _plain(load, _wanted(session, load), found)
    return rejecting.check(session, load.table, wanted, query, cuts=_cuts(load))


def _cuts(load: Load) -> bool:
    """Whether texts that are too long are cut."""
    return bool(load.options.get("TRUNCATECOLUMNS")) or not load.options.get("ENFORCE_LENGTH", True)


def _cut(load: Load, made: Any) -> Any:
    """Return an INSERT that cuts texts that are too long, if that is asked for."""
    if _cuts(load):
        lengths.keep(made, load.table, [], lengths.cut)
    return made


def _wanted(session: Session, load: Load) -> list[str]:
    return load.into or [name for name, *_ in columns.found_columns(session, load.table)]


def _files(load: Load) -> list[File]:
    named = load.options.get("FILES")
    found = load.where.files(load.options.get("PATTERN"))
    if named is None:
        return found
    by_name = {file.name[len(load.where.path) :].lstrip("/"): file for file in found}
    for name in named:
        if name not in by_name:
            raise errors.SnowflakeError(253006, "22000", f"Remote file '{load.where.prefix}{name}' was not found.")
    return [by_name[name] for name in named]


def _digest(file: File) -> str:
    return hashlib.sha256(file.path.read_bytes()).hexdigest()


def _insert(session: Session, load: Load, file: File) -> Any:
    """Return the statement that loads one file."""
    from sqlglot import exp

    found = reading.source(session, [file], load.form, file.shown, padded=load.select is not None)
    wanted = _wanted(session, load)
    if load.select is not None:
        query = load.select.copy()
        query.args["from_"].this.replace(_aliased(found, load.select))
        reading.use(query, found, load.select.args["from_"].this.alias)
    else:
        wanted, query = _plain(load, wanted, found)
    head = exp.Schema(
        this=trees.table(load.table.path), expressions=[exp.to_identifier(each, quoted=True) for each in wanted]
    )
    query = _typed(session, load.table, wanted, query, found)
    return _cut(load, exp.Insert(this=head, expression=query))


def _aliased(found: reading.Source, select: Any) -> Any:
    node = found.node.copy()
    node.set("alias", select.args["from_"].this.args.get("alias"))
    return node


def _plain(load: Load, wanted: list[str], found: reading.Source) -> tuple[list[str], Any]:
    """Return which columns are loaded, and the query without one that is written."""
    from sqlglot import exp

    match = str(load.options.get("MATCH_BY_COLUMN_NAME", "NONE")).upper()
    if match != "NONE":
        exact = match == "CASE_SENSITIVE"
        by_name = {name if exact else name.upper(): name for name, _ in found.columns}
        wanted = [name for name in wanted if (name if exact else name.upper()) in by_name]
        items = [
            exp.column(exp.to_identifier(by_name[name if exact else name.upper()], quoted=True)) for name in wanted
        ]
        return wanted, exp.select(*items).from_(found.node)
    count = len(found.columns) if load.form["TYPE"] == "CSV" else 1
    strict = load.form["TYPE"] != "CSV" or formats.option(load.form, "ERROR_ON_COLUMN_COUNT_MISMATCH")
    if strict and count != len(wanted):
        raise errors.SnowflakeError(
            100080,
            "22000",
            f"Number of columns in file ({count}) does not match that of the corresponding table ({len(wanted)}), use "
            "file format option error_on_column_count_mismatch=false to ignore this error",
        )
    return wanted, exp.select(*(found.by_number(at + 1) for at in range(len(wanted)))).from_(found.node)


def _typed(session: Session, table: Object, wanted: list[str], query: Any, found: reading.Source) -> Any:
    """Return a query over JSON whose values have the types of the columns: a text there is one without quotes."""
    from sqlglot import exp

    if found.form["TYPE"] != "JSON":
        return query
    types = {name: kind for name, kind, *_ in columns.found_columns(session, table)}
    for item, name in zip(list(query.expressions), wanted, strict=False):
        if types.get(name, "JSON") != "JSON" and isinstance(item.unalias(), exp.JSONExtract):
            item.replace(exp.cast(item.unalias().copy(), exp.DataType.build(types[name], dialect="duckdb")))
    return query
