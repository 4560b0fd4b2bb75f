"""Tables of the warehouse, lazy: computed into a Parquet file where they are; their rows never enter Python."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow._disk import sync
from firnflow._sql import identifier
from firnflow._text import listing
from firnflow.errors import DataError, FirnflowError
from firnflow.values import digest
from firnflow.values.base import Saved
from firnflow.values.tables import columns as rules
from firnflow.values.tables import digest as table_digest
from firnflow.values.tables import parquet

if TYPE_CHECKING:
    import ibis

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref


"""What Arrow calls the unnamed levels of a pandas index; they are no columns to anything but pandas."""

LOSSY = {
    "INTERVAL": "make it a number, e.g. by `.delta(other, unit='second')`",
    "TIME WITH TIME ZONE": "cast it to a time or a timestamp",
    "UNION": "cast it to one type, or to a text",
}
"""Types of DuckDB that do not come back from Parquet → what to do."""


class IbisType(parquet.TableType):
    """`ibis.Table`."""

    name = "ibis"
    types: ClassVar = {"ibis.Table": ("ibis", "duckdb")}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:
        """Let the warehouse compute the table; the file may differ between equal tables, the digest does not.

        Raises:
            DataError: a column has a type of which Parquet would lose a part.
        """
        import pyarrow.parquet as pq

        warehouse = storage.warehouse.embedded  # what is in another one was kept there
        warehouse.write_parquet(exact(value, warehouse.connection), path)
        metadata = pq.read_metadata(path)
        ordered = table_digest.is_ordered(value)
        with ThreadPoolExecutor(2) as beside:
            content = beside.submit(digest.of_file, path)
            synced = beside.submit(sync, path)  # so that `put` need not wait for the disk
            found = table_digest.of_file(warehouse.connection.con, path, ordered=ordered)
        synced.result()  # an error of the disk is said once only
        meta = parquet.meta_of(metadata.schema.to_arrow_schema(), metadata.num_rows)
        if ordered:
            meta["ordered"] = True
        return Saved(meta, digest=found, name=content.result())

    def verify(self, path: Path, ref: Ref) -> None:
        """Check the bytes against the file's name: the ref's digest is of the rows, in whatever order they stand."""
        digest.verify_bytes(path, ref, Path(ref.where or "").name.partition(".")[0])

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the table; its rows are read when it is used.

        Raises:
            DataError: the warehouse cannot hold the columns as they are.
        """
        columns: dict[str, str] = (ref.meta or {}).get("columns", {})
        rules.check(columns)
        try:
            table = storage.warehouse.read_parquet(path)
        except FirnflowError:
            raise
        except Exception as error:  # whatever a damaged file makes of it
            raise digest.damaged(ref, error) from error
        if list(table.columns) != list(columns):
            raise digest.damaged(ref, f"its columns are {listing(table.columns)}")
        hidden = parquet.hidden_columns(ref)
        return table.drop(*hidden) if hidden else table


def exact(table: ibis.Table, connection: Any) -> ibis.Table:
    """Return the table with DuckDB's HUGEINT (a sum of integers) cast to the type that the expression states.

    Parquet has no integers of 128 bits: DuckDB would write floats.

    Raises:
        DataError: a column has a type of which Parquet would lose a part.
    """
    backends, _ = table._find_backends()  # noqa: SLF001 - nothing public tells without connecting
    backend = backends[0] if len(backends) == 1 else connection
    if backend.name != "duckdb":
        return table
    backend._run_pre_execute_hooks(table)  # noqa: SLF001 - registers in-memory tables, as executing would
    sql = backend.compile(table)
    described = backend.con.execute(f"DESCRIBE {sql}").fetchall()
    for name, kind, *_ in described:
        for lossy, mend in LOSSY.items():
            if lossy in kind:
                raise DataError(f"The column {name!r} is {kind}, of which Parquet would lose a part. Mend: {mend}")
    wide = [name for name, kind, *_ in described if "HUGEINT" in kind]
    if not wide:
        return table
    types = backend.compiler.type_mapper
    casts = ", ".join(
        f"CAST({identifier(name)} AS {types.to_string(table.schema()[name])}) AS {identifier(name)}" for name in wide
    )
    exact: ibis.Table = backend.sql(f"SELECT * REPLACE ({casts}) FROM ({sql})")  # noqa: S608 - names are quoted
    return exact
