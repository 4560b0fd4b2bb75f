"""The study in Optuna's own storage, beside the state: for its dashboard, and for whoever knows its functions.

Optuna's tables are kept apart from ours, since both are versioned by alembic: beside a state in SQLite in a file of
their own, in PostgreSQL in a schema of their own. Optuna keeps nothing in Snowflake: beside a state there is no copy,
and the run alone knows its trials. What is there is a copy for people: no decision is read from it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow._disk import beside
from firnflow._sql import identifier
from firnflow.errors import StoreError
from firnflow.models.tuning.search import Direction, Outcome, Pruner, frozen, library, quiet
from firnflow.project.account_url import is_account_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import optuna

    from firnflow.models.tuning.space import Space

NUMBER = "firnflow_trial"
"""The user attribute that says which trial of ours it is."""
SCHEMA = "firnflow_optuna"
_PATIENCE = 60  # seconds to wait for another writer of SQLite's
_ATTEMPTS = 5


def storage_url(state: str) -> str:
    """Return the URL of Optuna's storage beside a state database, as `optuna` and `optuna-dashboard` take it.

    Args:
        state: SQLAlchemy's URL of the state.
    """
    import sqlalchemy as sa

    url = sa.make_url(state)
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        name = "optuna.db" if path.stem == "state" else f"{path.stem}-optuna.db"
        return str(url.set(database=str(path.with_name(name))).render_as_string(hide_password=False))
    options = f"{url.query.get('options', '')} -csearch_path={SCHEMA}".strip()
    found = url.set(drivername="postgresql+psycopg").update_query_dict({"options": options})
    return str(found.render_as_string(hide_password=False))


def write(
    state: str,
    name: str,
    outcomes: Sequence[Outcome],
    *,
    space: Space,
    direction: Direction,
    pruner: Pruner,
    times: Mapping[int, tuple[float, float]],
    attributes: Mapping[str, Any],
) -> int:
    """Add the trials that are not there yet to a study, and return how many it has now. Twice is as good as once.

    Args:
        state: SQLAlchemy's URL of the state.
        name: of the study; it is made if need be.
        outcomes: finished trials in the order of their numbers, from 0.
        space: what was searched.
        direction: of the score.
        pruner: who gave up.
        times: number → seconds since 1970 when a trial began and ended.
        attributes: of the study, for people.

    Raises:
        StoreError: the storage cannot be written.
        MissingExtraError: Optuna is not installed.
    """
    import sqlalchemy as sa

    optuna = library()
    if is_account_url(state):
        return len(outcomes)
    try:
        with quiet(), _opened(state) as there:
            study = optuna.create_study(storage=there, study_name=name, direction=direction, load_if_exists=True)
            for attribute, value in attributes.items():
                study.set_user_attr(attribute, value)
            known = {trial.user_attrs.get(NUMBER) for trial in study.get_trials(deepcopy=False)}
            for each in outcomes:
                if each.number not in known:
                    study.add_trial(_dated(frozen(each, space, pruner, user_attrs={NUMBER: each.number}), each, times))
            return len(study.get_trials(deepcopy=False))
    except (optuna.exceptions.OptunaError, sa.exc.SQLAlchemyError, OSError) as error:
        why = error.__cause__ or error
        raise StoreError(f"The study {name} cannot be written to Optuna's storage: {why}") from error


@contextlib.contextmanager
def _opened(state: str) -> Iterator[optuna.storages.RDBStorage]:
    """Open Optuna's storage; its tables are made if need be, and where two make them at once, one tries again."""
    import sqlalchemy as sa

    optuna = library()
    url = storage_url(state)
    if url.startswith("sqlite"):
        arguments: dict[str, Any] = {"connect_args": {"timeout": _PATIENCE}}
        _make_file(Path(str(sa.make_url(url).database)))
    else:
        arguments = {"poolclass": sa.pool.NullPool}
        _make_schema(state)
    for left in reversed(range(_ATTEMPTS)):
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs=arguments)
            break
        except sa.exc.SQLAlchemyError:
            if not left:
                raise
            time.sleep(0.2)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _make_file(path: Path) -> None:
    """Make an empty storage in SQLite.

    There each table and index is committed by itself: of a process that is killed in between a later one would find
    tables without the indices that keep two studies from having one name, and Optuna would never make them.
    """
    if not path.exists():
        with beside(path) as new:
            storage = library().storages.RDBStorage(f"sqlite:///{new}")
            storage.remove_session()
            storage.engine.dispose()


def _make_schema(state: str) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(sa.make_url(state).set(drivername="postgresql+psycopg"))
    try:
        with engine.begin() as connection:
            # Two who make it at once would collide in the catalog: one waits for the other.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7240143)"))
            connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {identifier(SCHEMA)}"))
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"The schema {SCHEMA} for Optuna cannot be made: {error}") from error
    finally:
        engine.dispose()


def _dated(
    trial: optuna.trial.FrozenTrial, outcome: Outcome, times: Mapping[int, tuple[float, float]]
) -> optuna.trial.FrozenTrial:
    if outcome.number in times:
        began, ended = (dt.datetime.fromtimestamp(each) for each in times[outcome.number])  # noqa: DTZ006 - as Optuna's
        trial.datetime_start, trial.datetime_complete = began, ended
    return trial
