"""The tables of the state database. A change here needs a migration; a test holds the two together."""

from __future__ import annotations

import json
import math
from typing import Any

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import JSON, TypeDecorator

REVISION = "0007"
"""The migration that made the tables as they are below."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class _Written(TypeDecorator[Any]):
    """JSON as a text, for Snowflake: its own kind of JSON changes numbers."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what is written; None is written as JSON's null, as elsewhere."""
        return json.dumps(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002 - likewise
        """Return what was meant."""
        return None if value is None else json.loads(value)


_Json = JSON().with_variant(_Written(), "snowflake")


class _Figures(TypeDecorator[Any]):
    """JSON of figures by name, NaN as null: PostgreSQL takes no other JSON."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        """Return what writes the JSON."""
        return dialect.type_descriptor(_Written() if dialect.name == "snowflake" else JSON())

    def process_bind_param(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what is written."""
        return value and {name: None if math.isnan(figure) else figure for name, figure in value.items()}

    def process_result_value(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002 - likewise
        """Return what was meant; what is damaged as it is."""
        if not isinstance(value, dict):
            return value
        return {name: math.nan if figure is None else figure for name, figure in value.items()}


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
    Column("params", _Json, nullable=False),
    Column("request", _Json, nullable=False),  # what was asked for: selection, inputs, cache
    Column("origin", _Json, nullable=False),  # who and what code: user, host, commit, versions
    Column("owner", String(200), nullable=False),  # the process that holds the lease
    Column("epoch", Integer, nullable=False),  # counts the processes that have held it: the fencing token
    Column("lease_until", Float, nullable=False),  # seconds since 1970
    Column("cancel_requested", Integer, nullable=False, default=0),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("error", Text),
    Column("partition", String(100)),  # the key of what it is for
    Column("due", Float),  # the moment of the schedule that it was started for, in seconds since 1970
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
    Column("inputs", _Json, nullable=False),  # argument → digest
    Column("outputs", _Json),  # output → ref
    Column("metrics", _Figures),
    Column("error", _Json),
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

# Figures as they came about; the last value of each stands in its attempt too. They go with the run.
metric = Table(
    "metric",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("run", String(80), ForeignKey("run.id"), nullable=False),
    Column("attempt", _Id, nullable=False),
    Column("task", String(900), nullable=False),
    Column("element", Integer, nullable=False),
    Column("name", String(250), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("value", Float),  # null: not a number
    Column("at", Float, nullable=False),  # seconds since 1970
    Index(None, "run", "attempt"),
)

# What a tracker has been told of a run, or (`run` = `model:NAME`) of a model.
tracked = Table(
    "tracked",
    metadata,
    Column("backend", String(100), primary_key=True),
    Column("run", String(300), primary_key=True),
    Column("remote", _Json, nullable=False),  # what the tracker calls it
    Column("sent", _Json, nullable=False),  # what of it was told
    Column("updated_at", Float, nullable=False),
)

# No foreign keys to runs below: a model outlives the run that made it.
model_version = Table(
    "model_version",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("status", String(20), nullable=False),  # registered, archived, deleted
    Column("digest", String(64), nullable=False),
    Column("ref", _Json, nullable=False),  # of the stored model
    Column("run", String(80)),
    Column("task", String(900)),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("metadata", _Json, nullable=False),  # signature, data digests, code, metrics, holdout
    Column("tags", _Json, nullable=False),
    Index(None, "run", "task"),
)

model_alias = Table(
    "model_alias",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("alias", String(100), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("since", Float, nullable=False),
)

# The audit: rows are added, never changed.
promotion = Table(
    "promotion",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False),
    Column("alias", String(100), nullable=False),
    Column("action", String(20), nullable=False),  # promote, rollback, request, approve, reject, archive, delete, …
    Column("from_version", Integer),
    Column("to_version", Integer),
    Column("by", String(200), nullable=False),
    Column("at", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("verdict", _Json),
    Column("run", String(80)),
    Column("task", String(900)),
    Index(None, "name", "id"),
    Index(None, "run", "task"),
)

# What people or services are to be told, until they have been told.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("topic", String(40), nullable=False),
    Column("key", String(300), nullable=False),  # the same thing is told once
    Column("payload", _Json, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("next_at", Float, nullable=False),  # not before
    Column("tries", Integer, nullable=False),
    Column("sent_at", Float),
    Column("error", Text),
    Index(None, "topic", "key", unique=True),
    Index(None, "topic", "sent_at"),
)

# How far the moments of a pipeline's schedule are written down as `due`.
schedule = Table(
    "schedule",
    metadata,
    Column("pipeline", String(200), primary_key=True),
    Column("environment", String(100), primary_key=True),
    Column("counts", Text),  # the part of the schedule that says when; null: none was seen yet
    Column("since", Float, nullable=False),  # all moments up to this one are written down, or have passed for good
    Column("seen", _Json, nullable=False),  # of OnUpdate: what no run is to be started for any more
    Column("paused_at", Float),
    Column("paused_by", String(200)),
)

# The ledger: what `firnflow up` has to run, each moment once. Rows are settled, and deleted when they are old.
due = Table(
    "due",
    metadata,
    Column("pipeline", String(200), primary_key=True),
    Column("environment", String(100), primary_key=True),
    Column("due", Float, primary_key=True),  # seconds since 1970
    Column("cause", String(20), nullable=False),  # schedule, update, trigger
    Column("status", String(20), nullable=False),  # waiting, started, ended, missed
    Column("run", String(80), nullable=False),  # fixed with the row: whoever starts it, it is this run
    Column("assignments", _Json, nullable=False),  # of a trigger: `name=value`
    Column("tries", Integer, nullable=False),  # how often its process died
    Column("settled_at", Float),
    Column("outcome", Text),  # how its run ended, or why there is none
    Column("partition", String(100)),  # the key of what the run is for
    Index(None, "environment", "status"),
    Index(None, "run", unique=True),
)

# Each version of each feature view that was applied; the one that was applied last is the view's current one.
feature_view = Table(
    "feature_view",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("definition", _Json, nullable=False),  # what the version is the digest of
    Column("about", _Json, nullable=False),  # for people: description, owner, tags, what columns mean
    Column("made_at", Float, nullable=False),  # when the version was applied first, in seconds since 1970
    Column("applied_at", Float, nullable=False),
    Column("applied_by", String(200), nullable=False),
)

# The ledger of partitions: of each the run that is for it, and how that stands. It outlives the run.
partition_ledger = Table(
    "partition_ledger",
    metadata,
    Column("pipeline", String(200), primary_key=True),
    Column("environment", String(100), primary_key=True),
    Column("partition", String(100), primary_key=True),
    Column("status", String(20), nullable=False),  # running, succeeded, failed, cancelled, crashed, outdated
    Column("run", String(80), nullable=False),
    Column("since", Float, nullable=False),  # seconds since 1970
    Column("error", Text),
    Index(None, "run"),
)

# What an environment has deployed to a target. Who applies takes it by compare and swap of the serial.
deployment = Table(
    "deployment",
    metadata,
    Column("project", String(100), primary_key=True),
    Column("environment", String(100), primary_key=True),
    Column("target", String(20), primary_key=True),
    Column("serial", Integer, nullable=False),  # counts how often it was taken: the fencing token
    Column("owner", String(200)),  # the process that applies; null: none does
    Column("lease_until", Float),  # seconds since 1970
    Column("at", Float, nullable=False),  # when it was taken last, in seconds since 1970
    Column("by", String(200), nullable=False),
)

deployed_resource = Table(
    "deployed_resource",
    metadata,
    Column("project", String(100), primary_key=True),
    Column("environment", String(100), primary_key=True),
    Column("target", String(20), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("name", String(300), primary_key=True),
    Column("digest", String(64), nullable=False),  # of what was applied
    Column("facts", _Json, nullable=False),  # what people want to know of it
    Column("position", Integer, nullable=False),  # in the order in which resources are made
    Column("applied", Integer, nullable=False),  # 0: an apply has begun to make it
    Column("at", Float, nullable=False),
    Column("by", String(200), nullable=False),
)

# The audit: rows are added, never changed.
deployment_change = Table(
    "deployment_change",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("project", String(100), nullable=False),
    Column("environment", String(100), nullable=False),
    Column("target", String(20), nullable=False),
    Column("serial", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("name", String(300), nullable=False),
    Column("action", String(20), nullable=False),  # create, change, adopt, remove, forget
    Column("digest", String(64)),  # null: it is gone
    Column("at", Float, nullable=False),
    Column("by", String(200), nullable=False),
    Index(None, "project", "environment", "target", "id"),
)
