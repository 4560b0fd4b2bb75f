"""firnflow.toml: the project and its environments, with environment variables over them."""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, JsonValue

from firnflow._text import listing, nearest
from firnflow.errors import ConfigError, NotFoundError
from firnflow.graph.names import Name
from firnflow.graph.units import parse_duration, parse_memory
from firnflow.project import machine
from firnflow.project.account_url import SCHEME, account_url, state_url
from firnflow.project.monitors import Monitors
from firnflow.project.orchestrators import Airflow, Orchestrator
from firnflow.project.secrets import Secret, has_password, hide_all, is_reference, reference_only
from firnflow.project.snowflake import Snowflake
from firnflow.project.toml import STRICT, read_toml, validated

FILE = "firnflow.toml"
DEFAULT_ENVIRONMENT = "local"
_NOT_PLAIN = {"inherits", "pipelines", "state", "online", "tracking", "alerts", "ray", "airflow", "snowflake"}
_SECRETS = ("state", "online")
_OTHER_VARIABLES = {"FIRNFLOW_ENV", "FIRNFLOW_CRASH"}

Module = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=200)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$")]
Memory = Annotated[int, BeforeValidator(parse_memory), Field(ge=16 * 2**20, le=2**60)]
Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
Count = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Switch = Annotated[bool, Field(strict=True)]
Section = TypeVar("Section", bound=BaseModel)
Warehouse: TypeAlias = Literal["duckdb", "snowflake"]
FeatureStore: TypeAlias = Literal["local", "snowflake"]
"""Where table expressions are computed, and where their tables live."""
Layer = tuple[str, dict[str, JsonValue]]
"""Where in the file values of parameters stand, and they."""


def _dates_as_text(value: Any) -> Any:
    """Return TOML's values as JSON's: parameters are JSON, in which a date is written as text."""
    if isinstance(value, dict):
        return {key: _dates_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def _place(text: str) -> str:
    Secret(text)
    return _printable(text)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a line end or another character that is not printed")
    return text


class ProjectSection(BaseModel):
    """`[project]`: its name, and the modules that hold its pipelines."""

    model_config = STRICT
    name: Label
    pipelines: tuple[Module, ...] = ("pipelines",)


class PipelineSection(BaseModel):
    """`[pipelines.NAME]`: values for the pipeline's parameters."""

    model_config = STRICT
    params: Annotated[dict[str, JsonValue], BeforeValidator(_dates_as_text)] = {}


class Models(BaseModel):
    """`[models]`: what may be loaded although loading it could run code."""

    model_config = STRICT
    pickle: tuple[str, ...] = ()
    skops_trusted: tuple[str, ...] = ()


def _backend(value: Any) -> Any:
    """Return the section that `tracking = "none"` is short for."""
    return {"backend": value} if isinstance(value, str) else value


class Tracking(BaseModel):
    """`[environments.NAME.tracking]`: the service that is told of runs and models; what is None has a default."""

    model_config = STRICT
    backend: Label | None = None
    url: Secret | None = None
    experiment: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)] | None = None
    artifacts: Annotated[str, Field(min_length=1), AfterValidator(_place)] | None = None


AlertKind = Literal["failure", "rejection", "promotion", "anomaly"]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)


def _address(value: Any) -> Any:
    """Return the section that `team = "env:SLACK"` is short for."""
    return {"url": value} if isinstance(value, str) else value


class Channel(BaseModel):
    """`[environments.NAME.alerts.channels.CHANNEL]`: an address of apprise, and what is told there."""

    model_config = STRICT
    url: Annotated[Secret, AfterValidator(reference_only)]
    on: tuple[AlertKind, ...] = ALERT_KINDS


def _muted(value: Any) -> Any:
    """Return the section that `alerts = "none"` is short for."""
    return {"muted": True} if value == "none" else value


class Alerts(BaseModel):
    """`[environments.NAME.alerts]`: who is told what; at most one message in `every` seconds about one thing."""

    model_config = STRICT
    muted: Switch = False
    """Nobody is told anything: the channels of the environments that this one inherits count for nothing."""
    channels: dict[Label, Annotated[Channel, BeforeValidator(_address)]] = {}
    every: Seconds = 600.0


def _cluster(value: Any) -> Any:
    """Return the section that `ray = "10.0.0.1:6379"` is short for."""
    return {"address": value} if isinstance(value, str) else value


class Ray(BaseModel):
    """`[environments.NAME.ray]`: the cluster for tasks of several nodes, and how long it may take to have as many."""

    model_config = STRICT
    address: Secret | None = None
    wait: Seconds = 60.0


class Environment(BaseModel):
    """`[environments.NAME]`: what differs from the environment that it inherits, or from the defaults."""

    model_config = STRICT
    inherits: str | None = None
    artifacts: Annotated[str, Field(min_length=1), AfterValidator(_place)] | None = None
    state: Secret | None = None
    online: Secret | None = None
    warehouse: Warehouse | None = None
    features: FeatureStore | None = None
    workers: Count | None = None
    memory: Memory | None = None
    threads: Count | None = None
    lease: Seconds | None = None
    cache: Switch | None = None
    tracking: Annotated[Tracking | None, BeforeValidator(_backend)] = None
    alerts: Annotated[Alerts | None, BeforeValidator(_muted)] = None
    ray: Annotated[Ray | None, BeforeValidator(_cluster)] = None
    orchestrator: Orchestrator | None = None
    airflow: Airflow | None = None
    snowflake: Snowflake | None = None
    pipelines: dict[Name, PipelineSection] = {}


class ProjectFile(BaseModel):
    """The whole of firnflow.toml."""

    model_config = STRICT
    project: ProjectSection
    environments: dict[Label, Environment] = {}
    pipelines: dict[Name, PipelineSection] = {}
    models: Models = Models()
    monitors: Monitors = {}


@dataclass(frozen=True)
class Settings:
    """One environment of a project, with everything decided.

    Attributes:
        project: the project's name.
        modules: the modules that hold its pipelines.
        environment: the name of the chosen environment.
        environments: the names of all.
        artifacts: absolute folder, or URL, of the artifact store.
        state: SQLAlchemy URL of the state database; `state.reveal()` gives it.
        online: URL of the online store of features, likewise.
        warehouse: where table expressions are computed; Snowflake's place is in the section `snowflake`.
        features: where `firnflow features apply` makes feature views, beside the registry; likewise.
        workers: how many tasks run at once.
        memory: bytes that the warehouse of one worker may hold.
        threads: threads that a query of one worker may use.
        lease: seconds after which a run without a heartbeat is taken for crashed.
        cache: whether results of earlier runs are used.
        tracking: the service that is told of runs and models.
        alerts: the channels on which people are told.
        ray: the cluster for tasks of several nodes.
        orchestrator: who runs pipelines by their schedules.
        airflow: what is said of it, where it is Airflow.
        snowflake: likewise.
        models: what may be loaded although loading it could run code.
        monitors: model → what is watched of its champion.
        params: pipeline → values for its parameters from the file, the last layer winning; not yet checked.
    """

    project: str
    modules: tuple[str, ...]
    environment: str
    environments: tuple[str, ...]
    artifacts: str
    state: Secret
    online: Secret
    warehouse: Warehouse
    features: FeatureStore
    workers: int
    memory: int
    threads: int
    lease: float
    cache: bool
    tracking: Tracking
    alerts: Alerts
    ray: Ray
    orchestrator: Orchestrator
    airflow: Airflow
    snowflake: Snowflake
    models: Models
    monitors: Monitors
    params: dict[str, tuple[Layer, ...]]


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder with a firnflow.toml, upward from `start` (default: the working directory).

    Raises:
        NotFoundError: there is none.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    raise NotFoundError(f"There is no {FILE} in {here} or above. Mend: `firnflow init`, or go to a project's folder")


def load_settings(root: Path, environment: str | None = None) -> Settings:
    """Return the settings of one environment.

    Args:
        root: the project's folder.
        environment: its name; default: the variable FIRNFLOW_ENV, then `local`.

    Raises:
        ConfigError: the file, the environment or a variable is wrong; says where and what is right.
    """
    path = root / FILE
    read = read_toml(path)
    file = validated(ProjectFile, read.data, read.place, root=root)
    hide_all(read.data, root)
    chosen = environment if environment is not None else os.environ.get("FIRNFLOW_ENV") or DEFAULT_ENVIRONMENT
    values: dict[str, Any] = {}
    tracking, alerts, ray, airflow, snowflake = Tracking(), Alerts(), Ray(), Airflow(), Snowflake()
    params: dict[str, tuple[Layer, ...]] = {name: ((FILE, section.params),) for name, section in file.pipelines.items()}
    for name in reversed(_lineage(file, chosen, path)):
        layer = file.environments.get(name, Environment())
        values |= layer.model_dump(exclude_none=True, exclude=_NOT_PLAIN)
        values |= {name: secret for name in _SECRETS if (secret := getattr(layer, name))}
        tracking = _over(tracking, layer.tracking)
        alerts = _all_channels(alerts, layer.alerts)
        ray = _with_given(ray, layer.ray)
        airflow = _with_given(airflow, layer.airflow)
        snowflake = _with_given(snowflake, layer.snowflake)
        for pipeline, section in layer.pipelines.items():
            params[pipeline] = (*params.get(pipeline, ()), (f"{FILE}, [environments.{name}]", section.params))
    variables = _variables()
    over = validated(Environment, variables, _variable, root=root)
    hide_all(variables, root)
    values |= {key: value for key in over.model_fields_set if (value := getattr(over, key)) is not None}
    values["tracking"] = _over(tracking, over.tracking)
    values["alerts"] = _all_channels(alerts, over.alerts)
    values["ray"] = _with_given(ray, over.ray)
    values["airflow"] = _with_given(airflow, over.airflow)
    values["snowflake"] = _with_given(snowflake, over.snowflake)
    return _decided(file, chosen, root, values, params)


def _decided(
    file: ProjectFile, chosen: str, root: Path, values: dict[str, Any], params: dict[str, tuple[Layer, ...]]
) -> Settings:
    """Return the settings with the defaults that depend on each other, and paths made absolute."""
    section = values["snowflake"]
    if values.get("orchestrator") == SCHEME and section.database is not None and section.schema_ is not None:
        values = {"warehouse": SCHEME, "state": Secret(SCHEME), "artifacts": SCHEME, **values}
    values |= _in_account(values, file.project.name, chosen)
    workers = values.get("workers") or machine.processors()
    memory = values.get("memory") or max(int(0.6 * machine.memory()) // workers, 64 * 2**20)
    return Settings(
        project=file.project.name,
        modules=file.project.pipelines,
        environment=chosen,
        environments=tuple(sorted({DEFAULT_ENVIRONMENT, *file.environments})),
        artifacts=_artifacts(values.get("artifacts", ".firnflow/artifacts"), root),
        state=_state(values.get("state") or Secret("sqlite:///.firnflow/state.db"), root),
        online=_state(values.get("online") or Secret("sqlite:///.firnflow/online.db"), root),
        warehouse=values.get("warehouse", "duckdb"),
        features=values.get("features", "local"),
        workers=workers,
        memory=memory,
        # DuckDB wants some memory for each of its threads.
        threads=values.get("threads") or max(1, min(machine.processors(), memory // (256 * 2**20))),
        lease=values.get("lease", 30.0),
        cache=values.get("cache", True),
        tracking=_absolute(values["tracking"], root),
        alerts=values["alerts"],
        ray=values["ray"],
        orchestrator=values.get("orchestrator", "local"),
        airflow=values["airflow"],
        snowflake=values["snowflake"],
        models=file.models,
        monitors=file.monitors,
        params=params,
    )


def _over(below: Tracking, above: Tracking | None) -> Tracking:
    """Return both, `above` winning; where it names a backend, the places of another one say nothing."""
    if above is None or above.backend is not None:
        return above or below
    return below.model_copy(update={name: getattr(above, name) for name in above.model_fields_set})


def _with_given(below: Section, above: Section | None) -> Section:
    """Return both, `above` winning where it says something."""
    return below.model_copy(update={name: getattr(above, name) for name in above.model_fields_set}) if above else below


def _all_channels(below: Alerts, above: Alerts | None) -> Alerts:
    """Return both, `above` winning; channels of both are told, unless it says that nobody is."""
    if above is None or above.muted:
        return above or below
    given = {name: getattr(above, name) for name in above.model_fields_set}
    return below.model_copy(update={**given, "channels": {**below.channels, **above.channels}})


def _absolute(tracking: Tracking, root: Path) -> Tracking:
    """Return the section with paths made absolute."""
    url = _state(tracking.url, root) if tracking.url is not None else None
    artifacts = _artifacts(tracking.artifacts, root) if tracking.artifacts is not None else None
    return tracking.model_copy(update={"url": url, "artifacts": artifacts})


def _lineage(file: ProjectFile, chosen: str, path: Path) -> list[str]:
    """Return the environment and those that it inherits from, nearest first."""
    lineage: list[str] = []
    name: str | None = chosen
    while name is not None:
        if name in lineage:
            raise ConfigError(f"{path}: environments inherit in a circle: {' → '.join([*lineage, name])}")
        known = {DEFAULT_ENVIRONMENT, *file.environments}
        if name not in known:
            by = f", which [environments.{lineage[-1]}] inherits" if lineage else ""
            raise ConfigError(
                f"{path}: there is no environment {name!r}{by}.{nearest(name, known)} Known: {listing(known)}"
            )
        lineage.append(name)
        name = file.environments.get(name, Environment()).inherits
    return lineage


def _variables() -> dict[str, Any]:
    """Return what the variables FIRNFLOW_<KEY> set. A variable with a name near to one of them is a mistake."""
    keys = {f"FIRNFLOW_{key.upper()}": key for key in Environment.model_fields if key not in {"inherits", "pipelines"}}
    found: dict[str, Any] = {}
    for variable, text in os.environ.items():
        key = keys.get(variable)
        if key in {"artifacts", *_SECRETS} and has_password(text):
            found[key] = f"env:{variable}"  # a variable is where a password may stand
        elif key is not None:
            found[key] = text if key in {"artifacts", *_SECRETS} else _scalar(text)
        elif variable.startswith("FIRNFLOW_") and variable not in _OTHER_VARIABLES:
            near = nearest(variable.removeprefix("FIRNFLOW_"), [name.removeprefix("FIRNFLOW_") for name in keys])
            if near:
                raise ConfigError(f"The environment variable {variable} is not known: FIRNFLOW_… what?{near}")
    return found


def _variable(keys: tuple[str, ...]) -> str:
    return f"The environment variable FIRNFLOW_{keys[0].upper()}"


def _scalar(text: str) -> Any:
    """Return a variable's text as TOML would read it, or as it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _artifacts(text: str, root: Path) -> str:
    if is_reference(text):
        reference, text = text, Secret(text, root).reveal()
        if not text.isprintable():
            raise ConfigError(f"artifacts = '{reference}': what it stands for is no place: it holds a line end")
    return text if "://" in text else str(root.absolute() / Path(text).expanduser())


def _in_account(values: dict[str, Any], project: str, environment: str) -> dict[str, Any]:
    """Return the URLs of what is kept in Snowflake, where the section `snowflake` says: that word stands for them.

    Raises:
        ConfigError: the section does not say it.
    """
    section = values["snowflake"]
    found: dict[str, Any] = {}
    if values.get("artifacts") == SCHEME:
        found["artifacts"] = account_url(section, environment, section.stage, "artifacts", project)
    if (state := values.get("state")) is not None and state.reference == SCHEME:
        found["state"] = Secret(state_url(section, environment))
    return found


def _state(secret: Secret, root: Path) -> Secret:
    """Return the URL with the path of a SQLite file made absolute."""
    prefix = "sqlite:///"
    path = secret.reference.removeprefix(prefix)
    if path == secret.reference or path.startswith(("/", ":memory:", "?")) or not path:
        return secret
    return Secret(f"{prefix}{root.absolute() / path}", root)
