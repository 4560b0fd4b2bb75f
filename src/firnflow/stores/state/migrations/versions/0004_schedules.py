"""Schedules: how far their moments are written down, and the ledger of what is due.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "schedule",
        sa.Column("pipeline", sa.String(200), nullable=False),
        sa.Column("environment", sa.String(100), nullable=False),
        sa.Column("counts", sa.Text),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("seen", sa.JSON, nullable=False),
        sa.Column("paused_at", sa.Float),
        sa.Column("paused_by", sa.String(200)),
        sa.PrimaryKeyConstraint("pipeline", "environment", name="pk_schedule"),
    )
    op.create_table(
        "due",
        sa.Column("pipeline", sa.String(200), nullable=False),
        sa.Column("environment", sa.String(100), nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("assignments", sa.JSON, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("settled_at", sa.Float),
        sa.Column("outcome", sa.Text),
        sa.PrimaryKeyConstraint("pipeline", "environment", "due", name="pk_due"),
    )
    op.create_index("ix_due_environment_status", "due", ["environment", "status"])
    op.create_index("ix_due_run", "due", ["run"], unique=True)
