"""Which tracker an environment has, and where it is."""

from __future__ import annotations

import importlib.util
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from firnflow.errors import ConfigError
from firnflow.models.tracking import backend_of, tracker_of
from firnflow.models.tracking.base import Registering
from firnflow.models.tracking.mlflow import MLflowTracker
from firnflow.models.tracking.wandb import WandbTracker
from firnflow.project.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Desk
    from firnflow.models.tracking.base import Place
    from firnflow.project import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    monkeypatch.delenv("FIRNFLOW_TRACKING")

    def load(tracking: str = "", state: str = "") -> Settings:
        text = f'[project]\nname = "shop"\n[environments.local]\n{state}\n[environments.local.tracking]\n{tracking}\n'
        (tmp_path / "firnflow.toml").write_text(text)
        return load_settings(tmp_path)

    return load


def test_mlflow_is_the_default_where_it_is_installed(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings()
    assert backend_of(found) == ("mlflow" if importlib.util.find_spec("mlflow") else "none")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    tracker = tracker_of(found, tmp_path)
    assert isinstance(tracker, MLflowTracker)
    assert isinstance(tracker, Registering)
    assert tracker.place == "sqlite:///.firnflow/mlflow.db"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert tracker_of(found, tmp_path) is None


def test_a_tracker_is_chosen_by_name(settings: Callable[..., Settings], tmp_path: Path) -> None:
    assert tracker_of(settings('backend = "none"'), tmp_path) is None
    wandb = tracker_of(settings('backend = "wandb"\nurl = "offline"'), tmp_path)
    assert isinstance(wandb, WandbTracker)
    assert not isinstance(wandb, Registering)
    with pytest.raises(ConfigError, match=r"tracking\] backend = 'mlfow': .* Did you mean 'mlflow'\?"):
        tracker_of(settings('backend = "mlfow"'), tmp_path)


def test_a_url_may_be_a_secret(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings('backend = "mlflow"\nurl = "env:MLFLOW_URL"')
    with pytest.raises(ConfigError, match="MLFLOW_URL is not set"):
        tracker_of(found, tmp_path)
    monkeypatch.setenv("MLFLOW_URL", "https://anna:hunter2@runs.example")
    tracker = tracker_of(found, tmp_path)
    assert tracker is not None
    assert tracker.place == "https://runs.example"


def test_beside_a_state_in_postgresql_mlflow_has_a_schema(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_URL", "postgresql://anna:hunter2@db/firn")
    tracker = tracker_of(settings('backend = "mlflow"', 'state = "env:STATE_URL"'), tmp_path)
    assert isinstance(tracker, MLflowTracker)
    assert tracker.place == "postgresql://db/firn"
    assert sa.make_url(tracker._url).query["options"] == "-csearch_path=mlflow"
    assert sa.make_url(tracker._url).drivername == "postgresql+psycopg"


def test_a_plug_in_brings_a_tracker(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Diary:
        live = True

        def __init__(self, place: Place) -> None:
            self.place = f"{place.url} in {place.root.name}"

    class Entry:
        def __init__(self, name: str, what: Any) -> None:
            self.name, self._what = name, what

        def load(self) -> Any:
            return self._what

    def entries(group: str) -> list[Entry]:
        assert group == "firnflow.trackers"
        return [Entry("diary", Diary), Entry("torn", lambda _: 1 / 0)]

    monkeypatch.setattr("firnflow.models.tracking.entry_points", entries)
    tracker = tracker_of(settings('backend = "diary"\nurl = "paper"'), tmp_path)
    assert tracker is not None
    assert tracker.place == f"paper in {tmp_path.name}"
    with pytest.raises(ConfigError, match="the tracker 'torn' cannot be used: ZeroDivisionError"):
        tracker_of(settings('backend = "torn"'), tmp_path)
    with pytest.raises(ConfigError, match=r"Known: diary, mlflow, none, snowflake, torn, wandb"):
        tracker_of(settings('backend = "x"'), tmp_path)


@pytest.mark.server
@pytest.mark.slow
def test_mlflow_and_the_state_share_a_postgresql(
    desk: Callable[..., Desk], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    base, name = sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), f"both_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(base, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    admin.dispose()
    url = base.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("FIRNFLOW_STATE", url)
    monkeypatch.setenv("FIRNFLOW_TRACKING", "mlflow")
    lab = desk(
        """
        @ff.task
        def one() -> int:
            ff.log_metric("x", 1.5)
            return 1

        @ff.pipeline
        def flow():
            one()
        """
    )
    lab.run()
    for _ in range(2):
        tracker = tracker_of(lab.project.settings, lab.root)
        assert tracker is not None
        deliverer = lab.deliverer(tracker, "mlflow")
        deliverer.deliver()
        assert deliverer.waiting() == []
    engine = sa.create_engine(base.set(database=name))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT key, value FROM mlflow.metrics").all() == [("one/x", 1.5)]
        assert connection.exec_driver_sql("SELECT count(*) FROM public.run").scalar() == 1
        tables = "SELECT table_schema FROM information_schema.tables WHERE table_name = 'alembic_version'"
        assert connection.exec_driver_sql(tables).scalars().all() == ["mlflow"]
    engine.dispose()
    lab.state.close()
