"""The sections of firnflow.toml that say who runs an environment's pipelines, where that is not Firnflow itself."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from firnflow.graph.units import parse_duration
from firnflow.project.secrets import Secret, reference_only
from firnflow.project.toml import STRICT

Orchestrator: TypeAlias = Literal["local", "airflow", "snowflake"]


def _server(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s@?#]+", text):
        raise ValueError("write it like https://airflow.example.com, without a user or password in it")
    return text


Place = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A path or a name on the machines of the orchestrator."""
AirflowName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w.-]+$")]
"""A queue, a pool or a tag, as Airflow takes it. A pattern that counts to 200 would take 0.05 s to be compiled."""
Address = Annotated[str, Field(max_length=500), AfterValidator(_server)]
"""Of a server, without a password in it."""
Key = Annotated[Secret, AfterValidator(reference_only)]
"""A token or a password."""


class Airflow(BaseModel):
    """`[environments.NAME.airflow]`: where DAGs are written, and where their tasks run. What is None has a default."""

    model_config = STRICT
    dags: Place | None = None
    """The DAGs folder, as this machine sees it; relative to the project."""
    python: Place | None = None
    """The Python of the project's environment on the workers; default: the one that runs `firnflow apply`."""
    project: Place | None = None
    """The project's folder on the workers; default: where it is here."""
    executor: Literal["local", "celery", "kubernetes"] = "local"
    """What Airflow runs tasks with: all but `local` may use several machines."""
    shared: tuple[Place, ...] = ()
    """Folders that all machines see under the same path."""
    prefix: Annotated[str, Field(max_length=50, pattern=r"^[\w.-]*$")] = ""
    """Before the names of DAGs and of the assets of named tables."""
    queue: AirflowName | None = None
    """For tasks whose `Resources` name no pool."""
    pool: AirflowName | None = None
    """Airflow's pool, for all tasks."""
    priority: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 1
    """Of all tasks among others that wait for the same pool; what a task says of its own is added."""
    image: Place | None = None
    """Of the pods that the executor `kubernetes` starts for tasks; default: Airflow's."""
    jobs: Literal["snowflake"] | None = None
    """Where Python tasks run: in jobs of Snowflake, as the section `snowflake` says; None: in Airflow's workers."""
    files: Address | None = None
    """Where browsers reach the artifact store, for links from tasks to their reports; None: they have none."""
    tags: tuple[AirflowName, ...] = ()
    url: Address | None = None
    """Of Airflow's page, whose REST API runs, cancels and resumes; None: only plan and apply."""
    token: Key | None = None
    """What is shown to the API."""
    user: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Instead of a token: whose token is asked for, with `password`."""
    password: Key | None = None
    patience: Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=86_400)] = 30.0
    """Seconds that one call of the API may take."""

    @model_validator(mode="after")
    def _check_key(self) -> Airflow:
        if self.token is not None and self.user is not None:
            raise ValueError("token and user: one of them is enough")
        return self
