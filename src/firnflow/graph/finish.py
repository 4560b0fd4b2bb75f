"""What can only be checked when the whole pipeline has been wired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow._text import listing
from firnflow.graph.joins import find_contradiction
from firnflow.graph.model import FromParam, FromPartition, walk
from firnflow.graph.params import leaves
from firnflow.graph.source import SOURCE_KEY
from firnflow.graph.where import fail, quoted

if TYPE_CHECKING:
    from firnflow.graph.builder import Builder
    from firnflow.graph.params import Params
    from firnflow.graph.partitions import ByKey, Timed
    from firnflow.graph.where import Place


def check_finished(
    builder: Builder, params: type[Params] | None, partition: Timed | ByKey | None, place: Place
) -> None:
    """Refuse parameters or a partition that nothing uses, branches never entered, and tasks that can never run."""
    if not builder.nodes:
        fail(f"pipeline {builder.pipeline!r}: calls no task", place)
    _check_branches(builder)
    if params is not None:
        _check_used(builder, params, place)
    if partition is not None:
        _check_partition_used(builder, place)


def _check_branches(builder: Builder) -> None:
    for case in builder.cases:
        if not case.entered:
            fail(
                f"case {case.condition.case!r} of {case.condition.task!r} has no body",
                case.place,
                "Write `with ….case(…):`.",
            )
    found = find_contradiction(builder.nodes)
    if found is not None:
        fail(
            f"{quoted(found.task)}: can never run: {found.first_by} needs case {found.first.case!r} of"
            f" {found.first.task!r}, {found.second_by} needs case {found.second.case!r}",
            builder.places[found.task],
            "Annotate the arguments `T | None` to join branches: the one that was skipped is then None.",
        )


def _check_used(builder: Builder, params: type[Params], place: Place) -> None:
    sources = (source for node in builder.nodes.values() for source in node.inputs.values())
    used = {part.path for source in sources for part in walk(source) if isinstance(part, FromParam)}
    unused = [path for path in leaves(params) if not any(path[:n] in used for n in range(len(path) + 1))]
    if unused:
        names = listing(".".join(path) for path in unused)
        fail(
            f"pipeline {builder.pipeline!r}: no task uses {names} of {params.__name__}",
            place,
            "Pass it to a task, or remove it.",
        )


def _check_partition_used(builder: Builder, place: Place) -> None:
    """Refuse a partition that makes no difference; a source may have it in its path, which the graph does not know."""
    nodes = builder.nodes.values()
    inputs = (source for node in nodes for source in node.inputs.values())
    used = any(isinstance(part, FromPartition) for source in inputs for part in walk(source))
    if not used and not any(node.key == SOURCE_KEY for node in nodes):
        fail(
            f"pipeline {builder.pipeline!r}: no task uses its partition",
            place,
            "Pass `partition.key` to a task, or read a source with `{partition}` in its path.",
        )
