"""Collects the tasks that a pipeline function calls."""

from __future__ import annotations

import contextvars
import datetime as dt
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from firnflow._text import counted, nearest
from firnflow.graph.annotations import readable
from firnflow.graph.inputs import Site, to_input
from firnflow.graph.mapping import plan_map
from firnflow.graph.model import Condition, FromConstant, Group, Input, Location, Mapping, Port, TaskNode
from firnflow.graph.names import PATH
from firnflow.graph.placeholders import Case, Output, Outputs
from firnflow.graph.rules import Checks
from firnflow.graph.types import SourceTable
from firnflow.graph.where import Place, fail, here, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.graph.task import Task

_NO_NAME = re.compile(r"\W", re.ASCII)
_current: contextvars.ContextVar[Builder | None] = contextvars.ContextVar("firnflow_builder", default=None)


def current() -> Builder | None:
    """Return the builder of the pipeline that is being built here, or None."""
    return _current.get()


class Builder:
    """The graph under construction.

    Attributes:
        nodes: what the graph will hold, in the order of the calls, hence topological.
        tasks: the same paths → the Task objects that were called.
        places: the same paths, and sub-pipelines → where they were called.
        conditions: the branches that are open now.
    """

    def __init__(self, pipeline: str, key: str) -> None:
        self.pipeline = pipeline
        self.nodes: dict[str, TaskNode] = {}
        self.tasks: dict[str, Task[...]] = {}
        self.groups: dict[str, Group] = {}
        self.conditions: list[Condition] = []
        self.cases: list[Case] = []
        self.places: dict[str, Place] = {}
        self._scope: tuple[str, ...] = ()
        self._open = [key]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Collect the calls made in here."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def call(self, task: Task[...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add a task and return what stands for its result."""
        place = here()
        given = _bind(task, args, kwargs, place)
        annotations = {name: argument.annotation for name, argument in task.signature.arguments.items()}
        inputs = {
            name: to_input(value, annotations[name], Site(self, task.name, name, place))
            for name, value in given.items()
        }
        return self._add(task, inputs, None, place)

    def map(self, task: Task[...], args: tuple[Any, ...], kwargs: dict[str, Any], how: str) -> Any:
        """Add a task that runs once per element and return what stands for the list of its results."""
        place = here()
        given = _bind(task, args, kwargs, place)
        sites = {name: Site(self, task.name, name, place) for name in given}
        inputs, mapping = plan_map(task, given, sites, how, place)
        return self._add(task, inputs, mapping, place)

    def source(self, name: str, key: str) -> Output:
        """Add a catalog source, or return the one that is there."""
        return self._leaf(name, key, {"name": name}, "source")

    def table(self, name: str, version: int | None, as_of: str | None, key: str) -> Output:
        """Add a named table, or return the one that is there."""
        which = {"version": version, "as_of": as_of}
        given: dict[str, str | int] = {argument: value for argument, value in which.items() if value is not None}
        suffix = "".join(f"_{argument}_{value}" for argument, value in given.items())
        return self._leaf(f"{name}{re.sub(_NO_NAME, '_', suffix)}", key, {"name": name, **given}, "table")

    def check(
        self, output: Output, name: str, checks: Any, moment: Any, references: dict[str, Any], key: str
    ) -> Output:
        """Add the task that checks a table before it is published."""
        task, place = f"check_{name}", here()
        path = self._path(task)

        def given(argument: str, value: Any, annotation: Any) -> Input:
            return to_input(value, annotation, Site(self, task, argument, place))

        inputs = {
            "data": given("data", output, SourceTable),
            "name": FromConstant(value=name),
            "checks": given("checks", checks, Checks),
        }
        if moment is not None:
            inputs["moment"] = given("moment", moment, str | dt.date | dt.datetime)
        if references:
            inputs["names"] = FromConstant(value=list(references))
            inputs["tables"] = given("references", list(references.values()), list[SourceTable])  # type: ignore[valid-type]
        self._claim(path, task, place)
        table = readable(SourceTable)
        types = {"data": table, "name": "str", "checks": "Checks", "names": "list[str]", "tables": f"list[{table}]"}
        self.nodes[path] = TaskNode(
            key=key,
            doc=f"Checks what is to be published as {name}",
            location=place.location(),
            inputs=inputs,
            arguments={argument: Port(type=types.get(argument, "str")) for argument in inputs},
            outputs={"result": Port(type=table)},
            when=tuple(self.conditions),
        )
        return Output(self, path, None, SourceTable, mapped=False)

    def publish(self, output: Output, name: str, mode: str, columns: dict[str, list[str]], key: str) -> Output:
        """Add the task that publishes a table."""
        place = here()
        task = f"publish_{name}"
        path = self._path(task)
        if path in self.nodes:
            fail(
                f"table {name!r}: is published already in pipeline {self.pipeline!r}, at {self.places[path]}",
                place,
                "Join the tables in a task and publish once, or publish in a pipeline of its own.",
            )
        site = Site(self, task, "data", place)
        self._claim(path, task, place)
        given: dict[str, Any] = {"name": name, "mode": mode, **columns}
        self.nodes[path] = TaskNode(
            key=key,
            doc=f"Publishes table {name} ({mode})",
            location=place.location(),
            inputs={
                "data": to_input(output, SourceTable, site),
                **{argument: FromConstant(value=value) for argument, value in given.items()},
            },
            arguments={
                "data": Port(type=readable(SourceTable)),
                **{argument: _port(value) for argument, value in given.items()},
            },
            outputs={"result": Port(type=readable(SourceTable))},
            when=tuple(self.conditions),
        )
        return Output(self, path, None, SourceTable, mapped=False)

    def _leaf(self, name: str, key: str, given: dict[str, Any], what: str) -> Output:
        """Add a table from outside the pipeline, or return the one that is there."""
        path = self._path(name)
        known = self.nodes.get(path)
        inputs: dict[str, Input] = {argument: FromConstant(value=value) for argument, value in given.items()}
        if known is None or (known.key, known.inputs) != (key, inputs) or not set(known.when) <= set(self.conditions):
            place = here()
            self._claim(path, name, place, what)
            self.nodes[path] = TaskNode(
                key=key,
                location=place.location(),
                inputs=inputs,
                arguments={argument: _port(value) for argument, value in given.items()},
                outputs={"result": Port(type=readable(SourceTable))},
                when=tuple(self.conditions),
            )
        return Output(self, path, None, SourceTable, mapped=False)

    def case(self, condition: Condition) -> Case:
        """Return a branch, and remember it, since one that is never entered is a mistake."""
        case = Case(self, condition)
        self.cases.append(case)
        return case

    @contextmanager
    def group(self, name: str, doc: str, key: str, place: Place) -> Iterator[None]:
        """Name the tasks called in here `name.task`."""
        path = self._path(name)
        if key in self._open:
            fail(f"sub-pipeline {path!r}: calls itself", place)
        self._claim(path, name, place, "sub-pipeline")
        self.groups[path] = Group(doc=doc)
        outer, self._scope = self._scope, (*self._scope, name)
        self._open.append(key)
        try:
            yield
        finally:
            self._scope = outer
            self._open.pop()

    def _path(self, name: str) -> str:
        return ".".join((*self._scope, name))

    def _claim(self, path: str, name: str, place: Place, what: str = "task") -> None:
        if path in self.places:
            remedy = f"Give the second one a name of its own: `.options(name={f'{name}_2'!r})`."
            fail(
                f"{what} {path!r} is already in pipeline {self.pipeline!r}, called at {self.places[path]}",
                place,
                "Read it before the branches, and pass it on." if what in {"source", "table"} else remedy,
            )
        if not re.fullmatch(PATH, path) or path == "finalizer":
            fail(f"{what} {path!r}: not a name for a {what}", place, "Rename it: `.options(name=…)`.")
        self.places[path] = place

    def _add(self, task: Task[...], inputs: dict[str, Input], mapping: Mapping | None, place: Place) -> Any:
        path = self._path(task.name)
        self._claim(path, task.name, place)
        self.tasks[path] = task
        self.nodes[path] = task_node(task, place.location(), inputs, mapping, tuple(self.conditions))
        several = task.signature.output_class is not None
        outputs = {
            name: Output(
                self,
                path,
                name if several else None,
                list[annotation] if mapping else annotation,  # type: ignore[valid-type] # built from data
                mapped=mapping is not None,
            )
            for name, annotation in task.signature.outputs.items()
        }
        return outputs["result"] if outputs and not several else Outputs(path, outputs)


def _port(value: object) -> Port:
    """Return what the graph says of an argument that is written in it."""
    return Port(type="list[str]" if isinstance(value, list) else type(value).__name__)


def task_node(
    task: Task[...],
    location: Location,
    inputs: dict[str, Input] | None = None,
    mapping: Mapping | None = None,
    when: tuple[Condition, ...] = (),
) -> TaskNode:
    """Return a task as data."""
    return TaskNode(
        key=task.key,
        doc=task.doc,
        location=location,
        inputs=inputs or {},
        arguments=task.signature.argument_ports,
        outputs=task.signature.output_ports,
        mapping=mapping,
        when=when,
        options=task.options_,
    )


def _bind(task: Task[...], args: tuple[Any, ...], kwargs: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return argument → value as Python binds them. Raises GraphError for an unknown, double or missing argument."""
    arguments = task.signature.arguments
    if len(args) > len(arguments):
        fail(
            f"{quoted(task.name)}: takes {counted(len(arguments), 'argument')}, got {len(args)}",
            place,
            f"It is {task.describe()}.",
        )
    given = dict(zip(arguments, args, strict=False))
    for name, value in kwargs.items():
        if name not in arguments:
            fail(
                f"{quoted(task.name)}: has no argument {name!r}",
                place,
                nearest(name, arguments) or f"It is {task.describe()}.",
            )
        if name in given:
            fail(f"{quoted(task.name, name)}: is given twice", place)
        given[name] = value
    for name, argument in arguments.items():
        if argument.required and name not in given:
            fail(f"{quoted(task.name, name)}: is missing", place, f"It is {task.describe()}.")
    return given
