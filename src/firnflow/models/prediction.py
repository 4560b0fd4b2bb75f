"""Prediction from raw rows, by what the model itself carries: its preprocessing, its estimator, its threshold.

The preprocessing is the code that made the training features: the same expressions, compiled to SQL once, and computed
by a DuckDB of the predictor's own, which can read nothing but the rows that it is given.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from firnflow._text import listing, nearest
from firnflow.errors import DataError, SignatureError, UsageError
from firnflow.models import arrow
from firnflow.models.estimators import estimator_of
from firnflow.models.preprocessing import Preprocessing
from firnflow.models.signature import Output, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from firnflow.values.model import Model

_GIVEN, _ROWS = "given_rows", "rows_to_predict"


def predict(model: Model, table: Any, *, keep: Iterable[str] = (), threads: int = 1) -> pa.Table:
    """Return what a model says of raw rows, in their order: a `Predictor` for one use.

    Args:
        model: as `firnflow.models.load` or a task returns it.
        table: raw rows: a table of any type, a dict (one row) or a list of dicts.
        keep: further columns of the table that go along: the label, a segment.
        threads: how many are used; the bits of the result do not depend on it.

    Returns:
        The key, where the table has one; `keep`; then `probability` and `predicted` (0 or 1, by the model's threshold),
        or `prediction` for a regression.

    Raises:
        SignatureError: the table lacks a column that the model reads, or has one of another type.
        DataError: a value cannot be computed with.
        UsageError: the model predicts neither two classes nor a number.
    """
    return Predictor(model, threads=threads)(table, keep=keep)


class Predictor:
    """A model, compiled: to predict often, or one row at a time. Several threads may use one.

    Attributes:
        model: the model.
        signature: what it reads and says.
        key: the column that names a row, where the model knows one.
    """

    def __init__(self, model: Model, *, threads: int = 1) -> None:
        self.model = model
        self.threads = threads
        found = Signature.of(model)
        self._threads = threading.local()
        self._estimator = estimator_of(model, positive=found.output.positive if found else None, threads=threads)
        self._preprocessing = Preprocessing.model_validate(model.preprocessing) if model.preprocessing else None
        if self._preprocessing is not None:
            found = found or Signature.fitted(self._preprocessing, _output(model, self._estimator.task))
        self.signature = found
        self.output = found.output if found else _output(model, self._estimator.task)
        if self._estimator.task not in (None, self.output.task):
            raise SignatureError(
                f"The model's signature says {self.output.task}, but its estimator is made for {self._estimator.task}. "
                "Mend: train the model anew"
            )
        self.key = self._preprocessing.columns.key if self._preprocessing else None

    def __call__(self, table: Any, *, keep: Iterable[str] = ()) -> pa.Table:
        """Return what the model says of each row; see `predict`."""
        return self.stream(table, keep=keep).read_all()

    def stream(self, table: Any, *, keep: Iterable[str] = ()) -> pa.RecordBatchReader:
        """Return what the model says of each row as a reader that computes as it is read, in bounded memory."""
        import pyarrow as pa

        source = arrow.opened(table)
        kept = self._kept(source.schema, list(keep))
        if self.signature:
            self.signature.check(source.schema)
        else:
            _require(source.schema, self.inputs)
        said = (pa.field(name, kind) for name, kind in self._said.items())
        schema = pa.schema([*(source.schema.field(name) for name in kept), *said])
        return pa.RecordBatchReader.from_batches(schema, self._batches(source, kept, schema))

    def features(self, rows: pa.Table) -> pa.Table:
        """Return what the estimator reads of raw rows. Raises SignatureError, DataError as `predict`."""
        import duckdb

        if self.signature:
            rows = self.signature.conform(rows)
        if self._preprocessing is None:
            return rows
        connection = self._prepared(rows.schema)
        try:
            connection.execute(f"TRUNCATE {_ROWS}")
            connection.register(_GIVEN, rows)
            connection.execute(f"INSERT INTO {_ROWS} FROM {_GIVEN}")
            found: pa.Table = connection.execute("EXECUTE features").to_arrow_table()
        except duckdb.Error as error:
            raise DataError(f"The features of a row cannot be computed: {error}") from error
        finally:
            connection.unregister(_GIVEN)
        return found

    def _prepared(self, schema: pa.Schema) -> Any:
        """Return this thread's connection, on which the preprocessing is planned: planning takes longer than a row."""
        connection = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._database.cursor()
            connection.register(_GIVEN, schema.empty_table())
            connection.execute(f"CREATE TEMP TABLE {_ROWS} AS FROM {_GIVEN}")
            connection.execute(f"PREPARE features AS {self._sql}")
            self._threads.connection = connection
        return connection

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The raw columns that the model reads."""
        return tuple(self.signature.inputs) if self.signature else self._estimator.features

    @property
    def says(self) -> dict[str, str]:
        """The columns that the model adds → their types: `int8`, `float32`, `float64`."""
        return {name: "int8" if name == "predicted" else self._estimator.dtype for name in self.output.columns}

    @cached_property
    def _said(self) -> dict[str, pa.DataType]:
        import pyarrow as pa

        kinds: dict[str, pa.DataType] = {"int8": pa.int8(), "float32": pa.float32(), "float64": pa.float64()}
        return {name: kinds[kind] for name, kind in self.says.items()}

    @cached_property
    def _sql(self) -> str:
        """The preprocessing as DuckDB's SQL over `_ROWS`, in the order in which the estimator reads the features."""
        import ibis

        assert self._preprocessing is not None and self.signature is not None  # noqa: PT018,S101
        table = self._preprocessing.only_features(ibis.table(self.signature.kinds(), name=_ROWS))
        missing = [name for name in self._estimator.features if name not in table.columns]
        if missing:
            raise SignatureError(f"The model's preprocessing makes no {listing(missing)}. Mend: train the model anew")
        return str(ibis.to_sql(table.select(*self._estimator.features), dialect="duckdb"))

    @cached_property
    def _database(self) -> Any:
        import duckdb

        # Nothing in a model can name a file: what is fitted becomes literals, and this warehouse reads no files anyway.
        return duckdb.connect(config={"threads": self.threads, "enable_external_access": False})

    def _kept(self, schema: pa.Schema, keep: list[str]) -> list[str]:
        _require(schema, keep)
        kept = [self.key, *keep] if self.key and self.key in schema.names and self.key not in keep else keep
        for name in kept:
            if name in self.output.columns:
                raise UsageError(f"The table's column {name!r} has the name of a result. Mend: rename the column")
        return kept

    def _batches(self, source: arrow.Opened, kept: list[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for rows in arrow.batches(source, (*kept, *self.inputs)):
            columns: list[Any] = [*(rows[name] for name in kept), *self._of(rows)]
            yield from pa.Table.from_arrays(columns, schema=schema).to_batches()

    def _of(self, rows: pa.Table) -> list[pa.Array[Any]]:
        """Return the columns that the model adds to some rows."""
        import numpy as np
        import pyarrow as pa

        found = np.asarray(self._estimator.predict(self.features(rows)), dtype=self._estimator.dtype)
        if found.shape != (rows.num_rows,):
            raise DataError(f"The estimator returned {found.shape} values for {rows.num_rows:,} rows, not one a row")
        if self.output.task == "regression":
            return [pa.array(found)]
        threshold = 0.5 if self.output.threshold is None else self.output.threshold
        return [pa.array(found), pa.array((found >= threshold).astype(np.int8))]


def _require(schema: pa.Schema, names: Iterable[str]) -> None:
    for name in names:
        if name not in schema.names:
            raise SignatureError(
                f"The table has no column {name!r}.{nearest(name, schema.names)} It has: {listing(schema.names)}.",
                column=name,
            )


def _output(model: Model, task: str | None) -> Output:
    """Return what a model without a signature says."""
    threshold = model.metadata.get("threshold")
    return Output(
        task="regression" if task is None else task,  # type: ignore[arg-type] # one of the two
        threshold=threshold if isinstance(threshold, float) else None,
    )
