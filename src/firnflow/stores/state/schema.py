"""The tables of the state database. A change here needs a migration; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import JSON

REVISION = "0002"
"""The migration that made the tables as they are below."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in a column of type INTEGER

graph = Table(
    "graph",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("json", Text, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("pipeline", String(200), nullable=False),
    Column("environment", String(100), nullable=False),
    Column("status", String(20), nullable=False),  # running, succeeded, failed, cancelled, crashed
    Column("graph", String(64), ForeignKey("graph.digest"), nullable=False),
    Column("params", JSON, nullable=False),
    Column("request", JSON, nullable=False),  # what was asked for: selection, inputs, cache
    Column("origin", JSON, nullable=False),  # who and what code: user, host, commit, versions
    Column("owner", String(200), nullable=False),  # the process that holds the lease
    Column("epoch", Integer, nullable=False),  # counts the processes that have held it: the fencing token
    Column("lease_until", Float, nullable=False),  # seconds since 1970
    Column("cancel_requested", Integer, nullable=False, default=0),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("error", Text),
    Index(None, "pipeline", "started_at"),
    Index(None, "status"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("run", String(80), ForeignKey("run.id"), nullable=False),
    Column("task", String(900), nullable=False),
    Column("element", Integer, nullable=False),  # index in a map, -1 where there is none
    Column("elements", Integer),  # how many elements the map has
    Column("label", String(200)),  # how people call the element
    Column("number", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("status", String(20), nullable=False),  # running, succeeded, cached, failed, lost, cancelled, skipped, …
    Column("key", String(64), nullable=False),
    Column("inputs", JSON, nullable=False),  # argument → digest
    Column("outputs", JSON),  # output → ref
    Column("metrics", JSON),
    Column("error", JSON),
    Column("cached_from", _Id),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("peak_memory", BigInteger),  # bytes
    Index(None, "run", "task", "element", "number", unique=True),
    Index(None, "key", "status"),
)

identity = Table(
    "identity",
    metadata,
    Column("id", String(32), primary_key=True),  # one row: what the database is called in artifact stores
)

garbage = Table(
    "garbage",
    metadata,
    Column("place", String(120), primary_key=True),  # a stored value that nothing refers to
    Column("since", Float, nullable=False),  # since when, in seconds since 1970
)
