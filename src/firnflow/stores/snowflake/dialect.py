"""Ibis's backend for Snowflake, whose divisions, means and quantiles keep all their digits, and which knows more.

Of NUMBERs `/`, AVG, MEDIAN and PERCENTILE_CONT give a NUMBER with a few digits behind the point, while Ibis promises a
double, as DuckDB gives: https://docs.snowflake.com/en/sql-reference/operators-arithmetic
"""

# ruff: noqa: D102, N802 - Ibis calls methods by the names of operations
from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

import ibis.expr.datatypes as types
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import sqlglot.expressions as sge
from ibis.backends.snowflake import Backend
from ibis.backends.sql.compilers.snowflake import SnowflakeCompiler

from firnflow.stores.snowflake.meaning import SameMeaning
from firnflow.stores.snowflake.procedure import View

if TYPE_CHECKING:
    from collections.abc import Callable


class Compiler(SameMeaning):
    """Ibis's compiler, for what loses digits, or is not there; each method has the name of what it compiles."""

    SIMPLE_OPS: ClassVar[dict[Any, str]] = {}  # else Ibis would put its own in the place of these again

    UNSUPPORTED_OPS = tuple(op for op in SnowflakeCompiler.UNSUPPORTED_OPS if op is not ops.IntervalMultiply)

    def to_sqlglot(self, *args: Any, **kwargs: Any) -> Any:
        """Return a tree without parts in common: sqlglot changes what it writes, and would write some twice."""
        return super().to_sqlglot(*args, **kwargs).copy()

    def visit_IntervalMultiply(self, op: Any, *, left: Any, right: Any) -> Any:
        known = isinstance(op.left, ops.Literal)
        once = sge.convert(int(op.left.value)) if known else self.cast(left.this, types.int64)
        return sge.Interval(this=self.binop(sge.Mul, once, right), unit=left.unit)

    def visit_Unnest(self, op: Any, *, arg: Any) -> Any:
        return self.cast(self.f.explode(arg), op.dtype)  # Ibis makes a text of the array, and takes that apart

    def visit_Divide(self, op: Any, *, left: Any, right: Any) -> Any:
        return self.binop(sge.Div, self._double(op, left), right)

    def visit_Mean(self, op: Any, *, arg: Any, where: Any) -> Any:
        arg = self.cast(arg, types.int64) if op.arg.dtype.is_boolean() else arg
        return self.agg.avg(self._double(op, arg), where=where)

    def visit_Median(self, op: Any, *, arg: Any, where: Any) -> Any:
        return self.agg.median(self._double(op, arg), where=where)

    def visit_Quantile(self, op: Any, *, arg: Any, quantile: Any, where: Any) -> Any:
        return super().visit_Quantile(op, arg=self._double(op, arg), quantile=quantile, where=where)

    def _double(self, op: Any, value: Any) -> Any:
        """Return a value as a double, where the operation promises one."""
        return self.cast(value, types.float64) if op.dtype.is_floating() else value


class SnowflakeBackend(Backend):  # type: ignore[misc]
    """Ibis's backend with that compiler, whose answers are those of DuckDB, by type and value.

    Attributes:
        bring: returns a table as one of this process's DuckDB, its rows fetched.
        lend: loads rows of this process, as Arrow, into a table of the session, under a name; None: Ibis does.
    """

    compiler = Compiler()
    bring: Callable[[Any], Any]
    lend: Callable[[Any, str], None] | None = None

    @classmethod
    def on(cls, connection: Any) -> SnowflakeBackend:
        """Return the backend on a connection, or on a view of a procedure's session, which Ibis does not know."""
        if not isinstance(connection, View):
            made: SnowflakeBackend = cls.from_connection(connection, create_object_udfs=False)
            return made
        backend = cls()
        backend._can_reconnect, backend.con = False, connection
        backend._setup_session(session_parameters={}, create_object_udfs=False)
        return backend

    def execute(self, expr: Any, /, *, params: Any = None, limit: Any = None, **kwargs: Any) -> Any:
        """Return the answer as pandas has it."""
        if params:
            return super().execute(expr, params=params, limit=limit, **kwargs)
        return expr.__pandas_result__(self._brought(expr, limit).execute())

    def to_pyarrow(self, expr: Any, /, *, params: Any = None, limit: Any = None, **kwargs: Any) -> Any:
        """Return the answer as Arrow has it."""
        if params:
            return super().to_pyarrow(expr, params=params, limit=limit, **kwargs)
        return expr.__pyarrow_result__(self._brought(expr, limit).to_pyarrow())

    def to_pyarrow_batches(self, expr: Any, /, *, params: Any = None, limit: Any = None, **kwargs: Any) -> Any:
        """Return the answer as batches of Arrow."""
        if params:
            return super().to_pyarrow_batches(expr, params=params, limit=limit, **kwargs)
        return self._brought(expr, limit).to_pyarrow_batches(**kwargs)

    def _brought(self, expr: Any, limit: Any) -> Any:
        table = expr.as_table()
        return self.bring(table.limit(limit) if isinstance(limit, int) else table)

    def _register_in_memory_table(self, op: Any) -> None:
        """Load a table of this process; Ibis would send two statements in one text, which a warehouse refuses."""
        if self.lend is None:
            super()._register_in_memory_table(op)
        else:
            self.lend(op.data.to_pyarrow(schema=op.schema), op.name)

    def _get_schema_using_query(self, query: str) -> sch.Schema:
        """Return the columns of a query, as the connector describes them: nothing is run."""
        with contextlib.closing(self.con.cursor()) as cursor:
            return sch.Schema({column.name: _type(column) for column in cursor.describe(query)})


def _type(column: Any) -> types.DataType:
    """Return the type of a column of an answer, by the connector's numbers of Snowflake's types."""
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    name, scale = FIELD_ID_TO_NAME[column.type_code], column.scale or 0
    if name == "FIXED":
        return types.Decimal(column.precision, scale) if scale else types.int64
    return types.dtype(_TYPES.get(name, "string"))


_TYPES = {
    "REAL": "float64",
    "DATE": "date",
    "TIMESTAMP": "timestamp(6)",
    "TIMESTAMP_LTZ": "timestamp('UTC', 6)",
    "TIMESTAMP_TZ": "timestamp('UTC', 6)",
    "TIMESTAMP_NTZ": "timestamp(6)",
    "VARIANT": "json",
    "OBJECT": "json",
    "ARRAY": "json",
    "BINARY": "binary",
    "TIME": "time",
    "BOOLEAN": "boolean",
}
"""Snowflake's types of answers; a text is a text, and so is what is not listed."""
