"""Runs, attempts and their graphs.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "graph",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("json", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_graph"),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("pipeline", sa.String(200), nullable=False),
        sa.Column("environment", sa.String(100), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("graph", sa.String(64), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("cancel_requested", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.ForeignKeyConstraint(["graph"], ["graph.digest"], name="fk_run_graph"),
    )
    op.create_index("ix_run_pipeline_started_at", "run", ["pipeline", "started_at"])
    op.create_index("ix_run_status", "run", ["status"])
    op.create_table(
        "attempt",
        sa.Column("id", _ID, nullable=False, autoincrement=True),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("task", sa.String(900), nullable=False),
        sa.Column("element", sa.Integer, nullable=False),
        sa.Column("elements", sa.Integer),
        sa.Column("label", sa.String(200)),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("outputs", sa.JSON),
        sa.Column("metrics", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("cached_from", _ID),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("peak_memory", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_attempt_run"),
    )
    op.create_index("ix_attempt_run_task_element_number", "attempt", ["run", "task", "element", "number"], unique=True)
    op.create_index("ix_attempt_key_status", "attempt", ["key", "status"])
