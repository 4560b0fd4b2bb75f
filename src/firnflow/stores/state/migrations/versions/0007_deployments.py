"""Deployments: the resources of an environment on a target, who holds them, and who has done what.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WHICH = ("project", "environment", "target")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "deployment",
        *_which(),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(200)),
        sa.Column("lease_until", sa.Float),
        *_stamp(),
        sa.PrimaryKeyConstraint(*_WHICH, name="pk_deployment"),
    )
    op.create_table(
        "deployed_resource",
        *_which(),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("applied", sa.Integer, nullable=False),
        *_stamp(),
        sa.PrimaryKeyConstraint(*_WHICH, "kind", "name", name="pk_deployed_resource"),
    )
    op.create_table(
        "deployment_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        *_which(),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64)),
        *_stamp(),
    )
    columns = [*_WHICH, "id"]
    op.create_index("ix_deployment_change_project_environment_target_id", "deployment_change", columns)


def _which() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(20 if name == "target" else 100), nullable=False) for name in _WHICH]


def _stamp() -> list[sa.Column[object]]:
    return [sa.Column("at", sa.Float, nullable=False), sa.Column("by", sa.String(200), nullable=False)]
