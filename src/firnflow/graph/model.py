"""The graph as plain data: what the engine, every target, the plan and the page read.

A `Graph` serialises to JSON and back without loss. `FORMAT` and `VERSION` stand in every file; a reader refuses a
version that it does not know. The JSON schema is `Graph.model_json_schema()`, published as `graph.schema.json`.
Tasks are named by *key* (`module:function`), looked up among the tasks of the loaded project and never imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from firnflow.graph.cron import check_cron, check_timezone
from firnflow.graph.names import KEY, Name, TaskPath
from firnflow.graph.partitions import Partition
from firnflow.graph.units import parse_duration, parse_memory
from firnflow.graph.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "firnflow.graph"
VERSION = 1

Seconds = Annotated[float, BeforeValidator(parse_duration)]
"""A time; also written as `"1h30m"`."""

Bytes = Annotated[int, BeforeValidator(parse_memory)]
"""An amount of memory; also written as `"8Gi"`."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FromParam(_Data):
    """A parameter of the run, or a part of one: `["model", "max_depth"]` is `p.model.max_depth`."""

    source: Literal["param"] = "param"
    path: tuple[str, ...]


class FromConstant(_Data):
    """A value written in the pipeline."""

    source: Literal["constant"] = "constant"
    value: JsonValue


class FromPartition(_Data):
    """What the run is for: the key of its partition, or when that begins and ends."""

    source: Literal["partition"] = "partition"
    field: Literal["key", "day", "start", "end"]


class FromTask(_Data):
    """What another task returns; `output` picks one of several named outputs.

    The output of a mapped task is the list of its elements' outputs.
    """

    source: Literal["task"] = "task"
    task: TaskPath
    output: Name | None = None


class FromList(_Data):
    """A list written in the pipeline, of which some items come from tasks or parameters."""

    source: Literal["list"] = "list"
    items: tuple[Input, ...]


Input = Annotated[FromParam | FromConstant | FromPartition | FromTask | FromList, Field(discriminator="source")]


def walk(source: Input) -> Iterator[Input]:
    """Yield an input and, of a list, its items."""
    yield source
    if isinstance(source, FromList):
        for item in source.items:
            yield from walk(item)


class Port(_Data):
    """A typed argument or output; `type` is the annotation as one reads it (`ibis.Table`, `list[int]`)."""

    type: str
    optional: bool = False
    """An argument that accepts None: its task runs although the branch that feeds it was skipped."""


class Condition(_Data):
    """The task runs only if the named task returned this case."""

    task: TaskPath
    output: Name | None = None
    case: str | bool | int


class Mapping(_Data):
    """The task runs once per element of the mapped arguments, in their order.

    `zip` pairs the lists (all of one length); `cross` takes every combination, the last argument fastest.
    """

    arguments: tuple[Name, ...]
    how: Literal["zip", "cross"] = "zip"


class Resources(Written):
    """What one attempt of a task may use. `memory` is in bytes; `pool` names a compute pool, queue or warehouse."""

    cpu: float | None = Field(default=None, gt=0)
    memory: Annotated[Bytes, Field(gt=0)] | None = None
    gpu: int | None = Field(default=None, ge=0)
    nodes: int = Field(default=1, ge=1)
    pool: str | None = None

    def __init__(
        self,
        *,
        cpu: float | None = None,
        memory: int | str | None = None,
        gpu: int | None = None,
        nodes: int = 1,
        pool: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(cpu=cpu, memory=memory, gpu=gpu, nodes=nodes, pool=pool, **unknown)


class Options(_Data):
    """How a task is run. Times are in seconds; the wait before retry n is `retry_delay * backoff ** (n - 1)`."""

    retries: int = Field(default=0, ge=0, le=100)
    retry_delay: Annotated[Seconds, Field(ge=0)] = 1.0
    backoff: float = Field(default=2.0, ge=1)
    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    cache: bool = True
    concurrency: int | None = Field(default=None, ge=1)
    """How many attempts of this task (elements of a map) may run at once."""
    priority: int = Field(default=0, ge=-1000, le=1000, strict=True)
    """Of tasks that could start, those with the highest do."""
    group: Name | None = None
    """Where each job costs a start, small tasks of one name that follow each other are one job."""
    resources: Resources = Resources()


class Location(_Data):
    """Where something was written: a file, named from the folder it is imported from, and its line."""

    file: str
    line: int


class TaskNode(_Data):
    """One task of the graph."""

    key: str = Field(pattern=KEY, max_length=1000)
    """`module:function`; `firnflow:…` for what `ff.source`, `ff.table` and `publish` stand for."""
    doc: str = ""
    location: Location
    inputs: dict[str, Input] = {}
    """Argument → where it comes from; an argument that is not here takes its default."""
    arguments: dict[str, Port] = {}
    outputs: dict[str, Port] = {}
    """Several named outputs; a task with one output has the single key `result`, a task that returns None none."""
    mapping: Mapping | None = None
    when: tuple[Condition, ...] = ()
    options: Options = Options()


class Group(_Data):
    """A sub-pipeline: its tasks are named `path.task`."""

    doc: str = ""


CatchUp = Literal["last", "all", "none"]


class _Timed(Written):
    """What is due at moments."""

    catch_up: CatchUp = "last"
    """Which of the moments that passed while nothing could start are made up for."""
    overlap: bool = False
    """Whether a run may start while an earlier one of the pipeline is under way."""

    def __init__(self, /, **data: Any) -> None:
        super().__init__(**data)


class Cron(_Timed):
    """A cron expression of five fields in a time zone: `Cron("0 6 * * *", timezone="Europe/Zurich")`."""

    kind: Literal["cron"] = "cron"
    expression: Annotated[str, BeforeValidator(check_cron)]
    timezone: Annotated[str, BeforeValidator(check_timezone)] = "UTC"

    def __init__(
        self,
        expression: str = "",
        timezone: str = "UTC",
        catch_up: CatchUp = "last",
        overlap: bool = False,
        **unknown: Any,
    ) -> None:
        super().__init__(expression=expression, timezone=timezone, catch_up=catch_up, overlap=overlap, **unknown)


class Every(_Timed):
    """A fixed interval in seconds, counted from 1970 in UTC: `Every("1h")` is due at each full hour."""

    kind: Literal["every"] = "every"
    seconds: Annotated[Seconds, Field(gt=0)]

    def __init__(
        self,
        seconds: float | str = 0,
        catch_up: CatchUp = "last",
        overlap: bool = False,
        **unknown: Any,
    ) -> None:
        super().__init__(seconds=seconds, catch_up=catch_up, overlap=overlap, **unknown)


class _Combined:
    """Something that happens; `&` is all of several, `|` one of several."""

    def __and__(self, other: OnUpdate | AllOf | AnyOf) -> AllOf:
        return AllOf(of=(*_parts(self, AllOf), *_parts(other, AllOf)))

    def __or__(self, other: OnUpdate | AllOf | AnyOf) -> AnyOf:
        return AnyOf(of=(*_parts(self, AnyOf), *_parts(other, AnyOf)))


class OnUpdate(_Combined, Written):
    """A new version of a named table, `OnUpdate("orders")`, or files of a source, `OnUpdate(source="feed")`."""

    kind: Literal["on_update"] = "on_update"
    table: Name | None = None
    source: Name | None = None
    """In catalog.toml: something in it is new or has changed."""

    def __init__(self, table: str | None = None, source: str | None = None, **unknown: Any) -> None:
        super().__init__(table=table, source=source, **unknown)

    @model_validator(mode="after")
    def _check_one(self) -> OnUpdate:
        if (self.table is None) == (self.source is None):
            raise ValueError('of what? Either of a table, OnUpdate("orders"), or OnUpdate(source="feed")')
        return self


class AllOf(_Combined, Written):
    """All of these have happened since the last run."""

    kind: Literal["all"] = "all"
    of: tuple[Trigger, ...]


class AnyOf(_Combined, Written):
    """One of these has happened since the last run."""

    kind: Literal["any"] = "any"
    of: tuple[Trigger, ...]


Trigger = Annotated[OnUpdate | AllOf | AnyOf, Field(discriminator="kind")]


def _parts(trigger: Any, combined: type[AllOf | AnyOf]) -> tuple[Any, ...]:
    """Return `a, b` of `a & b`, so that `a & b & c` is one list of three."""
    return trigger.of if isinstance(trigger, combined) else (trigger,)


def updates_of(schedule: Any) -> Iterator[OnUpdate]:
    """Yield what a schedule waits for; nothing where a clock drives it, or there is none."""
    if isinstance(schedule, OnUpdate):
        yield schedule
    elif isinstance(schedule, AllOf | AnyOf):
        for part in schedule.of:
            yield from updates_of(part)


Schedule = Annotated[Cron | Every | OnUpdate | AllOf | AnyOf, Field(discriminator="kind")]


class ParamField(_Data):
    """One parameter: its JSON schema, and its default where it has one."""

    json_schema: dict[str, JsonValue]
    required: bool = False
    default: JsonValue = None


class Graph(_Data):
    """A pipeline as data. `tasks` is in topological order."""

    format: Literal["firnflow.graph"] = "firnflow.graph"
    version: Literal[1] = 1
    pipeline: Name
    doc: str = ""
    location: Location
    params: dict[str, ParamField] = {}
    definitions: dict[str, Any] = {}
    """JSON schemas that the parameters' schemas refer to as `#/definitions/NAME`."""
    tasks: dict[TaskPath, TaskNode]
    groups: dict[TaskPath, Group] = {}
    finalizer: TaskNode | None = None
    schedule: Schedule | None = None
    partition: Partition | None = None
    """What each run is for one part of: a day, an hour, a week or a key."""
