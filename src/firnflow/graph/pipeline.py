"""`@pipeline`: a function that wires tasks; calling it once builds the graph."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any, overload

from pydantic import BaseModel

from firnflow.context import RunSummary
from firnflow.graph.annotations import readable
from firnflow.graph.builder import Builder, current, task_node
from firnflow.graph.finish import check_finished
from firnflow.graph.model import AllOf, AnyOf, Cron, Every, Graph, OnUpdate, Schedule
from firnflow.graph.names import NAME
from firnflow.graph.params import Params, describe
from firnflow.graph.partitions import ByKey, Daily, Hourly, Weekly
from firnflow.graph.placeholders import PartitionPlaceholder, Section
from firnflow.graph.task import Task
from firnflow.graph.where import definition, fail, here, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.graph.partitions import Timed
    from firnflow.graph.where import Place

SCHEDULES = (Cron, Every, OnUpdate, AllOf, AnyOf)
PARTITIONS = (Daily, Hourly, Weekly, ByKey)
PARTITION = "partition"
"""The argument that stands for what the run is for, as the first one stands for its parameters."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A pipeline. Called while another is built it joins that one as a group; else it returns its graph.

    Attributes:
        function: the user's function.
        name: what it is called.
        params: the class of its parameters, or None.
        schedule: when it runs by itself, or None.
        finalizer: the task that always runs last and receives a `RunSummary`, or None.
        partition: what each run is for one part of, or None.
    """

    function: Callable[..., Any]
    name: str
    params: type[Params] | None = None
    schedule: Schedule | None = None
    finalizer: Task[...] | None = None
    partition: Timed | ByKey | None = None

    def __repr__(self) -> str:
        return f"<pipeline {self.key}>"

    @property
    def key(self) -> str:
        """`module:function`."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @property
    def doc(self) -> str:
        """The first line of the function's docstring."""
        return inspect.cleandoc(self.function.__doc__ or "").partition("\n")[0]

    @property
    def is_part(self) -> bool:
        """Whether it takes more than a run gives it, so that it can only be called in another pipeline."""
        return bool(self._takes)

    @property
    def _takes(self) -> list[str]:
        """The arguments that only another pipeline can pass."""
        names = [*inspect.signature(self.function).parameters][1 if self.params else 0 :]
        return [name for name in names if name != PARTITION or self.partition is None]

    @property
    def tasks(self) -> dict[str, Task[...]]:
        """Task path → the task, also of sub-pipelines; the finalizer is `finalizer`. Catalog sources are not in it."""
        return self._built[1]

    def build(self) -> Graph:
        """Return the pipeline as data; the function runs at the first call only.

        Raises:
            GraphError: the wiring is wrong; the message names task, argument, file and line.
        """
        return self._built[0]

    @cached_property
    def _built(self) -> tuple[Graph, dict[str, Task[...]]]:
        builder, place = Builder(self.name, self.key), definition(self.function)
        if takes := self._takes:
            given = "`partition=`" if takes[0] == PARTITION else "`params=`"
            fail(
                f"pipeline {self.name!r}: takes {takes[0]!r}, but nothing passes it at the top",
                place,
                f"With {given} a run passes it; more arguments are for a pipeline called in another.",
            )
        with builder.active():
            self.function(*([Section(self.params)] if self.params else []), **self._given_partition())
        check_finished(builder, self.params, self.partition, place)
        fields, definitions = describe(self.params) if self.params else ({}, {})
        tasks = dict(builder.tasks)
        if self.finalizer is not None:
            tasks["finalizer"] = self.finalizer
        graph = Graph(
            pipeline=self.name,
            doc=self.doc,
            location=place.location(),
            params=fields,
            definitions=definitions,
            tasks=builder.nodes,
            groups=builder.groups,
            finalizer=task_node(self.finalizer, definition(self.finalizer.function).location())
            if self.finalizer
            else None,
            schedule=self.schedule,
            partition=self.partition,
        )
        return graph, tasks

    def _given_partition(self) -> dict[str, PartitionPlaceholder]:
        """Return `partition`, where there is one and the function takes it."""
        if self.partition is None or PARTITION not in inspect.signature(self.function).parameters:
            return {}
        return {PARTITION: PartitionPlaceholder(self.partition)}

    def options(self, *, name: str) -> Pipeline:
        """Return a copy under another name, for calling it twice in one pipeline."""
        _check_name(name, here())
        return dataclasses.replace(self, name=name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Join the pipeline that is being built, and return what the function returns; else return the graph."""
        builder = current()
        if builder is None:
            if args or kwargs:
                fail(
                    f"pipeline {self.name!r}: takes no arguments outside a pipeline", here(), "Run it: `firnflow run`."
                )
            return self.build()
        place = here()
        if self.finalizer is not None:
            fail(
                f"sub-pipeline {self.name!r}: has a finalizer, which belongs to a run of its own",
                place,
                "Move what both share into a pipeline without one.",
            )
        args, kwargs = self._bind(args, kwargs, place)
        with builder.group(self.name, self.doc, self.key, place):
            return self.function(*args, **kwargs)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any], place: Place) -> tuple[Any, Any]:
        try:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError as error:
            fail(f"sub-pipeline {self.name!r}: {error}", place)
        if self.params is not None:
            first = next(iter(inspect.signature(self.function).parameters))
            bound.arguments[first] = self._section(bound.arguments[first], place)
        return bound.args, bound.kwargs

    def _section(self, given: Any, place: Place) -> Section:
        assert self.params is not None  # noqa: S101 - only called where there are parameters
        model = given._model if isinstance(given, Section) else type(given)  # noqa: SLF001
        if not (isinstance(given, Section | BaseModel) and issubclass(model, self.params)):
            fail(
                f"sub-pipeline {self.name!r}: its parameters are {self.params.__name__}, got {model.__name__}",
                place,
                f"Pass `p`, a section of it, or `{self.params.__name__}(…)`.",
            )
        return given if isinstance(given, Section) else Section(model, (), given)


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...
@overload
def pipeline(
    *,
    params: type[Params] | None = None,
    schedule: Schedule | None = None,
    finalizer: Task[...] | None = None,
    partition: Timed | ByKey | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Pipeline]: ...
def pipeline(
    function: Callable[..., Any] | None = None,
    /,
    *,
    params: type[Params] | None = None,
    schedule: Schedule | None = None,
    finalizer: Task[...] | None = None,
    partition: Timed | ByKey | None = None,
    name: str | None = None,
) -> Any:
    """Make a pipeline of a function that wires tasks.

    Args:
        function: the function, where the decorator stands without parentheses.
        params: the class of its parameters; the function's first argument then stands for them.
        schedule: `Cron`, `Every`, or `OnUpdate` joined by `&` and `|`.
        finalizer: a task that always runs last, with one argument annotated `RunSummary`.
        partition: `Daily`, `Hourly`, `Weekly` or `ByKey`: what each run is for; the function's argument `partition`
            then stands for it.
        name: another name than the function's.

    Raises:
        GraphError: the function or an option cannot be used.
    """
    place = here()

    def decorate(found: Callable[..., Any]) -> Pipeline:
        if not isinstance(found, FunctionType):
            fail(f"{found!r} cannot be a pipeline", place, "Decorate a function that is written with `def`.")
        _check_name(name or found.__name__, place)
        if params is not None:
            _check_params(params, found, place)
        if finalizer is not None:
            _check_finalizer(finalizer, place)
        if schedule is not None and not isinstance(schedule, SCHEDULES):
            fail(
                f"pipeline {found.__name__!r}: schedule={schedule!r} is no schedule",
                place,
                'Write `ff.Cron("0 6 * * *")`.',
            )
        if partition is not None:
            _check_partition(partition, schedule, found, place, has_params=params is not None)
        return Pipeline(found, name or found.__name__, params, schedule, finalizer, partition)

    return decorate if function is None else decorate(function)


def _check_name(name: str, place: Place) -> None:
    if not re.fullmatch(NAME, name):
        fail(f"pipeline {name!r}: a name is letters, digits and `_`, a letter first", place, "Give it one: `name=…`.")


def _check_params(params: Any, function: Callable[..., Any], place: Place) -> None:
    if not (isinstance(params, type) and issubclass(params, Params)):
        fail(
            f"pipeline {function.__name__!r}: params={params!r} is no class of parameters",
            place,
            "Derive it: `class X(ff.Params)`.",
        )
    if not inspect.signature(function).parameters:
        fail(
            f"pipeline {function.__name__!r}: takes no argument for its parameters",
            place,
            f"Write `def {function.__name__}(p):`.",
        )


def _check_partition(
    partition: Any, schedule: Any, function: Callable[..., Any], place: Place, *, has_params: bool
) -> None:
    if not isinstance(partition, PARTITIONS):
        fail(
            f"pipeline {function.__name__!r}: partition={partition!r} is no partition",
            place,
            'Write `ff.Daily(start="2026-01-01")`.',
        )
    if next(iter(inspect.signature(function).parameters), "") == PARTITION and has_params:
        fail(
            f"pipeline {function.__name__!r}: takes its partition before its parameters",
            place,
            f"Write `def {function.__name__}(p, {PARTITION}):`.",
        )
    if isinstance(partition, ByKey) and isinstance(schedule, Cron | Every):
        fail(
            f"pipeline {function.__name__!r}: {type(schedule).__name__} cannot run ByKey: which key",
            place,
            "Run its keys by `firnflow backfill` or `firnflow trigger`.",
        )


def _check_finalizer(finalizer: Task[...], place: Place) -> None:
    if not isinstance(finalizer, Task):
        fail(f"finalizer {finalizer!r} is not a task", place, "Decorate it with `@ff.task`.")
    arguments = finalizer.signature.arguments.values()
    summaries = [argument for argument in arguments if argument.annotation is RunSummary]
    if len(summaries) != 1:
        fail(f"{quoted(finalizer.name)}: a finalizer takes one argument annotated `ff.RunSummary`", place)
    for argument in arguments:
        if argument.required and argument is not summaries[0]:
            fail(
                f"{quoted(finalizer.name, argument.name)}: nothing passes it to a finalizer",
                place,
                f"Give it a default of {readable(argument.annotation)}.",
            )
