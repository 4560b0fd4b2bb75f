"""What a table must be, as plain data: one vocabulary, written in Python or, with the same words, in catalog.toml.

Each rule stops what it is checked for, unless it stands under `warn`, where the same words only report.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_serializer,
)
from pydantic import model_validator as validator

from firnflow._text import nearest
from firnflow.graph.units import parse_duration
from firnflow.graph.where import fail, here

TYPES = {
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "int": "BIGINT",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float": "DOUBLE",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "json": "JSON",
}
"""The types of the rules, and what the warehouse calls them; besides `decimal(precision, scale)`."""

_DECIMAL = re.compile(r"decimal\((\d{1,2}), ?(\d{1,2})\)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_REFERENCE = re.compile(r"(?P<table>[A-Za-z][A-Za-z0-9_]{0,99})\.(?P<column>.+)", re.DOTALL)


def duckdb_type(name: str) -> str:
    """Return what the warehouse calls a type of the rules. Raises ValueError where it is none."""
    if name in TYPES:
        return TYPES[name]
    match = _DECIMAL.fullmatch(name)
    if match is None or not 1 <= int(match[1]) <= 38 or int(match[2]) > int(match[1]):
        known = f"{', '.join(TYPES)}, decimal(precision, scale)"
        raise ValueError(f"{name!r} is no type.{nearest(name, TYPES)} Known: {known}")
    return name.upper()


def _type(name: str) -> str:
    duckdb_type(name)
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


def _moment(value: Any) -> Any:
    """Return a bound that went through JSON as what it was."""
    if not isinstance(value, str):
        return value
    try:
        return dt.date.fromisoformat(value) if _DAY.fullmatch(value) else dt.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no number, day or moment") from None


def _keys(value: Any) -> Any:
    """Return a list of keys, of which one may be written without a list around it."""
    if isinstance(value, str):
        return ((value,),)
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return (tuple(value),)
    return value


def _references(text: str) -> str:
    if _REFERENCE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no column of a table: write 'customers.id'")
    return text


def listed(value: Any) -> Any:
    """Return the rules of a column that `amount = "int"` is short for."""
    return {"type": value} if isinstance(value, str) else value


Scalar = StrictBool | StrictInt | StrictFloat | dt.datetime | dt.date | StrictStr
Bound = Annotated[StrictInt | StrictFloat | dt.datetime | dt.date, BeforeValidator(_moment)]
Key = Annotated[tuple[StrictStr, ...], Field(min_length=1)]
Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
OnFailure = Literal["stop", "quarantine"]


class _Rules(BaseModel):
    """The base: unknown words are an error, which in a user's module names file and line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            place = here()
            if place.module.startswith(("firnflow.", "pydantic.")):  # a part of other rules, or of a file
                raise
            problem = error.errors()[0]
            at = [type(self).__name__, *map(str, problem["loc"])]
            if problem["type"] == "extra_forbidden":
                word = at.pop()
                fail(f"{'.'.join(at)}: there is no rule {word!r}", place, nearest(word, WORDS - {word}))
            said = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should")
            fail(f"{'.'.join(at)}: {said}", place)

    @model_serializer(mode="wrap")
    def _short(self, plain: Any) -> dict[str, Any]:
        """Return what is said, and not what goes without saying."""
        return {name: value for name, value in plain(self).items() if name in self.model_fields_set}


class ColumnRules(_Rules):
    """What the values of a column must be. A value that is null breaks no rule but `null`.

    Attributes:
        null: whether values may be missing.
        min: the least value.
        max: the greatest.
        values: those that there may be.
        pattern: must match a text from its beginning to its end (RE2).
        unique: whether no two rows may have the same value.
        references: a column of a named table that must have the value: `customers.id`.
        drift: how far the distribution may be from that of the last versions: the population stability index.
    """

    null: StrictBool = True
    min: Bound | None = None
    max: Bound | None = None
    values: tuple[Scalar, ...] | None = Field(default=None, min_length=1)
    pattern: Annotated[str, AfterValidator(_pattern)] | None = None
    unique: StrictBool = False
    references: Annotated[str, AfterValidator(_references)] | None = None
    drift: Annotated[float, Field(gt=0)] | None = None

    @property
    def referenced(self) -> tuple[str, str] | None:
        """The table and the column that `references` names."""
        match = _REFERENCE.fullmatch(self.references or "")
        return (match["table"], match["column"]) if match else None


class Column(ColumnRules):
    """What a column must be.

    Attributes:
        type: of its values; a column without one has whatever type it has.
        null_values: texts of a file that stand for null, besides those of the source.
        format: how dates and times are written in a file, as strftime: `%d.%m.%Y`.
        warn: rules that only report.
    """

    type: Annotated[str, AfterValidator(_type)] | None = None
    null_values: tuple[StrictStr, ...] = ()
    format: str | None = None
    warn: ColumnRules | None = None

    @validator(mode="after")
    def _consistent(self) -> Column:
        if self.format and self.type not in {"date", "time", "timestamp"}:
            raise ValueError("`format` needs type = 'date', 'time' or 'timestamp'")
        for rules in filter(None, (self, self.warn)):
            if rules.pattern and self.type not in {None, "string"}:
                raise ValueError("`pattern` needs type = 'string'")
            for bound in (rules.min, rules.max):
                dated = isinstance(bound, dt.date)
                if bound is not None and self.type is not None and dated != self.type.startswith(("date", "timestamp")):
                    raise ValueError(f"the bound {bound} does not fit type = {self.type!r}")
        return self


class Freshness(_Rules):
    """The newest value of a column, a day or a moment, must not lie longer ago.

    Attributes:
        column: which.
        within: how long, in seconds or as text: `36h`. A day stands for its end.
    """

    column: StrictStr
    within: Seconds


class RowChange(_Rules):
    """How many rows there may be, as a multiple of those of the last versions: of the median of what was published.

    Attributes:
        min: the least multiple: 0.5 is half as many.
        max: the greatest.
    """

    min: Annotated[float, Field(ge=0)] | None = None
    max: Annotated[float, Field(gt=0)] | None = None


class TableRules(_Rules):
    """What a table as a whole must be.

    Attributes:
        min_rows: the fewest rows; 0 lets an empty table pass.
        max_rows: the most.
        row_change: how many, against the last versions.
        unique: columns that together tell rows apart, or a list of such keys; rows in which one is null are left out.
        fresh: how old the newest row may be.
    """

    min_rows: Annotated[StrictInt, Field(ge=0)] | None = None
    max_rows: Annotated[StrictInt, Field(ge=1)] | None = None
    row_change: RowChange | None = None
    unique: Annotated[tuple[Key, ...], BeforeValidator(_keys)] = ()
    fresh: Freshness | None = None


class Checks(TableRules):
    """All rules of a table.

    Attributes:
        columns: column → its rules, or its type. Each must be there.
        extra: whether there may be other columns.
        warn: rules that only report.
        versions: how many of the last versions `row_change` and `drift` look at, together.
        on_failure: what rows that break a rule do: `stop`: nothing goes on; `quarantine`: the others do. Either way
            they are kept in the quarantine table. Rules of the table as a whole always stop.
        max_quarantined: the greatest share of rows that may be set aside; more, and nothing goes on.
    """

    min_rows: Annotated[StrictInt, Field(ge=0)] | None = 1
    columns: dict[str, Annotated[Column, BeforeValidator(listed)]] = {}
    extra: StrictBool = True
    warn: TableRules | None = None
    versions: Annotated[StrictInt, Field(ge=1, le=100)] = 1
    on_failure: OnFailure = "stop"
    max_quarantined: Annotated[float, Field(gt=0, le=1)] = 0.1

    @property
    def named(self) -> list[str]:
        """The columns that the rules name, each once."""
        tables: list[TableRules] = [self, *([self.warn] if self.warn else [])]
        of_keys = [name for rules in tables for key in rules.unique for name in key]
        return list(dict.fromkeys([*self.columns, *of_keys, *(rules.fresh.column for rules in tables if rules.fresh)]))

    @property
    def referenced(self) -> list[str]:
        """The named tables that `references` names, in this order, each once."""
        found = [each.referenced for _, _, each in self.by_severity()]
        return list(dict.fromkeys(pair[0] for pair in found if pair))

    @property
    def looks_back(self) -> bool:
        """Whether a rule compares with the last versions."""
        tables = [self, *([self.warn] if self.warn else [])]
        return any(rules.row_change for rules in tables) or any(each.drift for _, _, each in self.by_severity())

    @property
    def timed(self) -> bool:
        """Whether a rule asks what time it is."""
        return self.fresh is not None or (self.warn is not None and self.warn.fresh is not None)

    def by_severity(self) -> list[tuple[str, Severity, ColumnRules]]:
        """Return column, severity and rules, those that stop first."""
        stop: list[tuple[str, Severity, ColumnRules]] = [(name, "error", each) for name, each in self.columns.items()]
        return [*stop, *((name, "warn", each.warn) for name, each in self.columns.items() if each.warn)]


Severity = Literal["error", "warn"]
WORDS = {*Column.model_fields, *Checks.model_fields, *Freshness.model_fields}
"""All words of the vocabulary."""
