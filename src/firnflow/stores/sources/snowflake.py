"""Tables, views and queries of the environment's account of Snowflake, as sources.

What a run reads is settled when it starts: a text that differs when the data does, and the moment. Of what keeps its
history (https://docs.snowflake.com/en/user-guide/data-time-travel) the rows of that moment are read, whenever they are
read; else those that are there, and whoever reads is told whether they are still the same. See decision 46.

https://docs.snowflake.com/en/sql-reference/functions/system_last_change_commit_time: the text is made of this number,
which grows with each change of a table, or of one of the tables that a view reads.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`; queries are the catalog's own
from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from firnflow import _sql
from firnflow._text import listing
from firnflow.errors import ConfigError, DataError, NotFoundError, StoreError, UsageError
from firnflow.graph.rules import duckdb_type
from firnflow.stores.checks.subject import Field, Subject
from firnflow.stores.snowflake import loading
from firnflow.stores.snowflake.names import LONGEST, identifier, literal, parts
from firnflow.stores.snowflake.session import MISSING, CutError, said
from firnflow.stores.sources.declared import check_declared
from firnflow.stores.sources.raw import Part, Raw, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from firnflow.project.catalog import Source
    from firnflow.stores.snowflake.account import Account
    from firnflow.stores.warehouse import DuckDBWarehouse
    from firnflow.values.ref import Ref

FORBIDDEN = 3001
"""Snowflake's number of "insufficient privileges"."""
_TRIES = 3
_TYPES = {
    "REAL": "DOUBLE",
    "TEXT": "VARCHAR",
    "DATE": "DATE",
    "TIME": "TIME",
    "BOOLEAN": "BOOLEAN",
    "BINARY": "BLOB",
    "TIMESTAMP_NTZ": "TIMESTAMP",
    "TIMESTAMP_LTZ": "TIMESTAMPTZ",
    "TIMESTAMP_TZ": "TIMESTAMPTZ",
    **dict.fromkeys(("VARIANT", "OBJECT", "ARRAY"), "JSON"),
}
"""What Snowflake's connector calls a type → what the warehouse does; whole and decimal numbers are told apart below."""
_MICROSECONDS, _DIGITS_OF_INT64 = 6, 18
_LEAST, _MOST = -(2**63), 2**63 - 1


class Settled(NamedTuple):
    """What a run reads of a source: `version` differs when the data does, `at` is the moment, in ms since 1970."""

    version: str
    at: int | None


@dataclass(frozen=True)
class Found:
    """A source as it is in the account.

    Attributes:
        shown: what people call it.
        columns: name → type, as the warehouse calls it.
        risky: column → the condition, in Snowflake's SQL, under which a value of it does not fit that type.
        version: a text that differs when its rows, its columns or its place do.
        keeps_history: whether its rows of an earlier moment can be read.
        changed: when it was changed last, in seconds since 1970; 0: nobody says.
        size: bytes; 0: nobody says.
    """

    shown: str
    columns: dict[str, str]
    risky: dict[str, str]
    version: str
    keeps_history: bool = False
    changed: float = 0.0
    size: int = 0


def found(account: Account, spec: Source) -> Found:
    """Return a source as it is now; no rows are read.

    Raises:
        NotFoundError: there is no such table, or the role may not see it.
        StoreError: the role may not read it, or Snowflake cannot be reached.
        DataError: the query fails, or a column has a type that cannot be read.
        ConfigError: the name is none, or nothing says in which schema it is.
    """
    where = account.rows("SELECT CURRENT_ORGANIZATION_NAME() AS org, CURRENT_ACCOUNT_NAME() AS name")[0]
    columns, risky = _columns(account, spec)
    told: list[Any] = [where["org"], where["name"], spec.query, spec.where, columns]
    if spec.query is not None:
        answer = repr(_asked(account, spec, spec.version)) if spec.version is not None else uuid.uuid4().hex
        return Found(f"the answer of {spec.name}", columns, risky, _digest([*told, answer]))
    place = _place(account, spec)
    sql = _written(place)
    row = _shown(account, place)
    stamp = _asked(account, spec, f"SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME({literal(sql)}) AS stamp")[0]["stamp"]
    told += [sql, row.get("kind"), str(row.get("created_on")), int(stamp) if stamp is not None else uuid.uuid4().hex]
    keeps = row.get("kind") == "TABLE" and int(row.get("retention_time") or 0) > 0
    return Found(sql, columns, risky, _digest(told), keeps, int(stamp or 0) / 1e9, int(row.get("bytes") or 0))


def settled(account: Account, spec: Source) -> Settled:
    """Return what a run reads that starts now. Raises as `found`."""
    before = found(account, spec)
    if not before.changed:
        return Settled(before.version, None)
    for _ in range(_TRIES):
        now = "SELECT DATE_PART(EPOCH_MILLISECOND, CURRENT_TIMESTAMP()) AS now"
        moment = int(account.rows(now)[0]["now"]) + 1  # what was committed within this millisecond counts
        after = found(account, spec)
        if after.version == before.version:
            return Settled(after.version, moment)
        before = after
    return Settled(uuid.uuid4().hex, moment)  # it changes all the time: no other run reads the same


class Reading:
    """The rows of a source, for one run.

    Args:
        account: where.
        spec: the source.
        settled: what the run reads; None: what is there.

    Raises:
        As `found`.
    """

    def __init__(self, account: Account, spec: Source, settled: Settled | None) -> None:
        self._account, self._spec, self._settled = account, spec, settled
        self.found = found(account, spec)
        self._moment = self._clause()
        self.natural = {
            name: _wider(kind, spec.columns[name].type if name in spec.columns else None)
            for name, kind in self.found.columns.items()
        }

    @property
    def parts(self) -> tuple[str, ...]:
        """Database, schema and name of a table or view. Raises ConfigError."""
        return _place(self._account, self._spec)

    @property
    def rows(self) -> str:
        """The rows, as a SELECT in Snowflake's SQL."""
        if self._spec.query is not None:
            return f"SELECT * FROM (\n{_sql.without_end(self._spec.query)}\n)"
        return f"SELECT * FROM {self.found.shown}{self._moment}{_where(self._spec)}"

    @property
    def as_declared(self) -> bool:
        """Whether each column has the type that is declared of it, and all that is there counts."""
        for name, column in self._spec.columns.items():
            wanted = duckdb_type(column.type) if column.type else self.natural.get(name)
            if column.null_values or (name in self.natural and wanted != self.natural[name]):
                return False
        return True

    def is_settled(self) -> bool:
        """Return whether the rows that were read are those that the run reads. Raises as `found`."""
        if self._moment or self._settled is None or not self.found.changed:
            return True
        return found(self._account, self._spec).version == self._settled.version

    def check(self, most: int | None = None) -> None:
        """Raise DataError where a value does not fit the type of its column: no digit is ever lost unseen.

        Args:
            most: how many rows are looked at, whichever; None: all.
        """
        risky = {name: bad for name, bad in self.found.risky.items() if not self.natural[name].startswith("DECIMAL")}
        if not risky:
            return
        counts = ", ".join(f"COUNT_IF({bad}) AS C{at}" for at, bad in enumerate(risky.values()))
        (row,) = _asked(self._account, self._spec, f"SELECT {counts} FROM ({self.rows}{_limit(most)})")
        wrong = [name for name, count in zip(risky, row.values(), strict=True) if count]
        if wrong:
            kind = self.found.columns[wrong[0]]
            mend = f"{identifier(wrong[0])}::{'TIME' if kind == 'TIME' else 'TIMESTAMP_NTZ'}({_MICROSECONDS})"
            how = (
                f"columns.{wrong[0]} = 'decimal(38, 0)' in catalog.toml"
                if kind == "BIGINT"
                else f"query = 'SELECT {mend} …' in catalog.toml cuts them off"
            )
            what = "whole numbers beyond 64 bits" if kind == "BIGINT" else "fractions finer than microseconds"
            raise DataError(f"{self._spec.name}: {listing(wrong)} of {self.found.shown} has {what}. Mend: {how}")

    def fetched(self, embedded: DuckDBWarehouse, path: Path, names: list[str], most: int | None = None) -> None:
        """Write rows to a Parquet file, whose columns are c0, c1 and so on.

        Args:
            embedded: writes the file.
            path: of the file.
            names: which columns; none: there is one for the rows to be counted.
            most: how many rows, whichever; None: all.
        """
        kinds = embedded.ibis_types({f"c{at}": self.natural[name] for at, name in enumerate(names)})
        chosen = ", ".join(f'{_sql.identifier(name)} AS "c{at}"' for at, name in enumerate(names))
        rows = f"FROM (SELECT {chosen} FROM ({self.rows}){_limit(most)})"
        try:
            with self._account.asking(rows) as connection:
                loading.fetch_by(connection, embedded, rows, kinds, path)
        except StoreError as error:
            _refuse(self._account, self._spec, error)

    def read(self, embedded: DuckDBWarehouse, scratch: Path, most: int | None = None) -> Raw:
        """Fetch the rows, as those of other sources are read: types and checks come after. Raises as `found`."""
        self.check(most)
        target, names = scratch / "snowflake.parquet", list(self.natural)
        self.fetched(embedded, target, names, most)
        part = Part(self.found.shown, target, tuple(f"c{at}" for at in range(len(names))))
        return Raw((part,), columns_of(embedded.connection, (part,), names), has_places=False)

    def subject(self, ref: Ref, fetch: Callable[[list[str]], Path]) -> Subject:
        """Return the rows that were made a table in Snowflake as what is checked.

        Args:
            ref: of the table.
            fetch: writes columns of the table, in this order, to a Parquet file.
        """
        kinds = dict(self.natural)
        check_declared(self._spec, list(kinds), self.found.shown)
        named = [name for name in kinds if name in self._spec.rules.named]
        if named:
            relation = f"SELECT * FROM {_sql.parquet_rows(fetch(named))}"
        else:
            relation = f"SELECT * FROM range({int((ref.meta or {})['rows'])})"
        there = {name: _sql.identifier(name) if name in named else "NULL" for name in kinds}
        return Subject(
            name=self._spec.name,
            relation=relation,
            fields=tuple(Field(name, sql, sql, sql, kinds[name]) for name, sql in there.items()),
            declared_by="catalog.toml declares",
            done="nothing was loaded",
            called=f"{self._spec.name} ({self.found.shown})",
            mend=f"correct the data, or change the rules of [{self._spec.name}] in catalog.toml",
        )

    def _clause(self) -> str:
        """Return AT, where the rows of the moment can be had: a table that was made anew has none."""
        if self._settled is None or self._settled.at is None or not self.found.keeps_history:
            return ""
        moment = dt.datetime.fromtimestamp(self._settled.at / 1000, dt.UTC)
        text = literal(moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{self._settled.at % 1000:03d}+00:00")
        clause = f" AT(TIMESTAMP => {text}::TIMESTAMP_TZ)"
        return clause if self._account.possible(f"SELECT 1 FROM {self.found.shown}{clause} LIMIT 1") else ""


def _columns(account: Account, spec: Source) -> tuple[dict[str, str], dict[str, str]]:
    """Return the columns of a source with their types, and of those that may not fit them the condition."""
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    query = f"(\n{_sql.without_end(spec.query)}\n)" if spec.query is not None else ""
    try:
        described = account.described(f"SELECT * FROM {query or _written(_place(account, spec))}{_where(spec)}")
    except StoreError as error:
        _refuse(account, spec, error)
    columns: dict[str, str] = {}
    risky: dict[str, str] = {}
    for each in described:
        kind, name = FIELD_ID_TO_NAME[each.type_code], _sql.identifier(each.name)
        if each.name in columns:
            raise DataError(f"{spec.name}: two columns are named {each.name!r}. Mend: rename one with AS")
        if kind == "FIXED":
            whole = not each.scale
            columns[each.name] = "BIGINT" if whole else f"DECIMAL({each.precision}, {each.scale})"
            if whole and (each.precision or 0) > _DIGITS_OF_INT64:
                risky[each.name] = f"{name} NOT BETWEEN {_LEAST} AND {_MOST}"
            continue
        if kind not in _TYPES:
            raise DataError(
                f"{spec.name}: column {each.name!r} is of type {kind}, which cannot be read. Mend: leave it out, or "
                "make a text of it, in catalog.toml: query = 'SELECT …, TO_VARCHAR(…) AS …', connection = 'snowflake'"
            )
        columns[each.name] = _TYPES[kind]
        if kind.startswith("TIME") and (each.scale or 0) > _MICROSECONDS:
            risky[each.name] = f"{name}::{kind}({_MICROSECONDS}) <> {name}"
    return columns, risky


def _wider(kind: str, declared: str | None) -> str:
    """Return the type in which a column is read: whole numbers that are declared as something else keep all digits."""
    if kind != "BIGINT" or declared is None:
        return kind
    wanted = duckdb_type(declared)
    if wanted.startswith("DECIMAL"):
        return wanted if wanted.endswith(", 0)") else "DECIMAL(38, 0)"
    return kind


def _place(account: Account, spec: Source) -> tuple[str, ...]:
    """Return database, schema and name of a table or view, as Snowflake keeps them."""
    text = spec.table or spec.view or ""
    try:
        given = parts(text)
    except UsageError:
        raise ConfigError(
            f"{spec.name}: {text!r} is no name in Snowflake. Mend: database.schema.table, and what has blanks, small "
            f"letters or other signs in double quotes: 'raw.shop.\"my orders\"'"
        ) from None
    if any(len(each) > LONGEST for each in given):
        raise ConfigError(f"{spec.name}: {text[:40]!r}… has a name of more than {LONGEST} characters")
    missing = len(("database", "schema", "name")) - len(given)
    return (*account.schema[:missing], *given) if missing else given


def _where(spec: Source) -> str:
    return f" WHERE (\n{_sql.without_end(spec.where)}\n)" if spec.where is not None else ""


def _limit(most: int | None) -> str:
    return f" LIMIT {most}" if most is not None else ""


def _written(place: tuple[str, ...]) -> str:
    return ".".join(map(_sql.identifier, place))


def _shown(account: Account, place: tuple[str, ...]) -> Mapping[str, Any]:
    """Return what SHOW says of a table or view; nothing where it says nothing."""
    pattern = literal(place[2].replace("\\", "_"))
    rows = account.rows(f"SHOW OBJECTS LIKE {pattern} IN SCHEMA {_written(place[:2])}")
    return next((row for row in rows if row["name"] == place[2]), {})


def _asked(account: Account, spec: Source, query: str) -> list[dict[str, Any]]:
    try:
        return account.rows(query)
    except StoreError as error:
        _refuse(account, spec, error)


def _refuse(account: Account, spec: Source, error: StoreError) -> NoReturn:
    """Raise what has gone wrong as people know it; what is said as it is keeps what the connector has said."""
    told = _told(account, spec, error)
    if told is error:
        raise error
    raise told from error


def _told(account: Account, spec: Source, error: StoreError) -> Exception:
    """Return what has gone wrong, with the grant that mends it."""
    from snowflake.connector.errors import ProgrammingError

    if isinstance(error, CutError):
        return error
    cause = error.__cause__ if error.__cause__ is not None else error
    code = getattr(cause, "errno", None)
    if spec.query is not None and code is not None:
        return DataError(f"{spec.name}: the query fails: {said(cause)}")
    if code not in (*MISSING, FORBIDDEN):
        failed = spec.where is not None and isinstance(cause, ProgrammingError)
        return DataError(f"{spec.name}: `where` fails: {said(cause)}. Mend: see catalog.toml") if failed else error
    role = account.rows("SELECT CURRENT_ROLE() AS role")[0]["role"]
    kind, name = ("TABLE", spec.table) if spec.table is not None else ("VIEW", spec.view)
    grant = f"GRANT SELECT ON {kind} {name} TO ROLE {identifier(str(role))}"
    if code == FORBIDDEN:
        return StoreError(f"{spec.name}: role {role} may not read {name}: {said(cause)}. Mend: {grant}")
    return NotFoundError(
        f"{spec.name}: there is no {kind.lower()} {name} in Snowflake, or role {role} may not see it. "
        f"Mend: {kind.lower()} = '…' in catalog.toml, or {grant}, and USAGE on its database and schema"
    )


def _digest(told: list[Any]) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
