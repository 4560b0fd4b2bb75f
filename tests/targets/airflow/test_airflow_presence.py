"""What planning asks Airflow about pools and queues: a server that answers as it is told."""

from __future__ import annotations

import pytest

from firnflow.errors import ConfigError
from firnflow.project import load_settings
from firnflow.targets.airflow.presence import look

DAGS = [{"tasks": [{"queue": "gpu", "pool": "ml"}, {"queue": "gpu"}, {"id": "x"}]}]
TASKS = "GET dags/~/dagRuns/~/taskInstances"


@pytest.fixture
def settings(tmp_path, airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW_TOKEN", "canary-token")

    def make(executor="celery", url=airflow.url):
        said = f'url = "{url}"\ntoken = "env:AIRFLOW_TOKEN"' if url else ""
        section = f'[environments.prod.airflow]\nexecutor = "{executor}"\n{said}'
        (tmp_path / "firnflow.toml").write_text(f'[project]\nname = "shop"\n{section}\n')
        return load_settings(tmp_path, "prod")

    airflow.on("GET pools/ml", {"name": "ml"})
    return make


def test_a_queue_from_which_nothing_has_ever_started_is_said(settings, airflow):
    airflow.on(TASKS, {"total_entries": 0}, {"total_entries": 3})
    (said,) = look(settings(), DAGS)
    assert "has never started a task from queue 'gpu' (3 tasks waiting there): see that a worker serves it" in said
    assert "airflow celery worker --queues gpu" in said
    assert "queue=gpu&start_date_gte=2000" in airflow.calls[1].path
    airflow.on(TASKS, {"total_entries": 1})
    assert look(settings(), DAGS) == []


def test_a_pool_that_is_not_there_is_refused(settings, airflow):
    airflow.on("GET pools/ml", (404, {"detail": "no"}))
    with pytest.raises(ConfigError, match=r"has no pool 'ml'.*Mend: airflow pools set ml 16"):
        look(settings("local"), DAGS)


def test_executors_without_queues_take_no_notice_of_them(settings, airflow):
    for executor in ("local", "kubernetes"):
        assert look(settings(executor), DAGS) == [f"executor = '{executor}' takes no notice of queues: gpu"]
    assert airflow.seen() == ["GET /api/v2/pools/ml"] * 2


@pytest.mark.parametrize(
    ("answer", "said"), [((500, {}), "answers 500"), ((403, {}), "does not allow it"), ([], "does not say how many")]
)
def test_an_airflow_that_does_not_answer_hinders_no_plan(settings, airflow, answer, said):
    airflow.on(TASKS, answer)
    (note,) = look(settings(), DAGS)
    assert note.startswith("Airflow was not asked about pools and queues: ")
    assert said in note


def test_a_token_that_is_not_here_hinders_no_plan(settings, airflow, monkeypatch):
    found = settings()
    monkeypatch.delenv("AIRFLOW_TOKEN")
    assert "AIRFLOW_TOKEN is not set" in look(found, DAGS)[0]
    assert look(settings(url=""), DAGS) == []
