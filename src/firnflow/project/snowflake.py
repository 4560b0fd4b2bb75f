"""The section of firnflow.toml that says where in Snowflake an environment's pipelines run."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from firnflow.graph.units import parse_duration
from firnflow.project.orchestrators import Place
from firnflow.project.toml import STRICT

SnowflakeName = Annotated[str, Field(min_length=1, max_length=800, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A name as it is written in SQL: `ml`, `"My Db"`, `ml.prod.stage`."""
PoolName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z][\w-]*$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
BaseImage = Annotated[str, Field(max_length=500, pattern=r"^[a-z0-9][a-zA-Z0-9_./:-]*(@sha256:[0-9a-f]{64})?$")]


class Pool(BaseModel):
    """`[environments.NAME.snowflake.pools.POOL]`: what `Resources(pool="POOL")` is in the account."""

    model_config = STRICT
    name: SnowflakeName | None = None
    """Of the compute pool; default: POOL."""
    family: Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,40}$")] | None = None
    """The instances that it has, `CPU_X64_S`; None: the pool is there already, and is only used."""
    min_nodes: Annotated[int, Field(strict=True, ge=1, le=100)] = 1
    max_nodes: Annotated[int, Field(strict=True, ge=1, le=100)] = 1
    suspend: Annotated[int, Field(strict=True, ge=60, le=604_800)] = 300
    """Seconds without a job after which it costs nothing any more."""

    @model_validator(mode="after")
    def _check_nodes(self) -> Pool:
        if self.max_nodes < self.min_nodes:
            raise ValueError(f"max_nodes = {self.max_nodes} is less than min_nodes = {self.min_nodes}")
        return self


class Snowflake(BaseModel):
    """`[environments.NAME.snowflake]`: where pipelines are deployed, and what their jobs may use."""

    model_config = STRICT
    connection: Place | None = None
    """In connections.toml; default: the one that is the default there."""
    database: SnowflakeName | None = None
    schema_: Annotated[SnowflakeName | None, Field(alias="schema")] = None
    warehouse: SnowflakeName | None = None
    """Of the tasks, which wait in it for their jobs, and of the jobs' queries."""
    role: SnowflakeName | None = None
    """Which role deploys, and owns what is made; default: the connection's."""
    stage: SnowflakeName = "FIRNFLOW"
    """Where the project's code goes."""
    tags: Annotated[bool, Field(strict=True)] = True
    """Whether what is made gets tags, of project and environment: accounts of the Standard Edition have none."""
    procedures: Annotated[bool, Field(strict=True)] = True
    """Whether tasks of tables are executed in the warehouse, by a procedure; else they are jobs like all others."""
    pool: PoolName = "default"
    """Of `pools`, for tasks whose Resources name none."""
    pools: dict[PoolName, Pool] = {}
    image: Place | None = None
    """The project's image in an image repository: tasks are job services. None: tasks are ML Jobs."""
    image_base: BaseImage | None = None
    """What `firnflow image build` builds it on, best by digest; default: the Python that builds it, on Debian."""
    integrations: tuple[SnowflakeName, ...] = ()
    """External access integrations: what jobs may reach outside."""
    variables: dict[Variable, Annotated[str, Field(max_length=10_000)]] = {}
    """Of the jobs' environment; nothing secret."""
    secrets: dict[Variable, SnowflakeName] = {}
    """Variable → the SECRET whose text it gets; needs an image."""
    requirements: tuple[Place, ...] = ()
    """What pip installs in ML Jobs."""
    files: tuple[Place, ...] = ()
    """Beside the project's Python files and its TOML files, what of it jobs need: patterns, `sql/*.sql`."""
    feature_lag: Annotated[float, BeforeValidator(parse_duration), Field(ge=60, le=31_536_000)] | None = None
    """How old feature views in the Feature Store may get; None: they are computed when they are read."""
    sample: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Of a source that is a table in Snowflake, how many rows are fetched at most; None: all."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,49})?$")] = ""
    """Before the names of tasks."""
