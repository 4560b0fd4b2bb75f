"""The parameters that a deployed pipeline has before anybody starts a run of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.engine.run import params_of
from firnflow.errors import ConfigError
from firnflow.project.settings import FILE

if TYPE_CHECKING:
    from firnflow.graph.model import Graph
    from firnflow.graph.pipeline import Pipeline
    from firnflow.project import Project


def defaults(project: Project, pipeline: Pipeline, graph: Graph) -> dict[str, Any]:
    """Return parameter → value as JSON, of those that have one; whoever starts a run gives the others.

    Args:
        project: loaded in the environment.
        pipeline: one of its pipelines.
        graph: the pipeline's.

    Raises:
        ConfigError: a schedule starts the pipeline, and a parameter has no value then.
        ParameterError: a value does not fit.
    """
    lacking = missing(project, graph)
    if not lacking:
        return params_of(project, pipeline, ())
    if graph.schedule is not None:
        raise ConfigError(
            f"{project.root / FILE}: pipeline {graph.pipeline!r} has a schedule, but nobody says what "
            f"{', '.join(lacking)} is then. Mend: {lacking[0]} = … in [pipelines.{graph.pipeline}.params], or a default"
        )
    layers = [values for _, values in project.settings.params.get(graph.pipeline, ())]
    return {name: value for values in layers for name, value in values.items() if name in graph.params}


def missing(project: Project, graph: Graph) -> list[str]:
    """Return the parameters of a pipeline that have no value before somebody gives one."""
    layers = [values for _, values in project.settings.params.get(graph.pipeline, ())]
    given = {name.partition(".")[0] for values in layers for name in values}
    return sorted(name for name, field in graph.params.items() if field.required and name not in given)
