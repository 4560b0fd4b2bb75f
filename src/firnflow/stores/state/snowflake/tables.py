"""The state's tables in Snowflake, as hybrid tables: keys are enforced, which can only be said when they are made.

https://docs.snowflake.com/en/sql-reference/sql/create-hybrid-table
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from firnflow.errors import StateError
from firnflow.stores.snowflake.session import MISSING, said
from firnflow.stores.state import schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_own = sa.MetaData()
version = sa.Table("firnflow_version", _own, sa.Column("version_num", sa.String(32), primary_key=True))
lock = sa.Table(
    "firnflow_lock",
    _own,
    sa.Column("name", sa.String(300), primary_key=True),
    sa.Column("owner", sa.String(200), nullable=False),  # "": nobody holds it beyond a transaction
    sa.Column("until", sa.Float, nullable=False),  # seconds since 1970
)
"""What PostgreSQL has advisory locks for: a row a name, locked by a transaction, or held until a moment."""
_NOWHERE = (*MISSING, 90105, 90106)
"""Codes for what is not there: a table, the schema, the database."""


def found_version(engine: Engine) -> str | None:
    """Return the revision of the tables, or None where there are none."""
    with engine.connect() as connection:
        try:
            found = connection.execute(sa.select(version.c.version_num)).scalar()
        except ProgrammingError as error:
            if getattr(error.orig, "errno", None) not in _NOWHERE:
                raise
            return None
    return str(found) if found else None


def create(engine: Engine, identity: str) -> None:
    """Make the tables, and the schema where there is none; whoever does it at once makes them once.

    Args:
        engine: on the schema.
        identity: what the database is to be called in artifact stores.
    """
    make(engine, schema.metadata, _own)
    try:
        with engine.begin() as connection:  # the first row lets only one of several write the second
            connection.execute(version.insert().values(version_num=schema.REVISION))
            connection.execute(schema.identity.insert().values(id=identity))
    except IntegrityError:
        return


def make(engine: Engine, *of: sa.MetaData) -> None:
    """Make tables where there are none: as hybrid tables, which SQLAlchemy knows nothing of.

    Raises:
        StateError: the account has no hybrid tables, or the role may not make them.
    """
    try:
        with engine.connect() as connection:
            for table in (table for metadata in of for table in metadata.sorted_tables):
                connection.exec_driver_sql(statement(table, engine.dialect))
    except ProgrammingError as error:
        raise StateError(
            f"the state database cannot be made: {said(error.orig or error)}. Mend: the role needs CREATE HYBRID TABLE "
            "in the schema; an account without hybrid tables (trial, Google Cloud) keeps its state in PostgreSQL"
        ) from error


def hold(connection: Connection, name: str) -> None:
    """Wait until no other transaction holds a name, and hold it until this one ends."""
    if connection.execute(lock.update().where(lock.c.name == name).values(until=lock.c.until)).rowcount == 0:
        connection.execute(lock.insert().values(name=name, owner="", until=0.0))


def statement(table: sa.Table, dialect: Any) -> str:
    """Return what makes a table."""
    quote = dialect.identifier_preparer.quote

    def names(columns: Any) -> str:
        return f"({', '.join(quote(column.name) for column in columns)})"

    parts = []
    for column in table.columns:
        kind = dialect.type_compiler_instance.process(column.type)
        counts = " AUTOINCREMENT ORDER" if column is table.autoincrement_column else ""
        parts.append(f"{quote(column.name)} {kind}{'' if column.nullable else ' NOT NULL'}{counts}")
    parts.append(f"PRIMARY KEY {names(table.primary_key.columns)}")
    for key in sorted(table.foreign_key_constraints, key=lambda each: str(each.name)):
        (element,) = key.elements
        parts.append(f"FOREIGN KEY {names(key.columns)} REFERENCES {quote(key.referred_table.name)} ")
        parts[-1] += names([element.column])
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        word = "UNIQUE" if index.unique else f"INDEX {quote(str(index.name))}"
        parts.append(f"{word} {names(index.columns)}")
    inside = ",\n  ".join(parts)
    return f"CREATE HYBRID TABLE IF NOT EXISTS {quote(table.name)} (\n  {inside}\n)"
