"""How the values of each type get into Snowflake and out again, so that they come back equal.

What goes in is Parquet, what comes out is Arrow. Both have types that the other side changes: decimals become doubles,
timestamps lose their range, whole numbers get narrower. So values travel as what nobody changes (whole numbers,
doubles, texts, booleans), and either side makes of them what the column is.

Conversions: https://docs.snowflake.com/en/sql-reference/functions-conversion
Parts of a moment: https://docs.snowflake.com/en/sql-reference/functions-date-time
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.datatypes as types
    import pyarrow as pa

_UNITS = {0: ("EPOCH_SECOND", "s"), 3: ("EPOCH_MILLISECOND", "ms"), 6: ("EPOCH_MICROSECOND", "us")}
_MAKERS = {"double": "float64", "bool": "bool_"}
_NANO = ("EPOCH_NANOSECOND", "ns")


@dataclass(frozen=True, slots=True)
class Column:
    """How one type travels; in the texts `{}` stands for the value.

    Attributes:
        kind: the column's type in Snowflake.
        load: SQL of Snowflake: from the travelling value to the column's.
        fetch: SQL of Snowflake: from the column's value to the travelling one.
        pack: SQL of DuckDB: from the value to the travelling one.
        unpack: SQL of DuckDB: back; None: a cast to the type itself.
        arrow: the travelling value's type, `int64`, `double`, `string`, `bool` or `date32`.
    """

    kind: str
    load: str
    fetch: str = "{}"
    pack: str = "{}"
    unpack: str | None = None
    arrow: str = "string"

    @property
    def staged(self) -> str:
        """The travelling value's type in Snowflake."""
        return {"int64": "NUMBER(38, 0)", "double": "FLOAT", "bool": "BOOLEAN"}.get(self.arrow, "VARCHAR")

    def arrow_type(self) -> pa.DataType:
        """Return the travelling value's type in Arrow."""
        import pyarrow as pa

        made: pa.DataType = getattr(pa, _MAKERS.get(self.arrow, self.arrow))()
        return made


_WHOLE = Column("NUMBER(38, 0)", "{}", pack="CAST({} AS BIGINT)", arrow="int64")
_LARGE = Column("NUMBER(20, 0)", "{}::NUMBER(20, 0)", "CAST({} AS VARCHAR)", "CAST({} AS VARCHAR)")
_FLOAT = Column("FLOAT", "{}", pack="CAST({} AS DOUBLE)", arrow="double")
_BOOLEAN = Column("BOOLEAN", "{}", arrow="bool")
_TEXT = Column("VARCHAR", "{}", pack="CAST({} AS VARCHAR)")
_BINARY = Column("BINARY", "TO_BINARY({}, 'HEX')", "HEX_ENCODE({})", "hex({})", "unhex({})")
_DATE = Column("DATE", "TO_DATE({}, 'YYYY-MM-DD')", pack="CAST({} AS VARCHAR)", arrow="date32")
_TIME = Column(
    "TIME(6)",
    "TIMEADD(MICROSECOND, {}, '00:00:00'::TIME(6))",
    "DATEDIFF(MICROSECOND, '00:00:00'::TIME, {})",
    "epoch_us({})",
    "TIME '00:00:00' + to_microseconds({})",
    "int64",
)
_JSON = Column("VARIANT", "PARSE_JSON({})", "TO_JSON({})", "CAST(to_json({}) AS VARCHAR)")


def column(name: str, kind: types.DataType) -> Column:
    """Return how the values of a column travel.

    Args:
        name: of the column, for the message.
        kind: its type, as Ibis says it.

    Raises:
        DataError: Snowflake has no type for it.
    """
    found = _column(kind)
    if found is None:
        raise DataError(
            f"The column {name!r} is {kind}, for which Snowflake has no type. Mend: cast it, e.g. to a text"
        )
    return found


def _column(kind: Any) -> Column | None:
    if kind.is_timestamp():
        return _moment(kind)
    if kind.is_decimal():
        return _decimal(kind)
    if kind.is_integer():
        return _LARGE if str(kind).lstrip("!") == "uint64" else _WHOLE
    if kind.is_array():
        return _nested("ARRAY")
    if kind.is_struct() or kind.is_map():
        return _nested("OBJECT")
    plain = {
        _BOOLEAN: kind.is_boolean(),
        _FLOAT: kind.is_floating(),
        _TEXT: kind.is_string() or kind.is_uuid(),
        _BINARY: kind.is_binary(),
        _DATE: kind.is_date(),
        _TIME: kind.is_time(),
        _JSON: kind.is_json(),
    }
    return next((each for each, holds in plain.items() if holds), None)


def _moment(kind: Any) -> Column:
    """Return how moments travel: as the number of units since 1970, whatever zone they are shown in."""
    scale = 6 if kind.scale is None else kind.scale
    part, unit = _UNITS.get(scale, _NANO)
    digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    zoned = kind.timezone is not None
    name = "TIMESTAMP_TZ" if zoned else "TIMESTAMP_NTZ"
    made = {"s": "make_timestamp({} * 1000000)", "ms": "make_timestamp({} * 1000)", "us": "make_timestamp({})"}
    unpack = made.get(unit, "make_timestamp_ns({})")
    return Column(
        f"{name}({digits})",
        f"TO_{name}({{}}, {digits})",
        f"DATE_PART({part}, {{}})",
        f"epoch_{unit}({{}})" if unit != "s" else "CAST(epoch({}) AS BIGINT)",
        f"timezone('UTC', {unpack})" if zoned else unpack,
        "int64",
    )


def _decimal(kind: Any) -> Column | None:
    precision, scale = kind.precision or 18, 3 if kind.scale is None else kind.scale
    if precision > 38:
        return None
    name = f"NUMBER({precision}, {scale})"
    return Column(name, f"{{}}::{name}", "CAST({} AS VARCHAR)", "CAST({} AS VARCHAR)")


def _nested(name: str) -> Column:
    return Column(
        name,
        f"PARSE_JSON({{}})::{name}",
        "TO_JSON({})",
        "CAST(to_json({}) AS VARCHAR)",
        "CAST({} AS JSON)",
    )
