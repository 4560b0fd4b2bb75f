"""catalog.toml: the tables and files outside the project, with their declared schema and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictBool, StrictStr
from pydantic import model_validator as validator

from firnflow.errors import NotFoundError
from firnflow.graph.names import Name
from firnflow.graph.rules import Checks, Column, listed
from firnflow.project.secrets import Secret, has_password, hide_all
from firnflow.project.snowflake import SnowflakeName
from firnflow.project.toml import STRICT, read_toml, validated

if TYPE_CHECKING:
    from pathlib import Path

FILE = "catalog.toml"

SNOWFLAKE = "snowflake"
"""The `connection` of a query in the environment's account of Snowflake."""
_PLACES = ("url", "table", "view", "where", "query", "connection", "version", "revision", "repo")
_NO_CONNECTION = (
    "`connection` belongs to a `query`; a `table` or `view` of Snowflake's is read by the connection that the "
    "environment names: leave `connection` out"
)

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


def _encoding(name: str) -> str:
    try:
        b"x".decode(name, "replace")
    except (LookupError, ValueError):
        raise ValueError(f"{name!r} is no text encoding. Write e.g. 'utf-8', 'latin-1', 'cp1252', 'utf-16'") from None
    return name


def _repository(place: str) -> str:
    scheme, found, _ = place.partition("://")
    if (found and scheme not in {"https", "http", "ssh", "git", "file"}) or "::" in scheme:
        raise ValueError(f"{place!r} is no git repository: a path, https://…, ssh://… or git@host:path")
    if has_password(place):
        raise ValueError("holds a password. Mend: let git's credential helper know it")
    return place


Letter = Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[^\r\n\x00]$")]


class Source(BaseModel):
    """One table or set of files outside the project: files, objects, what a query finds, or a table in Snowflake.

    Attributes:
        name: its name in the catalog.
        path: a file or a pattern (`data/*.csv`), relative to the project.
        url: an object or a pattern in an object store.
        table: a table in the environment's account of Snowflake, as it is written in SQL: `raw.shop.orders`.
        view: likewise a view.
        where: which rows of `table` or `view`, a condition in Snowflake's SQL.
        query: a SELECT; `connection` is the database's URL, by reference: `env:CRM_URL`; or `snowflake`.
        version: a SELECT whose answer changes when that of `query` does; without it the source is read in each run.
        revision: a tag, branch or commit of git: `path` is what DVC keeps there.
        repo: the git repository of `path`, a path or a URL; default: the one that the project is in.
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
    table: SnowflakeName | None = None
    view: SnowflakeName | None = None
    where: Annotated[str, Field(min_length=1)] | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    connection: Secret | None = None
    version: Annotated[str, Field(min_length=1)] | None = None
    revision: Annotated[str, Field(pattern=r"^[^-\s][^\s]*$")] | None = None
    repo: Annotated[str, Field(pattern=r"^[^-\s\x00][^\x00]*$"), AfterValidator(_repository)] | None = None
    format: Literal["csv", "parquet", "jsonl"] | None = None
    delimiter: Letter | None = None
    quote: Letter = '"'
    header: StrictBool = True
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    decimal: Literal[".", ","] = "."
    null_values: tuple[StrictStr, ...] = Field(default=("",), min_length=1)
    columns: dict[str, Annotated[Column, BeforeValidator(listed)]] = {}
    checks: Checks = Checks()

    @validator(mode="after")
    def _consistent(self) -> Source:
        if sum(place is not None for place in (self.path, self.url, self.query, self.table, self.view)) != 1:
            raise ValueError("needs one of `path`, `url`, `query`, `table` and `view`")
        if self.where is not None and self.table is None and self.view is None:
            raise ValueError("`where` belongs to a `table` or a `view`")
        if self.query is not None and self.connection is None:
            raise ValueError('a `query` needs a `connection`: the database that answers it, e.g. "env:CRM_URL"')
        if self.connection is not None and self.query is None:
            raise ValueError(_NO_CONNECTION)
        if self.version is not None and self.query is None:
            raise ValueError("`version` belongs to a `query`")
        if self.path is None and (self.revision is not None or self.repo is not None):
            raise ValueError("`revision` and `repo` belong to a `path`")
        if not self.header and not self.columns:
            raise ValueError("header = false needs the names of all columns, in order, under `columns`")
        if self.checks.columns:
            raise ValueError("`checks.columns` is not known: the rules of columns stand under `columns`")
        return self

    @property
    def rules(self) -> Checks:
        """All rules of the table: those of its columns too."""
        return self.checks.model_copy(update={"columns": self.columns})

    @property
    def in_snowflake(self) -> bool:
        """Whether it is a table, a view or a query in the environment's account of Snowflake."""
        by = self.connection.reference if self.connection is not None else ""
        return self.table is not None or self.view is not None or by == SNOWFLAKE

    @property
    def place(self) -> str:
        """Where it is, as it stands in the catalog: a secret stays a reference."""
        if self.table is not None or self.view is not None:
            return f"table {self.table}" if self.table is not None else f"view {self.view}"
        if self.query is not None:
            return f"query at {self.connection.reference}" if self.connection else "query"
        if self.path is None:
            return self.url.reference if self.url else ""
        return " ".join(filter(None, [self.repo, f"{self.revision}:{self.path}" if self.revision else self.path]))

    def at(self, place: str) -> Source:
        """Return the source with its data taken from another path or URL, as `--input name=PATH` asks for."""
        moved: dict[str, Any] = dict.fromkeys(_PLACES)
        moved |= {"path": place}
        if "://" in place:
            moved |= {"path": None, "url": Secret(place)}
        return self.model_copy(update=moved)


def _unnamed(value: Any) -> Any:
    if isinstance(value, dict) and "name" in value:
        raise ValueError("`name` is not known: the table's own name is the source's")
    known = Source.model_fields
    misplaced = (
        [word for word in value if word in Checks.model_fields and word not in known] if isinstance(value, dict) else []
    )
    if misplaced:
        raise ValueError(f"`{misplaced[0]}` is a rule: it belongs under `checks`, as `checks.{misplaced[0]} = …`")
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
