"""Partitions: what each run is for, and the ledger of which partition is done by which run.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns and the table."""
    op.add_column("run", sa.Column("partition", sa.String(100)))
    op.add_column("run", sa.Column("due", sa.Float))
    op.add_column("due", sa.Column("partition", sa.String(100)))
    op.create_table(
        "partition_ledger",
        sa.Column("pipeline", sa.String(200), nullable=False),
        sa.Column("environment", sa.String(100), nullable=False),
        sa.Column("partition", sa.String(100), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("pipeline", "environment", "partition", name="pk_partition_ledger"),
    )
    op.create_index("ix_partition_ledger_run", "partition_ledger", ["run"])
