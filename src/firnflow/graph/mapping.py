"""Which arguments of `task.map(…)` are mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from firnflow.graph.annotations import element
from firnflow.graph.inputs import Site, fits, given, resolved, to_input
from firnflow.graph.model import FromConstant, FromList, Input, Mapping
from firnflow.graph.placeholders import Each, Placeholder
from firnflow.graph.types import assignable
from firnflow.graph.where import Place, fail, quoted

if TYPE_CHECKING:
    from firnflow.graph.task import Task


def plan_map(
    task: Task[...], values: dict[str, Any], sites: dict[str, Site], how: str, place: Place
) -> tuple[dict[str, Input], Mapping]:
    """Return the inputs and the mapping. Raises GraphError where nothing is mapped, or lists are not equally long."""
    inputs: dict[str, Input] = {}
    mapped: list[str] = []
    for name, value in values.items():
        annotation = task.signature.arguments[name].annotation
        if is_mapped(value, annotation, sites[name]):
            mapped.append(name)
            inputs[name] = _mapped_input(value, annotation, sites[name])
        else:
            inputs[name] = to_input(value, annotation, sites[name])
    if not mapped:
        fail(
            f"{quoted(task.name)}: no argument is mapped",
            place,
            "Pass a list of what an argument takes, or mark one: `ff.each(values)`.",
        )
    lengths = {name: length for name in mapped if (length := _length(inputs[name])) is not None}
    _check_lengths(task, lengths, how, place)
    return inputs, Mapping(arguments=tuple(mapped), how=cast('Literal["zip", "cross"]', how))


def _mapped_input(value: Any, annotation: Any, site: Site) -> Input:
    values = value.value if isinstance(value, Each) else value
    return to_input(list(values) if isinstance(values, tuple) else values, list[annotation], site)


def is_mapped(value: Any, annotation: Any, site: Site) -> bool:
    """Whether the value is a list of what the argument takes, rather than what it takes."""
    if isinstance(value, Each):
        return True
    if isinstance(value, Placeholder):
        have = given(resolved(value, site))
        inner = element(have)
        return inner is not None and not assignable(have, annotation) and assignable(inner, annotation)
    return isinstance(value, list | tuple) and not fits(value, annotation, site)


def _length(source: Input) -> int | None:
    if isinstance(source, FromList):
        return len(source.items)
    if isinstance(source, FromConstant) and isinstance(source.value, list):
        return len(source.value)
    return None


def _check_lengths(task: Task[...], lengths: dict[str, int], how: str, place: Place) -> None:
    for name, length in lengths.items():
        if length == 0:
            fail(f"{quoted(task.name, name)}: is mapped over an empty list", place)
    if how == "zip" and len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        fail(
            f"{quoted(task.name)}: the mapped lists are not equally long: {found}",
            place,
            "For every combination, call `.cross_map(…)`.",
        )
