"""`firnflow sql`."""

from __future__ import annotations

import enum
import re
import sys
from typing import TYPE_CHECKING

import typer

from firnflow._text import printable
from firnflow.cli import _complete, _options

if TYPE_CHECKING:
    import ibis

    from firnflow.stores import Stores
    from firnflow.stores.state import Run, State
    from firnflow.values import Ref


class Format(enum.StrEnum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


_QUERY = typer.Argument(None, metavar="[QUERY]", help="A SELECT; without one: the tables that there are.")
_RUN = typer.Option(None, "--run", metavar="RUN", help="Default: the newest with any.", autocompletion=_complete.runs)
_FORMAT = typer.Option(Format.table, "--format", "-f", help="How rows are printed.")
_LIMIT = typer.Option(
    None, "--limit", "-n", metavar="N", min=1, max=10**12, help="Default: 50 rows in a table, else all."
)
_ROWS = 50
_RUNS = 50  # how many runs are looked through for one with tables


def command(
    query: str | None = _QUERY,
    run: str | None = _RUN,
    form: Format = _FORMAT,
    limit: int | None = _LIMIT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Query the tables that a run made, in the SQL of the warehouse: DuckDB's, or Snowflake's.

    Each output is a table: `clean` is what the task clean returned, "split.train" or split_train its output train,
    "train.0" or train_0 the first element of a map.
    """
    from firnflow.cli import _project
    from firnflow.cli._rows import computing
    from firnflow.stores import Stores

    form = Format.json if as_json else form
    root, settings, state = _project.open_state(environment)
    record, refs = _newest(state) if run is None else _tables(state, _project.find_run(state, run, environment))
    stores = Stores.open(settings, root)
    try:
        if query is None:
            _list(record, refs, form)
        else:
            with computing():
                _print(_answer(query, record, refs, stores), form, limit)
    finally:
        stores.close()


def _newest(state: State) -> tuple[Run, dict[str, Ref]]:
    from firnflow.cli import _project
    from firnflow.errors import NotFoundError

    for record in state.runs(limit=_RUNS):
        found = _tables(state, record)
        if found[1]:
            return found
    raise NotFoundError("No run has made a table yet." if state.runs(limit=1) else _project.NO_RUNS)


def _tables(state: State, record: Run) -> tuple[Run, dict[str, Ref]]:
    """Return a run with the tables among its outputs: name, as SQL has it, → ref."""
    from firnflow.cli._outputs import parts
    from firnflow.engine.history import finished

    outputs = finished(state, record).outputs
    found = [part for name, ref in outputs.items() for part in parts(name, ref)]
    return record, {_dotted(name): ref for name, ref in found if ref.kind == "table"}


def _dotted(name: str) -> str:
    """Return `train.0` for `train[0]`."""
    return name.replace("[", ".").replace("]", "")


def _list(record: Run, refs: dict[str, Ref], form: Format) -> None:
    from firnflow.cli._print import print_json, print_table

    if form is Format.json:
        tables = [{**(ref.meta or {}), "table": name, "digest": ref.digest} for name, ref in refs.items()]
        print_json({"run": record.id, "tables": tables})
        return
    typer.echo(f"tables of run {record.id}\n")
    rows = [(name, _count(ref), ", ".join((ref.meta or {}).get("columns", ()))) for name, ref in refs.items()]
    print_table(("table", "rows", "columns"), rows)


def _count(ref: Ref) -> str:
    rows = (ref.meta or {}).get("rows")
    return f"{rows:,}" if isinstance(rows, int) else ""


def _answer(query: str, record: Run, refs: dict[str, Ref], stores: Stores) -> ibis.Table:
    """Return the answer of a query; only tables whose names stand in it are read."""
    import ibis

    from firnflow import values
    from firnflow._text import listing, nearest
    from firnflow.errors import UsageError

    names = {**{name.replace(".", "_"): ref for name, ref in refs.items()}, **refs}
    used = {name: ref for name, ref in names.items() if name.lower() in query.lower()}
    tables = {name: values.load(ref, ibis.Table, stores) for name, ref in used.items()}
    try:
        return stores.warehouse.sql(query, tables)
    except UsageError as error:
        said = str(error).partition("\nTables: ")[0]
        missing = re.search(r"Table with name (\S+) does not exist|Object '(?:\S+\.)?(\S+)' does not exist", said)
        if missing is not None:
            name = missing[1] or missing[2].lower()
            said = f"There is no table {name!r}.{nearest(name, names)}"
        raise UsageError(f"{said}\nTables of run {record.id}: {listing(refs, 30)}") from error


def _print(answer: ibis.Table, form: Format, limit: int | None) -> None:
    from firnflow.cli._rows import plain_rows, print_rows

    if form is Format.table:
        print_rows(answer, limit or _ROWS)
    elif form is Format.json:
        from firnflow.cli._print import print_json

        print_json(plain_rows(answer if limit is None else answer.limit(limit)), exact=True)
    else:
        _print_csv(answer if limit is None else answer.limit(limit))


def _print_csv(answer: ibis.Table) -> None:
    import csv
    import warnings

    writer = csv.writer(_Terminal() if sys.stdout.isatty() else sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    with warnings.catch_warnings():  # ibis calls DuckDB by a name that is going away
        warnings.filterwarnings("ignore", "fetch_record_batch", DeprecationWarning)
        for batch in answer.to_pyarrow_batches():
            writer.writerows(row.values() for row in batch.to_pylist())


class _Terminal:
    """Where the lines of a CSV go that a person reads: nothing in them steers the terminal."""

    def write(self, text: str) -> int:
        return sys.stdout.write(printable(text))
