"""What can only be checked when the whole pipeline has been wired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow._text import listing
from firnflow.graph.model import FromList, FromParam
from firnflow.graph.params import leaves
from firnflow.graph.where import fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.graph.builder import Builder
    from firnflow.graph.model import Input
    from firnflow.graph.params import Params
    from firnflow.graph.where import Place


def check_finished(builder: Builder, params: type[Params] | None, place: Place) -> None:
    """Refuse parameters that no task uses, and branches that were never entered."""
    if not builder.nodes:
        fail(f"pipeline {builder.pipeline!r}: calls no task", place)
    for case in builder.cases:
        if not case.entered:
            fail(
                f"case {case.condition.case!r} of {case.condition.task!r} has no body",
                case.place,
                "Write `with ….case(…):`.",
            )
    if params is not None:
        used = set(_used(builder))
        unused = [path for path in leaves(params) if not any(path[:n] in used for n in range(len(path) + 1))]
        if unused:
            names = listing(".".join(path) for path in unused)
            fail(
                f"pipeline {builder.pipeline!r}: no task uses {names} of {params.__name__}",
                place,
                "Pass it to a task, or remove it.",
            )


def _used(builder: Builder) -> Iterator[tuple[str, ...]]:
    for node in builder.nodes.values():
        for source in node.inputs.values():
            yield from _paths(source)


def _paths(source: Input) -> Iterator[tuple[str, ...]]:
    if isinstance(source, FromParam):
        yield source.path
    elif isinstance(source, FromList):
        for item in source.items:
            yield from _paths(item)
