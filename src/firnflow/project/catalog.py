"""catalog.toml: the tables and files outside the project, with their declared schema and checks."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic import model_validator as validator

from firnflow._text import nearest
from firnflow.errors import NotFoundError
from firnflow.graph.names import Name
from firnflow.project.secrets import Secret, hide_all
from firnflow.project.toml import STRICT, read_toml, validated

if TYPE_CHECKING:
    from pathlib import Path

FILE = "catalog.toml"

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
"""The types of the catalog, and what the warehouse calls them; besides `decimal(precision, scale)`."""

FORMATS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".ndjson.gz": "jsonl",
}

_DECIMAL = re.compile(r"decimal\((\d{1,2}), ?(\d{1,2})\)")


def duckdb_type(name: str) -> str:
    """Return what the warehouse calls a type of the catalog. Raises ValueError where it is none."""
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


def _encoding(name: str) -> str:
    try:
        b"x".decode(name, "replace")
    except (LookupError, ValueError):
        raise ValueError(f"{name!r} is no text encoding. Write e.g. 'utf-8', 'latin-1', 'cp1252', 'utf-16'") from None
    return name


def _listed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Scalar = StrictBool | StrictInt | StrictFloat | dt.datetime | dt.date | StrictStr
Bound = StrictInt | StrictFloat | dt.datetime | dt.date
Letter = Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[^\r\n\x00]$")]


class Column(BaseModel):
    """What a column must be. `pattern` must match a text from its beginning to its end.

    Attributes:
        null_values: texts that stand for null, besides those of the source.
        format: how dates and times are written, as strftime: `%d.%m.%Y`.
    """

    model_config = STRICT

    type: Annotated[str, AfterValidator(_type)] | None = None
    null: StrictBool = True
    null_values: tuple[StrictStr, ...] = ()
    format: str | None = None
    min: Bound | None = None
    max: Bound | None = None
    values: tuple[Scalar, ...] | None = Field(default=None, min_length=1)
    pattern: Annotated[str, AfterValidator(_pattern)] | None = None
    unique: StrictBool = False

    @validator(mode="after")
    def _consistent(self) -> Column:
        if self.format and self.type not in {"date", "time", "timestamp"}:
            raise ValueError("`format` needs type = 'date', 'time' or 'timestamp'")
        if self.pattern and self.type not in {None, "string"}:
            raise ValueError("`pattern` needs type = 'string'")
        for bound in (self.min, self.max):
            dated = isinstance(bound, dt.date)
            if bound is not None and self.type is not None and dated != self.type.startswith(("date", "timestamp")):
                raise ValueError(f"the bound {bound} does not fit type = {self.type!r}")
        return self


class Checks(BaseModel):
    """What the table as a whole must be.

    Attributes:
        min_rows: the fewest rows; 0 lets an empty table pass.
        unique: columns that together tell rows apart.
    """

    model_config = STRICT

    min_rows: StrictInt = Field(default=1, ge=0)
    max_rows: StrictInt | None = Field(default=None, ge=1)
    unique: tuple[str, ...] = ()


class Source(BaseModel):
    """One table or set of files outside the project: at `path`, at `url`, or what `query` finds at `connection`.

    Attributes:
        name: its name in the catalog.
        path: a file or a pattern (`data/*.csv`), relative to the project.
        url: an object or a pattern in an object store.
        query: a SELECT; `connection` is the database's URL, by reference: `env:CRM_URL`.
        version: a SELECT whose answer changes when that of `query` does; without it the source is read in each run.
        format: default: by the file's suffix.
        delimiter: what separates the fields of a CSV file; default: a comma, or a tab in `.tsv`.
        header: whether the first line of a CSV file names the columns; if not, `columns` does, in order.
        decimal: what separates the decimals in numbers of a CSV file.
        null_values: texts of a CSV file that stand for null.
    """

    model_config = STRICT

    name: str = Field(default="", exclude=True)
    description: str = ""
    path: Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")] | None = None
    url: Secret | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    connection: Secret | None = None
    version: Annotated[str, Field(min_length=1)] | None = None
    format: Literal["csv", "parquet", "jsonl"] | None = None
    delimiter: Letter | None = None
    quote: Letter = '"'
    header: StrictBool = True
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    decimal: Literal[".", ","] = "."
    null_values: tuple[StrictStr, ...] = Field(default=("",), min_length=1)
    columns: dict[str, Annotated[Column, BeforeValidator(_listed)]] = {}
    checks: Checks = Checks()

    @validator(mode="after")
    def _consistent(self) -> Source:
        if sum(place is not None for place in (self.path, self.url, self.query)) != 1:
            raise ValueError("needs one of `path`, `url` and `query`")
        if (self.query is None) != (self.connection is None):
            raise ValueError("`query` and `connection` belong together")
        if self.version is not None and self.query is None:
            raise ValueError("`version` belongs to a `query`")
        if not self.header and not self.columns:
            raise ValueError("header = false needs the names of all columns, in order, under `columns`")
        return self

    def at(self, place: str) -> Source:
        """Return the source with its data taken from another path or URL, as `--input name=PATH` asks for."""
        moved: dict[str, Any] = {"path": place, "url": None, "query": None, "connection": None, "version": None}
        if "://" in place:
            moved |= {"path": None, "url": Secret(place)}
        return self.model_copy(update=moved)


def _unnamed(value: Any) -> Any:
    if isinstance(value, dict) and "name" in value:
        raise ValueError("`name` is not known: the table's own name is the source's")
    return value


class _Catalog(BaseModel):
    model_config = STRICT

    sources: dict[Name, Annotated[Source, BeforeValidator(_unnamed)]]


def load_catalog(root: Path) -> dict[str, Source]:
    """Return the sources of a project by name; none where there is no catalog.toml.

    Raises:
        ConfigError: the file is wrong; says where and what is right.
    """
    path = root / FILE
    if not path.exists():
        return {}
    read = read_toml(path)
    catalog = validated(_Catalog, {"sources": read.data}, lambda keys: read.place(keys[1:]), root=root)
    hide_all(read.data, root)
    return {name: source.model_copy(update={"name": name}) for name, source in catalog.sources.items()}


def format_of(path: str, declared: str | None = None) -> str:
    """Return the format of a file: by its suffix, else as declared. Raises NotFoundError where neither says."""
    name = path.lower()
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(suffix):
            return FORMATS[suffix]
    if declared is None:
        raise NotFoundError(f"{path}: the format cannot be told from the name. Mend: format = 'csv' in {FILE}")
    return declared
