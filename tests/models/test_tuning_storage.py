"""The study in Optuna's own storage: read by Optuna's own functions, complete, and written once however often."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
import sqlalchemy as sa

from firnflow.errors import StoreError
from firnflow.models.tuning import storage
from firnflow.models.tuning.search import Outcome
from firnflow.models.tuning.space import Dimension
from firnflow.stores.state import State

SPACE = {
    "depth": Dimension(int=(1, 9)),
    "rate": Dimension(float=(0.01, 1.0), log=True),
    "kind": Dimension(choice=("a", "b")),
}
OUTCOMES = [
    Outcome(number=0, params={"depth": 3, "rate": 0.1, "kind": "a"}, state="complete", value=0.7, steps=(0.6, 0.8)),
    Outcome(number=1, params={"depth": 5, "rate": 0.2, "kind": "b"}, state="pruned", value=0.5, steps=(0.5,)),
    Outcome(number=2, params={"depth": 9, "rate": 0.3, "kind": "a"}, state="complete", value=0.9, steps=(0.8, 1.0)),
]


def write(state, outcomes=OUTCOMES, name="run.tune"):
    return storage.write(
        state,
        name,
        outcomes,
        space=SPACE,
        direction="maximize",
        pruner="median",
        times={0: (1_000_000.0, 1_000_060.0)},
        attributes={"run": "run", "seed": 42},
    )


@contextlib.contextmanager
def read(state, name="run.tune"):
    """Yield the study as anybody loads it: with Optuna and the URL."""
    there = optuna.storages.RDBStorage(storage.storage_url(state))
    yield optuna.load_study(study_name=name, storage=there)
    there.remove_session()
    there.engine.dispose()


def names(state, one):
    with read(state, one) as study:
        return sorted(optuna.get_all_study_names(study._storage))


@pytest.fixture
def sqlite(tmp_path):
    return f"sqlite:///{tmp_path}/.firnflow/state.db"


@pytest.fixture
def state(sqlite):
    with contextlib.closing(State(sqlite)):
        yield sqlite


def check(state):
    with read(state) as study:
        trials, frame = study.trials, study.trials_dataframe()
        assert study.best_params == OUTCOMES[2].params
        assert study.user_attrs == {"run": "run", "seed": 42}
    assert [trial.number for trial in trials] == [trial.user_attrs[storage.NUMBER] for trial in trials]
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert trials[0].intermediate_values == {0: 0.6, 1: pytest.approx(0.7)}
    assert trials[0].duration.total_seconds() == 60
    assert trials[0].distributions["rate"].log
    assert list(frame["params_depth"]) == [3, 5, 9]


def test_optunas_own_functions_read_it(state):
    assert write(state) == 3
    check(state)
    assert names(state, "run.tune") == ["run.tune"]


def test_twice_is_as_good_as_once(state):
    assert write(state, OUTCOMES[:1]) == 1
    assert write(state, OUTCOMES[:2]) == 2
    assert write(state) == write(state) == 3
    check(state)


def test_several_studies_and_writers_at_once(state):
    """Whoever is first makes the tables."""
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda n: write(state, name=f"run-{n}.tune"), range(4))) == {3}
    assert names(state, "run-0.tune") == [f"run-{n}.tune" for n in range(4)]


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from firnflow.models.tuning import storage

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def kill(connection, cursor, statement, *_):
    if "UNIQUE INDEX ix_studies_study_name" in statement:
        os.kill(os.getpid(), signal.SIGKILL)

with storage._opened(sys.argv[1]):
    pass
"""


def test_who_is_killed_while_its_tables_are_made_leaves_none_without_indices(sqlite, tmp_path):
    (tmp_path / ".firnflow").mkdir()
    assert subprocess.run([sys.executable, "-c", KILLED, sqlite], check=False).returncode == -signal.SIGKILL
    assert write(sqlite) == 3
    engine = sa.create_engine(storage.storage_url(sqlite))
    assert {"name": "ix_studies_study_name", "column_names": ["study_name"], "unique": 1}.items() <= next(
        each for each in sa.inspect(engine).get_indexes("studies") if each["name"] == "ix_studies_study_name"
    ).items()
    engine.dispose()


def test_the_state_has_no_table_of_optunas(state):
    write(state)
    engine = sa.create_engine(state)
    assert not {"studies", "trials", "alembic_version"} & set(sa.inspect(engine).get_table_names())
    engine.dispose()
    with contextlib.closing(State(state)) as again:  # and it still knows its own version
        assert again.runs() == []


def test_each_state_has_a_file_of_its_own():
    assert storage.storage_url("sqlite:////p/.firnflow/state.db") == "sqlite:////p/.firnflow/optuna.db"
    assert storage.storage_url("sqlite:////p/.firnflow/dev.db") == "sqlite:////p/.firnflow/dev-optuna.db"


def test_a_storage_that_cannot_be_written(tmp_path):
    (tmp_path / "optuna.db").mkdir()
    with pytest.raises(StoreError, match=r"The study run\.tune cannot be written to Optuna's storage: .*open"):
        write(f"sqlite:///{tmp_path}/state.db")


@pytest.mark.server
class TestPostgres:
    @pytest.fixture
    def state(self, postgres_url):
        url = sa.make_url(postgres_url)
        admin = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        name = f"tuning_{uuid.uuid4().hex[:8]}"
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        admin.dispose()
        found = url.set(database=name).render_as_string(hide_password=False)
        with contextlib.closing(State(found)):
            yield found

    def test_a_schema_of_its_own(self, state):
        assert write(state) == write(state) == 3
        check(state)
        engine = sa.create_engine(sa.make_url(state).set(drivername="postgresql+psycopg"))
        own = sa.inspect(engine).get_table_names(schema=storage.SCHEMA)
        ours = sa.inspect(engine).get_table_names(schema="public")
        engine.dispose()
        assert {"studies", "trials", "alembic_version"} <= set(own)
        assert not {"studies", "trials", "alembic_version"} & set(ours)
        with contextlib.closing(State(state)) as again:
            assert again.runs() == []

    def test_several_writers_at_once(self, state):
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(lambda n: write(state, name=f"run-{n}.tune"), range(4))) == {3}

    def test_options_of_the_url_are_kept(self, state):
        url = sa.make_url(state).update_query_dict({"options": "-capplication_name=me"})
        found = sa.make_url(storage.storage_url(url.render_as_string(hide_password=False)))
        assert found.query["options"] == "-capplication_name=me -csearch_path=firnflow_optuna"


def test_beside_a_state_in_snowflake_optuna_keeps_nothing():
    assert write("snowflake://nobody/DB/SCHEMA") == 3
