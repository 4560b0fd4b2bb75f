"""Snowflake as a tracker: runs in its experiments, models in its Model Registry, all in the environment's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import ConfigError
from firnflow.models.tracking.snowflake import experiments, monitors, registry
from firnflow.stores.snowflake.account import Account
from firnflow.stores.snowflake.connection import where

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.models.tracking.base import Model, Story
    from firnflow.project import Settings


class SnowflakeTracker:
    """The schema that `[environments.NAME.snowflake]` names.

    Args:
        settings: the environment.
        root: the project's folder.

    Raises:
        ConfigError: the section `tracking` names a place of its own, or a model monitor cannot be kept.
    """

    live = False
    stores_models = True

    def __init__(self, settings: Settings, root: Path) -> None:
        tracking, section = settings.tracking, settings.snowflake
        if tracking.url is not None or tracking.artifacts is not None:
            raise ConfigError(
                f"{where(settings, root)}: tracking: url and artifacts say nothing of Snowflake. Mend: connection, "
                f"database and schema in [environments.{settings.environment}.snowflake]"
            )
        parts = (section.connection or "default", section.database, section.schema_)
        self.place = " ".join(part for part in parts if part)
        self._mark = f"firnflow project={settings.project} environment={settings.environment}"
        self._account = Account(settings, root)
        is_there = settings.warehouse == "snowflake"  # the tables in which predictions stand
        if is_there:
            monitors.check(settings, root)
        wanted = settings.monitors if is_there else {}
        self._monitors = monitors.Monitors(self._account, self._mark, wanted, section.warehouse)

    def check(self) -> None:
        """Raise FirnflowError where Snowflake does not let us in, or no schema is named."""
        self._account.rows("SELECT 1")
        _ = self._account.schema

    def tell(self, story: Story, known: dict[str, str]) -> dict[str, str]:
        """Take a run in."""
        return known | experiments.tell(self._account, story)

    def mirror(self, model: Model, known: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """Make the Model Registry say the same."""
        return registry.mirror(self._account, model, known, self._mark, self._monitors)

    def close(self) -> None:
        """Close the connection."""
        self._account.close()
