"""Schema migrations by alembic; its version table is ours alone, so that MLflow or Optuna can share the database."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from firnflow.errors import StateError
from firnflow.stores.state import schema

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Engine

VERSION_TABLE = "firnflow_version"
_LOCK = 0x6669726E  # one number for PostgreSQL's advisory lock: two processes must not migrate at once


def upgrade(engine: Engine, current: str | None) -> None:
    """Bring the tables to `schema.REVISION`.

    Raises:
        StateError: they were made by a newer Firnflow.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise StateError(
            f"the state database is at version {current}, which this Firnflow does not know: it was made by a newer "
            "one. Mend: upgrade Firnflow, or name another database by `state =` in firnflow.toml"
        )
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, schema.REVISION)


def alembic_config() -> Config:
    """Return alembic's configuration on our migrations; the caller sets `attributes["connection"]`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
