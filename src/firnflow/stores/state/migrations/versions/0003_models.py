"""The course of metrics, models with their aliases and audit, and what services have been told.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _tracking()
    _models()
    op.create_table(
        "outbox",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(40), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.Float),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_topic_key", "outbox", ["topic", "key"], unique=True)
    op.create_index("ix_outbox_topic_sent_at", "outbox", ["topic", "sent_at"])


def _tracking() -> None:
    op.create_table(
        "metric",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("attempt", _ID, nullable=False),
        sa.Column("task", sa.String(900), nullable=False),
        sa.Column("element", sa.Integer, nullable=False),
        sa.Column("name", sa.String(250), nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metric"),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_metric_run"),
    )
    op.create_index("ix_metric_run_attempt", "metric", ["run", "attempt"])
    op.create_table(
        "tracked",
        sa.Column("backend", sa.String(100), nullable=False),
        sa.Column("run", sa.String(300), nullable=False),
        sa.Column("remote", sa.JSON, nullable=False),
        sa.Column("sent", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("backend", "run", name="pk_tracked"),
    )


def _models() -> None:
    op.create_table(
        "model_version",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("ref", sa.JSON, nullable=False),
        sa.Column("run", sa.String(80)),
        sa.Column("task", sa.String(900)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_model_version"),
    )
    op.create_index("ix_model_version_run_task", "model_version", ["run", "task"])
    op.create_table(
        "model_alias",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("alias", sa.String(100), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("name", "alias", name="pk_model_alias"),
    )
    op.create_table(
        "promotion",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("alias", sa.String(100), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("from_version", sa.Integer),
        sa.Column("to_version", sa.Integer),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("verdict", sa.JSON),
        sa.Column("run", sa.String(80)),
        sa.Column("task", sa.String(900)),
        sa.PrimaryKeyConstraint("id", name="pk_promotion"),
    )
    op.create_index("ix_promotion_name_id", "promotion", ["name", "id"])
    op.create_index("ix_promotion_run_task", "promotion", ["run", "task"])
