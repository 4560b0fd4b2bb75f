"""Feature views in Snowflake's Feature Store: entities, and dynamic tables or views that its own client can join.

A view becomes its timeline (`features.timeline`), computed in the account from the table or view of the source's name.
Snowflake joins it by the one time that it has, `SEEN`: what `training_set` gives for a moment `generate_training_set`
gives, too. A definition's version is the version there, so what is registered never changes its meaning; a version that
is there is only described anew. https://docs.snowflake.com/en/developer-guide/snowflake-ml/feature-store/overview
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from firnflow import _sql
from firnflow._text import listing
from firnflow.errors import ConfigError, FeatureError, FirnflowError, MissingExtraError, StoreError
from firnflow.features import joining
from firnflow.features.rows import rows
from firnflow.features.timeline import timeline
from firnflow.stores.snowflake.account import Account, in_account
from firnflow.stores.snowflake.connection import where
from firnflow.stores.snowflake.names import identifier, kept, literal
from firnflow.stores.snowflake.session import said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import ibis

    from firnflow.features.entity import Entity
    from firnflow.features.view import FeatureView
    from firnflow.project import Settings

NEW, RETOLD, SAME = "new", "described anew", "unchanged"
_LONGEST_ENTITY = 32  # characters, as Snowflake's client takes them


@dataclass(frozen=True, slots=True)
class Registered:
    """A view in the Feature Store.

    Attributes:
        view: the definition.
        action: `new`, `described anew`, or `unchanged`.
        place: what it is called there: `ORDERS_OF/3FA9C0E1B2D4`.
        lag: how old it may get, as Snowflake says it; None: it is computed when it is read.
    """

    view: FeatureView
    action: str
    place: str
    lag: str | None


def register(
    views: Sequence[FeatureView], settings: Settings, root: Path, *, dry_run: bool = False
) -> list[Registered]:
    """Make views, and their entities, in the Feature Store of the environment's schema; those that are there stay.

    Args:
        views: which.
        settings: the environment.
        root: the project's folder.
        dry_run: only look.

    Raises:
        FeatureError: a view cannot be there, its source is not what it says, or an entity has other keys there.
        ConfigError: no schema or warehouse is named.
        StoreError: Snowflake cannot be reached, or refuses.
    """
    account = Account(settings, root)
    try:
        with _quietly(), _told():
            store = _Store(account, settings, root, dry_run=dry_run)
            return [store.register(view) for view in views]
    finally:
        account.close()


class _Store:
    """The Feature Store of a schema."""

    def __init__(self, account: Account, settings: Settings, root: Path, *, dry_run: bool) -> None:
        self._account, self._settings, self._root, self._dry = account, settings, root, dry_run
        seconds = settings.snowflake.feature_lag
        self._lag = None if seconds is None else f"{max(1, round(seconds / 60))} minutes"
        try:
            from snowflake.ml import feature_store
        except ImportError:
            raise MissingExtraError("snowflake-ml-python", "snowflake") from None
        self._theirs = feature_store
        database, schema = account.schema
        self._client = feature_store.FeatureStore(
            account.session,
            _sql.identifier(database),
            _sql.identifier(schema),
            default_warehouse=_sql.identifier(self._warehouse()),
            creation_mode=feature_store.CreationMode.CREATE_IF_NOT_EXIST,
        )

    def register(self, view: FeatureView) -> Registered:
        """Make a view, or describe it anew."""
        name, version = view.name.upper(), view.version.upper()
        place = f"{name}/{version}"
        there = self._find(name, version)
        if there is not None:
            return Registered(view, self._retell(view, there), place, self._lag)
        wanted = self._view(view, name)
        if not self._dry:
            self._client.register_feature_view(wanted, version)
        return Registered(view, NEW, place, self._lag)

    def _find(self, name: str, version: str) -> Any:
        rows = self._client.list_feature_views(feature_view_name=name).collect()
        if not any(row["NAME"] == name and row["VERSION"] == version for row in rows):
            return None
        return self._client.get_feature_view(name, version)

    def _retell(self, view: FeatureView, there: Any) -> str:
        """Give a view that is there its words and its lag, where they are others."""
        words, is_as_old = _words(view), _minutes(self._lag) == _minutes(there.refresh_freq)
        if there.desc == words and is_as_old:
            return SAME
        if (there.refresh_freq is None) != (self._lag is None):
            now = "computed when it is read" if self._lag is not None else f"refreshed every {there.refresh_freq}"
            raise FeatureError(
                f"{view} is {now} in the Feature Store, which nobody can change; feature_lag in [environments."
                f"{self._settings.environment}.snowflake] says otherwise. Mend: set that back, or delete version "
                f"{there.version} of {there.name} there"
            )
        if not self._dry:
            more = {} if is_as_old else {"refresh_freq": self._lag}
            self._client.update_feature_view(str(there.name), str(there.version), desc=words, **more)
        return RETOLD

    def _view(self, view: FeatureView, name: str) -> Any:
        if not view.entities:
            raise FeatureError(f"{view} has no entity: Snowflake's Feature Store takes none such. Mend: entities=…")
        source = self._source(view)
        if isinstance(view.transform, str):
            view = replace(view, source=self._selected(view, source), transform=None)
        lines = timeline(view, rows(view, {view.source_name: source}))
        named = {in_account(column): lines[column] for column in lines.columns}
        if len(named) < len(lines.columns):
            raise FeatureError(
                f"{view}: columns that differ in capitals only would be one in Snowflake. Mend: rename one"
            )
        sql = str(self._backend.compile(lines.select(**named)))
        made = self._theirs.FeatureView(
            name=name,
            entities=[self._entity(entity) for entity in view.entities],
            feature_df=self._account.session.sql(sql),
            timestamp_col=in_account(joining.SEEN),
            refresh_freq=self._lag,
            desc=_words(view),
        )
        # Snowflake's client puts these words between quotes as they are: they come as SQL writes them
        words = {feature: literal(text)[1:-1] for feature, text in view.columns.items() if text}
        return made.attach_feature_desc({_sql.identifier(in_account(each)): text for each, text in words.items()})

    def _entity(self, entity: Entity) -> Any:
        name, keys = entity.name.upper(), [in_account(key) for key in entity.keys]
        if len(name) > _LONGEST_ENTITY:
            raise FeatureError(
                f"entity {entity.name!r}: its name has more than {_LONGEST_ENTITY} characters, more than Snowflake's "
                "Feature Store takes. Mend: a shorter one"
            )
        there = {row["NAME"]: row for row in self._client.list_entities().collect()}
        if name in there:
            found = re.findall(r'"((?:[^"]|"")+)"', there[name]["JOIN_KEYS"])
            if [each.replace('""', '"') for each in found] != keys:
                raise FeatureError(
                    f"entity {entity.name!r} has the keys {there[name]['JOIN_KEYS']} in Snowflake's Feature Store, and "
                    f"{listing(entity.keys)} here. Mend: another name, or delete it there"
                )
            return self._client.get_entity(name)
        made = self._theirs.Entity(name, [_sql.identifier(key) for key in keys], desc=entity.description)
        return made if self._dry else self._client.register_entity(made)

    def _source(self, view: FeatureView) -> ibis.Table:
        """Return the source as the view's code names its columns: in small letters, where keys and times are so."""
        if not isinstance(view.source, str):
            raise FeatureError(f"{view}: its source is a table of this process. Mend: name a table of the account")
        database, schema = self._account.schema
        try:
            table: ibis.Table = self._backend.table(in_account(view.source), database=(database, schema))
        except Exception as error:
            raise FeatureError(
                f"{view} reads {view.source!r}, and there is no {in_account(view.source)} in {database}.{schema}: "
                f"{said(error)}. Mend: a table or view of that name"
            ) from error
        wanted = {*view.keys, view.timestamp, view.known_at} - {None}
        if wanted <= set(table.columns):
            return table
        small = {name.lower(): name for name in table.columns if name == in_account(name.lower())}
        return table.rename({low: name for low, name in small.items() if low not in table.columns})

    def _selected(self, view: FeatureView, source: ibis.Table) -> ibis.Table:
        """Return the rows of a view's SELECT, which is written in DuckDB's SQL: the same words in Snowflake's.

        Names without quotes are the same in any case in the one, and in capitals in the other.
        """
        import sqlglot

        given = source.rename({in_account(name): name for name in source.columns})
        try:
            query = sqlglot.transpile(str(view.transform), read="duckdb", write="snowflake")[0]
            table = identifier(in_account(view.source_name))
            found: ibis.Table = self._backend.sql(f"WITH {table} AS ({self._backend.compile(given)}) {query}")
        except Exception as error:
            raise FeatureError(
                f"{view}: its SELECT cannot be run in Snowflake: {said(error)}. Mend: a function of the table in its "
                "place"
            ) from error
        ours = {name.upper(): name for name in (*view.keys, view.timestamp, view.known_at, *view.columns) if name}
        return found.rename({ours.get(name, name.lower()): name for name in found.columns})

    @cached_property
    def _backend(self) -> Any:
        from firnflow.stores.snowflake.dialect import SnowflakeBackend

        return SnowflakeBackend.from_connection(self._account.session.connection, create_object_udfs=False)

    def _warehouse(self) -> str:
        found = self._account.rows("SELECT CURRENT_WAREHOUSE() AS wh")[0]["wh"]
        wanted, place = self._settings.snowflake.warehouse, where(self._settings, self._root)
        if wanted is not None and kept(wanted) != found:
            raise ConfigError(
                f"{place}: warehouse = {wanted!r}: there is none in Snowflake, or the role may not use it. "
                "Mend: CREATE WAREHOUSE, or GRANT USAGE ON WAREHOUSE … TO ROLE …"
            )
        if not found:
            raise ConfigError(
                f"{place}: says not which warehouse computes feature views. Mend: warehouse = 'wh' in "
                f"[environments.{self._settings.environment}.snowflake]"
            )
        return str(found)


def _minutes(lag: str | None) -> float | None:
    """Return how many minutes Snowflake's `2 hours` are; it may say them in another unit than it was told."""
    number, _, unit = (lag or "").strip().partition(" ")
    known = {"second": 1 / 60, "minute": 1, "hour": 60, "day": 1440}
    return int(number) * known[unit.rstrip("s")] if number.isdigit() and unit.rstrip("s") in known else None


def _words(view: FeatureView) -> str:
    """Return what people are told of a view there."""
    owner = f"Owner: {view.owner}" if view.owner else ""
    tags = ", ".join(f"{name}={text}" for name, text in sorted(view.tags.items()))
    return "\n".join(each for each in (view.description, owner, tags) if each)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep warnings of Snowflake's client about itself, and what it prints, to itself."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Let errors of Snowflake's clients be ours."""
    try:
        yield
    except FirnflowError:
        raise
    except Exception as error:
        raise StoreError(
            f"Snowflake's Feature Store: {said(getattr(error, 'original_exception', error))[:500]}"
        ) from error
