"""What a pipeline passes to an argument → an `Input` of the graph, checked against the argument's annotation."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pydantic import TypeAdapter, ValidationError
from pydantic.types import JsonValue

from firnflow.errors import GraphError
from firnflow.graph.annotations import accepts_none, element, members, plain, readable, shortened
from firnflow.graph.model import FromConstant, FromList, Input
from firnflow.graph.placeholders import (
    Each,
    Output,
    Outputs,
    Parameter,
    PartitionPart,
    PartitionPlaceholder,
    Placeholder,
    Section,
    whole,
)
from firnflow.graph.types import adapter, assignable, is_json_like
from firnflow.graph.where import Place, fail, quoted

if TYPE_CHECKING:
    from firnflow.graph.builder import Builder

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class Site(NamedTuple):
    """The argument of a call, for messages."""

    builder: Builder
    task: str
    argument: str
    place: Place

    def fail(self, message: str, remedy: str = "") -> NoReturn:
        """Raise a GraphError that names task, argument, file and line."""
        fail(f"{quoted(self.task, self.argument)}: {message}", self.place, remedy)


def to_input(value: Any, annotation: Any, site: Site) -> Input:
    """Return where the argument's value comes from. Raises GraphError where it does not fit the annotation."""
    if isinstance(value, Each):
        site.fail("`each` only means something in `.map()`", "Call `task.map(…)`.")
    if isinstance(value, Placeholder):
        source = resolved(value, site)
        if not assignable(given(source), annotation) or _is_moment_for_a_day(source, annotation):
            site.fail(
                f"wants {readable(annotation)}, but {source!r} is {readable(given(source))}", _hint(source, annotation)
            )
        return source._input  # noqa: SLF001 - placeholders have no public attributes
    if isinstance(value, list | tuple) and holds_placeholder(value):
        return _list_input(list(value), annotation, site)
    return FromConstant(value=constant(value, annotation, site))


def resolved(value: Placeholder, site: Site) -> Parameter | Output:
    """Return the single value that a placeholder stands for; refuse several outputs, and another pipeline's."""
    if isinstance(value, Section):
        return whole(value)
    if isinstance(value, PartitionPlaceholder):
        site.fail("got the partition itself", "Pass a part of it: `partition.key`.")
    if isinstance(value, Outputs):
        names = list(value)
        if not names:
            site.fail(f"{value!r}: the task returns None")
        site.fail(f"{value!r} are several values", f"Pass one: {', '.join(repr(output) for output in names)}.")
    if isinstance(value, Output) and value._builder is not site.builder:  # noqa: SLF001
        site.fail(f"{value!r} belongs to another pipeline", "Call the task inside this pipeline.")
    assert isinstance(value, Parameter | Output)  # noqa: S101 - the two that are left
    return value


def given(source: Parameter | Output) -> Any:
    """Return the annotation of what a placeholder stands for."""
    return source._annotation  # noqa: SLF001


def holds_placeholder(value: Any) -> bool:
    """Whether a parameter or a task's result stands somewhere in a container."""
    if isinstance(value, Placeholder | Each):
        return True
    if isinstance(value, Mapping):
        return any(holds_placeholder(item) for item in value.values())
    return isinstance(value, list | tuple | set | frozenset) and any(holds_placeholder(item) for item in value)


def constant(value: Any, annotation: Any, site: Site) -> JsonValue:
    """Return a value written in the pipeline as JSON, of exactly the annotated type (an int may be a float)."""
    if holds_placeholder(value):
        site.fail(
            f"a {type(value).__name__} that holds a parameter or a task's result",
            "Pass each as an argument of its own, or as a list.",
        )
    if value is None and accepts_none(annotation):
        return None
    if type(value).__module__ == "firnflow.graph.task":
        site.fail(f"got the task {value.name!r} itself, not its result", f"Call it: `{value.name}(…)`.")
    wanted = plain(annotation)
    if not is_json_like(wanted):
        site.fail(
            f"wants {readable(wanted)}, which cannot be written in a pipeline (got {shortened(value)})",
            "Pass a task's result, or `ff.source(…)`.",
        )
    try:
        if wanted is Any or wanted is object:
            return _finite(_JSON.validate_python(value), site)
        typed = adapter(annotation)
        checked = typed.validate_python(value, strict=True)
        return _finite(typed.dump_python(checked, mode="json"), site)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"[{part!r}]" for part in first["loc"])
        told = not where and (wanted is Any or first["type"].endswith(("_type", "literal_error")))
        item = "" if told else f" ({f'{where}: ' if where else ''}{first['msg']})"
        hint = _hint_list(value, wanted)
        site.fail(f"wants {readable(wanted)}, but got {shortened(value)}{item}", hint)


def fits(value: Any, annotation: Any, site: Site) -> bool:
    """Whether a list written in the pipeline is, as a whole, what the argument takes."""
    try:
        to_input(value, annotation, site)
    except GraphError:
        return False
    return True


def _finite(value: JsonValue, site: Site) -> JsonValue:
    if isinstance(value, float) and not math.isfinite(value):
        site.fail(f"{value} cannot stand in a graph, which is JSON", "Make it the argument's default, or use None.")
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _finite(item, site)
    return value


def _list_input(values: list[Any], annotation: Any, site: Site) -> FromList:
    inner = next((found for member in members(annotation) if (found := element(member)) is not None), None)
    if inner is None:
        site.fail(f"wants {readable(annotation)}, but got a list", _hint_list(values, annotation))
    return FromList(items=tuple(to_input(value, inner, site) for value in values))


def _is_moment_for_a_day(source: Parameter | Output, wanted: Any) -> bool:
    """Whether the begin or end of a partition, to Python a date too, is given to an argument that takes a day only."""
    kinds = members(wanted)
    is_day = dt.date in kinds and dt.datetime not in kinds
    return isinstance(source, PartitionPart) and given(source) is dt.datetime and is_day


def _hint(source: Parameter | Output, wanted: Any) -> str:
    have = given(source)
    if _is_moment_for_a_day(source, wanted):
        return "The day is `partition.day`."
    inner = element(have)
    if inner is not None and assignable(inner, wanted):
        return f"To run once per element: `.map(…)`. To gather them: annotate `list[{readable(wanted)}]`."
    kept = [member for member in members(have) if member is not type(None)]
    if accepts_none(have) and all(assignable(member, wanted) for member in kept):
        return f"It may be None: annotate `{readable(wanted)} | None`."
    return ""


def _hint_list(value: Any, wanted: Any) -> str:
    return "To run once per element, call `.map(…)`." if isinstance(value, list) and element(wanted) is None else ""
