"""Model monitors: the champion's version is watched in Snowflake, those before it stand still, deleted ones are gone.

A monitor names one version, and cannot be moved to another, so it comes about where versions and champions are told,
not with a deployment: https://docs.snowflake.com/en/sql-reference/sql/create-model-monitor. Each is called after its
version, `CHURN_V3`. Its comment has our mark, and a digest of what it is to be: one that somebody else has made is left
alone.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import hash_json
from firnflow.errors import ConfigError, StoreError
from firnflow.stores.snowflake.account import in_account
from firnflow.stores.snowflake.connection import where
from firnflow.stores.snowflake.names import identifier, literal
from firnflow.stores.snowflake.session import CutError
from firnflow.stores.state.models import CHAMPION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from firnflow.models.tracking.base import Model
    from firnflow.project import Settings
    from firnflow.project.monitors import Monitor
    from firnflow.stores.snowflake.account import Account

FUNCTION = "predict"
"""The function of our versions that is monitored."""
_DAY, _SHORTEST, _MOST_SEGMENTS = 86_400, 60, 5
_ACTUAL = {"TABULAR_BINARY_CLASSIFICATION": "ACTUAL_CLASS_COLUMNS", "TABULAR_REGRESSION": "ACTUAL_SCORE_COLUMNS"}
_SUSPENDED, _ACTIVE = "SUSPENDED", "ACTIVE"


def check(settings: Settings, root: Path) -> None:
    """Raise ConfigError for a monitor that Snowflake cannot keep, or that it cannot read the predictions of."""
    for name, monitor in settings.monitors.items():
        for problem in _problems(settings, monitor):
            raise ConfigError(f"{where(settings, root)}: [monitors.{name}] {problem}")


def _problems(settings: Settings, monitor: Monitor) -> Iterator[str]:
    environment = settings.environment
    if settings.warehouse != "snowflake":
        yield (
            f"reads the named table {monitor.table!r}, which is not in Snowflake here. Mend: warehouse = 'snowflake' "
            f"in [environments.{environment}], or another tracking than Snowflake"
        )
    if settings.snowflake.warehouse is None:
        yield f"is computed in a warehouse. Mend: warehouse = 'wh' in [environments.{environment}.snowflake]"
    if monitor.window % _DAY:
        yield "window: monitors of Snowflake are of whole days. Mend: window = '1d'"
    if monitor.every < _SHORTEST or monitor.every % 1:
        yield "every: monitors of Snowflake are refreshed every 60 seconds at the most. Mend: every = '1h'"
    if len(monitor.segments) > _MOST_SEGMENTS:
        yield f"segments: a monitor of Snowflake has {_MOST_SEGMENTS} at the most. Mend: leave some out"


class Monitors:
    """The monitors of an environment.

    Args:
        account: where.
        mark: begins the comment of what is ours.
        wanted: model → what is watched of it.
        warehouse: computes them, as it is written in SQL; None: there are none.
    """

    def __init__(self, account: Account, mark: str, wanted: Mapping[str, Monitor], warehouse: str | None) -> None:
        self._account, self._mark, self._wanted, self._warehouse = account, mark, wanted, warehouse

    def keep(self, model: Model, tasks: Mapping[int, str]) -> list[str]:
        """Have just the monitors of a model that there should be; return what people should know, a line each.

        Args:
            model: its versions and aliases.
            tasks: version in the registry → what it is for, in Snowflake's words.

        Raises:
            StoreError: Snowflake cannot be reached.
        """
        wanted, said = self._wanted.get(model.name), list[str]()
        there = self._there(model)
        champion = model.aliases.get(CHAMPION)
        deleted = {version.version for version in model.versions if version.status == "deleted"}
        for number, row in there.items():
            if not self._is_ours(model, row):
                said.append(f"model monitor {row['name']} is not of this project, and was left alone")
            elif wanted is None or number in deleted or number not in tasks:
                self._drop(model, number)
            elif number != champion and row["monitor_state"] != _SUSPENDED:
                self._account.rows(f"ALTER MODEL MONITOR {self._full(model, number)} SUSPEND")
        if wanted is not None and champion is not None and champion in tasks:
            now = there.get(champion)
            if now is None or self._is_ours(model, now):
                said += self._watch(model, champion, wanted, tasks[champion], now)
        return said

    def _watch(self, model: Model, number: int, wanted: Monitor, task: str, row: dict[str, Any] | None) -> list[str]:
        """Let a version be watched as it should be."""
        full, settings = self._full(model, number), self._settings(model, number, wanted, task)
        comment = f"{self._of(model)} {hash_json([settings, wanted.version])[:16]}"
        if row is not None and str(row["comment"]) == comment:
            if row["monitor_state"] != _ACTIVE:  # also where Snowflake has suspended a part of it, after failures
                self._account.rows(f"ALTER MODEL MONITOR {full} RESUME")
            return []
        try:
            if wanted.version is not None:
                self._account.rows(self._view(model, number, wanted.version, wanted.table))
            self._account.rows(f"CREATE OR REPLACE MODEL MONITOR {full} WITH {settings} COMMENT = {literal(comment)}")
        except CutError:
            raise
        except StoreError as error:
            why = str(error).partition("\n")[0]
            return [f"{model.name}/{number} is not monitored: {why}. Mend: put that right; then `firnflow send`"]
        return []

    def _settings(self, model: Model, number: int, wanted: Monitor, task: str) -> str:
        """Return the settings of a monitor, as SQL."""
        rows = self._rows(model, number) if wanted.version is not None else self._table(wanted.table)
        columns = {
            "ID_COLUMNS": wanted.key,
            "PREDICTION_SCORE_COLUMNS": _some(wanted.score),
            "PREDICTION_CLASS_COLUMNS": _some(wanted.predicted),
            _ACTUAL.get(task, "ACTUAL_CLASS_COLUMNS"): _some(wanted.actual),
            "SEGMENT_COLUMNS": wanted.segments,
        }
        given = {
            "MODEL": self._account.full(in_account(model.name)),
            "VERSION": literal(f"V{number}"),
            "FUNCTION": literal(FUNCTION),
            "SOURCE": rows,
            "WAREHOUSE": literal(str(self._warehouse)),
            "REFRESH_INTERVAL": literal(f"{int(wanted.every)} seconds"),
            "AGGREGATION_WINDOW": literal(f"{int(wanted.window / _DAY)} days"),
            "TIMESTAMP_COLUMN": literal(identifier(wanted.time)),
            **({"BASELINE": self._table(wanted.baseline)} if wanted.baseline is not None else {}),
            **{key: _listed(names) for key, names in columns.items() if names},
        }
        return " ".join(f"{key} = {value}" for key, value in given.items())

    def _view(self, model: Model, number: int, column: str, table: str) -> str:
        """Return what makes the view of just the rows that a version has predicted."""
        told, of = identifier(column), literal(self._of(model))
        rows = f"SELECT * EXCLUDE ({told}) FROM {self._table(table)} WHERE {told} = {number}"  # noqa: S608 - quoted
        return f"CREATE OR REPLACE VIEW {self._rows(model, number)} COMMENT = {of} AS {rows}"

    def _drop(self, model: Model, number: int) -> None:
        self._account.rows(f"DROP MODEL MONITOR IF EXISTS {self._full(model, number)}")
        rows = self._account.looked(
            f"SHOW VIEWS LIKE {_like(self._name(model, number) + '$ROWS')} IN SCHEMA {self._schema}"
        )
        if any(str(row["comment"]) == self._of(model) for row in rows or ()):
            self._account.rows(f"DROP VIEW IF EXISTS {self._rows(model, number)}")

    def _there(self, model: Model) -> dict[int, dict[str, Any]]:
        """Return the monitors that have the name of one for a version of a model, by its number."""
        start = self._name(model, None)
        rows = self._account.rows(f"SHOW MODEL MONITORS LIKE {_like(start)[:-1]}%' IN SCHEMA {self._schema}")
        found = ((re.fullmatch(re.escape(start) + r"(\d+)", str(row["name"])), row) for row in rows)
        return {int(match[1]): row for match, row in found if match is not None}

    def _is_ours(self, model: Model, row: dict[str, Any]) -> bool:
        return str(row["comment"]).startswith(f"{self._of(model)} ")

    def _of(self, model: Model) -> str:
        return f"{self._mark} model={model.name}"

    @staticmethod
    def _name(model: Model, number: int | None) -> str:
        return f"{in_account(model.name)}_V{'' if number is None else number}"

    def _full(self, model: Model, number: int) -> str:
        return self._account.full(self._name(model, number))

    def _rows(self, model: Model, number: int) -> str:
        return self._account.full(f"{self._name(model, number)}$ROWS")

    def _table(self, name: str) -> str:
        """Return the view that shows a named table's newest version."""
        return self._account.full(name.upper())

    @property
    def _schema(self) -> str:
        return ".".join(map(identifier, self._account.schema))


def tasks_of(rows: Mapping[str, dict[str, Any]]) -> dict[int, str]:
    """Return version → what it is for, by the rows of SHOW VERSIONS."""
    found = ((re.fullmatch(r"V(\d+)", name), row) for name, row in rows.items())
    return {int(match[1]): _task(row.get("model_attributes")) for match, row in found if match is not None}


def _task(attributes: object) -> str:
    found = json.loads(str(attributes or "{}"))
    return str(found.get("task", ""))


def _some(column: str | None) -> tuple[str, ...]:
    return () if column is None else (column,)


def _listed(columns: tuple[str, ...]) -> str:
    return f"({', '.join(literal(identifier(each)) for each in columns)})"


def _like(name: str) -> str:
    return literal(re.sub(r"([\\_%])", r"\\\1", name))
