"""The registry of feature views: each version of each view, and which one was applied last.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "feature_view",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("definition", sa.JSON, nullable=False),
        sa.Column("about", sa.JSON, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("applied_at", sa.Float, nullable=False),
        sa.Column("applied_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_feature_view"),
    )
