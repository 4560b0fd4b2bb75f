from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field

from firnflow import project
from firnflow.errors import ConfigError, NotFoundError, ParameterError
from firnflow.graph.params import Params
from firnflow.graph.resolve import resolve_params
from firnflow.project import load_project, machine
from firnflow.project.settings import find_root, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = '[project]\nname = "shop"\n'


def test_defaults_need_nothing_but_a_name(make: Callable[..., Path]) -> None:
    root = make()
    settings = load_settings(root)
    assert settings.environment == "local"
    assert settings.environments == ("local",)
    assert settings.artifacts == str(root / ".firnflow/artifacts")
    assert settings.state.reveal() == f"sqlite:///{root}/.firnflow/state.db"
    assert settings.workers == machine.processors()
    assert settings.memory * settings.workers <= 0.6 * machine.memory()
    assert settings.cache
    assert settings.lease == 30


def test_an_orchestrator_has_a_section_that_is_inherited_key_by_key(make: Callable[..., Path]) -> None:
    root = make(
        BASE
        + """
        [environments.prod]
        orchestrator = "airflow"
        [environments.prod.airflow]
        dags = "/srv/dags"
        queue = "ml"
        [environments.dev]
        inherits = "prod"
        airflow = { prefix = "dev_" }
        """
    )
    assert load_settings(root).orchestrator == "local"
    dev = load_settings(root, "dev")
    assert (dev.orchestrator, dev.airflow.dags, dev.airflow.queue) == ("airflow", "/srv/dags", "ml")
    assert (dev.airflow.prefix, load_settings(root, "prod").airflow.prefix) == ("dev_", "")
    root.joinpath("firnflow.toml").write_text(BASE + "[environments.prod]\nairflow = { dag = '/srv' }\n")
    with pytest.raises(ConfigError, match=r"\[environments.prod.airflow\] dag is not known. Did you mean 'dags'"):
        load_settings(root, "prod")


def test_environments_inherit_and_win(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(
        BASE
        + """
        [pipelines.churn.params]
        customers = 10
        model = { depth = 3, rate = 0.1 }
        [environments.dev]
        workers = 2
        memory = "2Gi"
        lease = "1m"
        [environments.prod]
        inherits = "dev"
        memory = "4Gi"
        artifacts = "s3://bucket/prefix"
        [environments.prod.pipelines.churn.params]
        model = { depth = 8 }
        day = 2024-02-29
        """
    )
    prod = load_settings(root, "prod")
    assert (prod.workers, prod.memory, prod.lease, prod.artifacts) == (2, 4 * 2**30, 60, "s3://bucket/prefix")
    below = ("firnflow.toml", {"customers": 10, "model": {"depth": 3, "rate": 0.1}})
    above = ("firnflow.toml, [environments.prod]", {"model": {"depth": 8}, "day": "2024-02-29"})
    assert prod.params == {"churn": (below, above)}
    assert load_settings(root, "dev").params == {"churn": (below,)}
    monkeypatch.setenv("FIRNFLOW_ENV", "dev")
    assert load_settings(root).environment == "dev"
    assert load_settings(root, "local").workers == machine.processors()


def test_the_cluster_of_an_environment(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(
        BASE
        + """
        [environments.dev]
        ray = "10.0.0.1:6379"
        [environments.prod]
        inherits = "dev"
        [environments.prod.ray]
        wait = "5m"
        [environments.far.ray]
        address = "env:RAY_HEAD"
        """
    )
    assert load_settings(root).ray.address is None
    assert load_settings(root).ray.wait == 60
    prod = load_settings(root, "prod").ray
    assert prod.address is not None
    assert (prod.address.reveal(), prod.wait) == ("10.0.0.1:6379", 300)
    monkeypatch.setenv("RAY_HEAD", "head:6379")
    far = load_settings(root, "far").ray.address
    assert far is not None
    assert far.reveal() == "head:6379"
    monkeypatch.setenv("FIRNFLOW_RAY", "other:6379")
    over = load_settings(root, "prod").ray
    assert over.address is not None
    assert (over.address.reveal(), over.wait) == ("other:6379", 300)


class Tuning(Params):
    grid: dict[str, list[int]] = Field(default_factory=lambda: {"max_depth": [4]})
    folds: int = 3


class Tuned(Params):
    customers: int = 10
    tuning: Tuning = Tuning()


def test_an_environment_replaces_a_table_that_is_a_value_and_merges_one_that_is_a_section(
    make: Callable[..., Path],
) -> None:
    root = make(
        BASE
        + """
        [pipelines.churn.params]
        tuning = { folds = 5, grid = { max_depth = [3, 5], min_child_weight = [5, 50] } }
        [environments.quick.pipelines.churn.params]
        tuning.grid = { max_depth = [3] }
        """
    )
    base, quick = (resolve_params(Tuned, load_settings(root, name).params["churn"]) for name in ("local", "quick"))
    assert base == Tuned(tuning=Tuning(folds=5, grid={"max_depth": [3, 5], "min_child_weight": [5, 50]}))
    assert quick == Tuned(tuning=Tuning(folds=5, grid={"max_depth": [3]}))


def test_a_wrong_value_names_the_environment_that_gives_it(make: Callable[..., Path]) -> None:
    root = make(BASE + '[environments.quick.pipelines.churn.params]\ncustomers = "many"\n')
    with pytest.raises(ParameterError, match=r"'customers' of Tuned \(firnflow.toml, \[environments.quick\]\): "):
        resolve_params(Tuned, load_settings(root, "quick").params["churn"])


def test_the_quick_look_of_the_churn_example_tries_one_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    project = load_project(Path(__file__).parents[2] / "examples/churn", "quick")
    found: Any = resolve_params(project.pipeline("churn").params, project.settings.params["churn"])
    assert found.customers == 5000
    assert list(found.tuning.space) == ["max_depth"]
    assert found.tuning.space["max_depth"].choice == (3,)


def test_variables_win_over_the_file(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(BASE + "[environments.local]\nworkers = 2\ncache = true\n")
    for key, text in {
        "WORKERS": "7",
        "MEMORY": "3Gi",
        "CACHE": "false",
        "LEASE": "2.5",
        "ARTIFACTS": "elsewhere",
    }.items():
        monkeypatch.setenv(f"FIRNFLOW_{key}", text)
    settings = load_settings(root)
    assert (settings.workers, settings.memory, settings.cache, settings.lease) == (7, 3 * 2**30, False, 2.5)
    assert settings.artifacts == str(root / "elsewhere")


def test_a_password_may_stand_in_a_variable_only(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:hunter2@db/state"
    root = make()
    monkeypatch.setenv("FIRNFLOW_STATE", url)
    settings = load_settings(root)
    assert settings.state.reveal() == url
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigError, match=r"firnflow.toml:4: \[environments.local\] state: holds a password") as caught:
        load_settings(make(BASE + f"[environments.local]\nstate = {url!r}\n"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            "[environments.prod]\nartefacts = 'x'\n",
            r"toml:4: \[environments.prod\] artefacts is not known. Did you mean 'artifacts'",
        ),
        ("[enviroments.prod]\n", r"toml:3: enviroments is not known. Did you mean 'environments'"),
        ("[pipelines.churn]\nparms = {}\n", r"toml:4: \[pipelines.churn\] parms is not known. Did you mean 'params'"),
        (
            "[environments.prod]\nworkers = 'four'\n",
            r"toml:4: \[environments.prod\] workers: it should be a valid integer",
        ),
        ("[environments.prod]\nworkers = true\n", "workers: it should be a valid integer"),
        ("[environments.prod]\nworkers = 0\n", "workers: it should be greater than or equal to 1"),
        ("[environments.prod]\ncache = 'yes'\n", "cache: it should be a valid boolean"),
        (
            "[environments.prod]\nmemory = '8 potatoes'\n",
            "'8 potatoes' is not an amount of memory: write it like '8Gi'",
        ),
        ("[environments.prod]\nmemory = nan\n", "memory: nan is not a number of bytes"),
        ("[environments.prod]\nlease = -1\n", "lease: it should be greater than 0"),
        ("[environments.prod]\nlease = inf\n", "lease: inf is not a duration"),
        (
            "[environments.local]\ninherits = 'prd'\n[environments.prod]\n",
            r"no environment 'prd', which \[environments.local\] inherits. Did you mean 'prod'",
        ),
        (
            "[environments.local]\ninherits = 'a'\n[environments.a]\ninherits = 'local'\n",
            "in a circle: local → a → local",
        ),
        ("[environments.'../../etc']\n", r"\.\./\.\./etc is no name"),
        ("[pipelines.'a b'.params]\nx = 1\n", "a b is no name"),
        ("environments = 3\n", "environments: it should|environments is not known|environments must be a table"),
        ("[environments]\nprod = 3\n", r"prod must be a table"),
    ],
)
def test_a_wrong_file_says_where_and_what_is_right(make: Callable[..., Path], toml: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(make(BASE + toml))


@pytest.mark.parametrize("module", ["../evil", "a/b", "a..b", ".a", "a.", "a b", "a;b", "", "a\\u0000", "x" * 300])
def test_a_module_is_a_dotted_name(make: Callable[..., Path], module: str) -> None:
    with pytest.raises(ConfigError, match=r"\[project.pipelines\] 0"):
        load_settings(make(f'[project]\nname = "shop"\npipelines = ["{module}"]\n'))


@pytest.mark.parametrize("name", ["", "1st", "a b", "../x", "ü", "a\\nb", "x" * 101])
def test_a_project_has_a_plain_name(make: Callable[..., Path], name: str) -> None:
    with pytest.raises(ConfigError, match=r"\[project\] name"):
        load_settings(make(f'[project]\nname = "{name}"\n'))


def test_an_unknown_environment_and_a_near_variable(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(BASE + "[environments.prod]\n")
    with pytest.raises(ConfigError, match=r"no environment 'prodd'. Did you mean 'prod'"):
        load_settings(root, "prodd")
    monkeypatch.setenv("FIRNFLOW_WORKERS", "many")
    with pytest.raises(ConfigError, match=r"variable FIRNFLOW_WORKERS: it should be a valid integer"):
        load_settings(root)
    monkeypatch.delenv("FIRNFLOW_WORKERS")
    monkeypatch.setenv("FIRNFLOW_SOMETHING_ELSE", "1")
    load_settings(root)
    monkeypatch.setenv("FIRNFLOW_WORKRES", "1")
    with pytest.raises(ConfigError, match=r"FIRNFLOW_WORKRES is not known: .* Did you mean 'WORKERS'"):
        load_settings(root)


def test_the_root_is_found_upward(make: Callable[..., Path], tmp_path: Path) -> None:
    root = make()
    (root / "a" / "b").mkdir(parents=True)
    assert find_root(root / "a" / "b") == root
    with pytest.raises(NotFoundError, match=r"no firnflow.toml in .* or above. Mend: `firnflow init`"):
        find_root(tmp_path)


def test_settings_load_no_heavy_library() -> None:
    heavy = "duckdb ibis sqlalchemy pandas numpy pyarrow fsspec sqlglot"
    code = f"import sys, firnflow.project; print([name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_container_s_limits_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1073741824\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.memory() == 2**30
    assert machine.processors() == 1
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.memory() > 2**20
    assert machine.processors() >= 1


def test_tracking_is_inherited_key_by_key_until_a_backend_is_named(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(
        BASE
        + """
        [environments.dev]
        tracking = "none"
        [environments.shared.tracking]
        backend = "mlflow"
        url = "sqlite:///.firnflow/runs.db"
        artifacts = "runs"
        [environments.prod]
        inherits = "shared"
        [environments.prod.tracking]
        experiment = "production"
        [environments.bench]
        inherits = "prod"
        tracking = { backend = "wandb" }
        """
    )
    assert load_settings(root).tracking.backend is None
    assert load_settings(root, "dev").tracking.backend == "none"
    prod = load_settings(root, "prod").tracking
    assert (prod.backend, prod.experiment, prod.artifacts) == ("mlflow", "production", str(root / "runs"))
    assert prod.url is not None
    assert prod.url.reveal() == f"sqlite:///{root}/.firnflow/runs.db"
    bench = load_settings(root, "bench").tracking
    assert (bench.backend, bench.url, bench.experiment) == ("wandb", None, None)
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    assert load_settings(root, "prod").tracking.backend == "none"
    monkeypatch.setenv("FIRNFLOW_TRACKING", '{ experiment = "mine" }')
    assert load_settings(root, "prod").tracking.experiment == "mine"


def test_nobody_is_told_where_alerts_are_none(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(
        BASE
        + """
        [environments.prod.alerts.channels]
        team = "env:SLACK_URL"
        [environments.trial]
        inherits = "prod"
        alerts = "none"
        [environments.louder]
        inherits = "trial"
        [environments.louder.alerts.channels]
        me = "env:MINE"
        """
    )
    channels = {name: [*load_settings(root, name).alerts.channels] for name in ("prod", "trial", "louder")}
    assert channels == {"prod": ["team"], "trial": [], "louder": ["me"]}
    monkeypatch.setenv("FIRNFLOW_ALERTS", "none")
    assert not load_settings(root, "prod").alerts.channels


def test_what_is_wrong_with_tracking_is_said_where_it_stands(make: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"firnflow.toml:4: \[environments.local.tracking\] uri is not known. Did"):
        load_settings(make(BASE + "[environments.local.tracking]\nuri = 'http://here'\n"))
    with pytest.raises(ConfigError, match=r"tracking\] url: holds a password"):
        load_settings(make(BASE + "[environments.local.tracking]\nurl = 'http://me:hunter2@here'\n"))


def test_no_pattern_counts_letters_of_all_languages() -> None:
    """It would take 0.03 s to be compiled, whenever a command starts; `max_length` costs nothing."""
    files = Path(project.__file__).parent.glob("*.py")
    patterns = [found for file in files for found in re.findall(r'pattern=r"([^"]*)"', file.read_text())]
    assert patterns
    assert [each for each in patterns if "\\w" in each and re.search(r"\{\d*,\d\d+\}", each)] == []
