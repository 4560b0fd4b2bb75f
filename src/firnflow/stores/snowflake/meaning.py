"""Ibis's compiler for Snowflake, for functions that mean something else there than in DuckDB: they mean the same here.

Each method has the name of what it compiles, and says what differs.
"""

# ruff: noqa: ARG002, N802 - Ibis calls methods by the names of operations, and gives them these
from __future__ import annotations

from typing import Any, ClassVar

import ibis.expr.datatypes as types
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import NULL
from ibis.backends.sql.compilers.snowflake import SnowflakeCompiler
from ibis.common.exceptions import UnsupportedOperationError

_HASHES = {"md5": ("md5", ()), "sha1": ("sha1", ()), "sha256": ("sha2", (256,)), "sha512": ("sha2", (512,))}
_MOMENT = "YYYY-MM-DD HH24:MI:SS.FF6"


class SameMeaning(SnowflakeCompiler):  # type: ignore[misc]
    """The compiler, without the places where both would give other values."""

    SIMPLE_OPS: ClassVar[dict[Any, str]] = {}

    def visit_Greatest(self, op: Any, *, arg: Any) -> Any:
        """GREATEST is NULL where one of its arguments is; in DuckDB those do not count."""
        return self.f.anon.greatest_ignore_nulls(*arg)

    def visit_Least(self, op: Any, *, arg: Any) -> Any:
        """LEAST likewise."""
        return self.f.anon.least_ignore_nulls(*arg)

    def visit_RegexExtract(self, op: Any, *, arg: Any, pattern: Any, index: Any) -> Any:
        """REGEXP_SUBSTR finds NULL where nothing matches; in DuckDB that is an empty text."""
        found = super().visit_RegexExtract(op, arg=arg, pattern=pattern, index=index)
        return self.if_(arg.is_(NULL), NULL, self.f.coalesce(found, ""))

    def visit_HexDigest(self, op: Any, *, arg: Any, how: str) -> Any:
        """Ibis does not say it, though Snowflake has it."""
        if how not in _HASHES:
            raise UnsupportedOperationError(f"Snowflake has no hash {how!r}. It has {', '.join(_HASHES)}")
        name, more = _HASHES[how]
        return self.f.anon[name](arg, *more)

    def visit_ExtractMillisecond(self, op: Any, *, arg: Any) -> Any:
        """What is left of an epoch before 1970 is negative; in DuckDB it is counted from the second."""
        return self._positive(self.f.extract("epoch_millisecond", arg), 1_000)

    def visit_ExtractMicrosecond(self, op: Any, *, arg: Any) -> Any:
        """Microseconds likewise."""
        return self._positive(self.f.extract("epoch_microsecond", arg), 1_000_000)

    def _positive(self, value: Any, by: Any) -> Any:
        return (value % by + by) % by

    def visit_DateDelta(self, op: Any, *, part: Any, left: Any, right: Any) -> Any:
        """DATEDIFF counts the Mondays between two days; DuckDB counts whole weeks."""
        if str(part.this).lower() != "week":
            return super().visit_DateDelta(op, part=part, left=left, right=right)
        return self.cast(self.f.trunc(self.f.datediff("day", right, left) / 7), types.int64)

    def visit_TimestampDelta(self, op: Any, *, part: Any, left: Any, right: Any) -> Any:
        """TIMESTAMPDIFF likewise."""
        return self.visit_DateDelta(op, part=part, left=left, right=right)

    def visit_FloorDivide(self, op: Any, *, left: Any, right: Any) -> Any:
        """A quotient of NUMBERs is rounded to six digits, and its FLOOR can be too large: of wholes, nothing is left.

        https://docs.snowflake.com/en/sql-reference/operators-arithmetic#division
        """
        if not (op.left.dtype.is_integer() and op.right.dtype.is_integer()):
            return self.cast(self.f.floor(self.binop(sge.Div, self.cast(left, op.dtype), right)), op.dtype)
        left, right = (sge.paren(each, copy=False) for each in (left, right))
        rest = sge.paren(self._positive(left, right))
        return self.cast(sge.paren(left - rest) / right, op.dtype)

    def visit_ArrayPosition(self, op: Any, *, arg: Any, other: Any) -> Any:
        """Ibis says that no array has no such element; in DuckDB that is NULL."""
        return self.if_(arg.is_(NULL), NULL, super().visit_ArrayPosition(op, arg=arg, other=other))

    def visit_ArrayCollect(self, op: Any, *, arg: Any, **more: Any) -> Any:
        """ARRAY_AGG of no values is an empty array; in DuckDB it is NULL."""
        where = more.get("where")
        kept = arg if where is None else self.if_(where, arg, NULL)
        return self.if_(self.f.count(kept) > 0, super().visit_ArrayCollect(op, arg=arg, **more), NULL)

    def visit_GroupConcat(self, op: Any, *, arg: Any, where: Any, sep: Any, order_by: Any) -> Any:
        """LISTAGG of no rows is an empty text; in DuckDB it is NULL.

        https://docs.snowflake.com/en/sql-reference/functions/listagg
        """
        kept = arg if where is None else self.if_(where, arg, NULL)
        found = super().visit_GroupConcat(op, arg=kept, where=None, sep=sep, order_by=order_by)
        return self.if_(self.f.count(kept) > 0, found, NULL)

    def visit_TryCast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """Ibis casts, which fails; TRY_CAST takes texts only."""
        return sge.TryCast(this=self.cast(arg, types.string), to=self.type_mapper.from_ibis(to))

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """Halves become the next even number in DuckDB, and moments have as many digits as they need.

        https://docs.snowflake.com/en/sql-reference/data-type-conversion: halves are rounded away from zero, and moments
        have three digits behind the point.
        """
        kind = op.arg.dtype
        if kind.is_floating() and to.is_integer():
            is_half = self.f.abs(arg - self.f.trunc(arg)).eq(0.5)
            return self.cast(self.if_(is_half, 2 * self.f.round(arg / 2), self.f.round(arg)), to)
        if kind.is_timestamp() and to.is_string():
            text = self.f.anon.regexp_replace(self.f.to_char(arg, _MOMENT), "[.]?0+$", "")
            return text if kind.timezone is None else self.f.concat(text, "+00")
        return super().visit_Cast(op, arg=arg, to=to)
