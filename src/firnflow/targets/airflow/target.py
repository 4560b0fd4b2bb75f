"""Airflow as a target: compiles a project's pipelines to DAG files, and finds, writes and deletes those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.engine.run import params_of
from firnflow.errors import ConfigError, DeployConflictError
from firnflow.project.settings import FILE
from firnflow.stores.state.deployments import Address
from firnflow.targets.airflow import checks, presence
from firnflow.targets.airflow.compile import compile_graph
from firnflow.targets.airflow.facts import facts
from firnflow.targets.airflow.files import Bundle, Folder, bundle
from firnflow.targets.airflow.references import references
from firnflow.targets.airflow.schedule import weak_points
from firnflow.targets.base import Found, Resource

if TYPE_CHECKING:
    from collections.abc import Collection

    from firnflow.graph.model import Graph
    from firnflow.graph.pipeline import Pipeline
    from firnflow.project import Project

DAG = "dag"


class AirflowTarget:
    """The DAGs folder of an environment.

    Args:
        project: the project, loaded in the environment.

    Raises:
        ConfigError: no DAGs folder is named, or it is not there.
    """

    name = "airflow"

    def __init__(self, project: Project) -> None:
        settings = project.settings
        self._project = project
        self._call: dict[str, Any] = {
            "python": checks.python_of(project),
            "project": settings.airflow.project or str(project.root),
            "env": settings.environment,
            "files": settings.airflow.files,
            "secrets": references(project),
        }
        self._mark = f"firnflow: project={settings.project} environment={settings.environment}"
        self._folder = Folder(checks.folder_of(project) / f"firnflow-{settings.project}-{settings.environment}")
        self._bundles: dict[Address, Bundle] = {}
        self.warnings: list[str] = []

    @property
    def place(self) -> str:
        """The folder that is ours."""
        return str(self._folder.path)

    def wanted(self) -> list[Resource]:
        """Return a DAG for each pipeline, by name. Raises ConfigError, ParameterError or GraphError."""
        checks.check(self._project)
        self.warnings[:] = checks.warnings(self._project)
        dags = [self._compiled(pipeline) for _, pipeline in sorted(self._project.pipelines.items())]
        self.warnings += presence.look(self._project.settings, [compiled for _, compiled in dags])
        return [self._dag(graph, compiled) for graph, compiled in dags]

    def found(self, addresses: Collection[Address]) -> dict[Address, Found]:
        """Return the DAG files that are there of these."""
        texts = {address: self._folder.read(_file(address)) for address in addresses}
        return {address: self._found(address, text) for address, text in texts.items() if text is not None}

    def put(self, resource: Resource, before: Found | None) -> None:
        """Write a DAG. Raises DeployConflictError where its file is not as it was when the plan was made."""
        there = self._folder.read(_file(resource.address))
        if there not in {before.resource.text if before is not None else None, resource.text}:
            raise self._conflict(resource.address)
        self._folder.write(self._bundles[resource.address])

    def drop(self, before: Found) -> None:
        """Delete a DAG. Raises as `put`."""
        address = before.resource.address
        if self._folder.read(_file(address)) not in {before.resource.text, None}:
            raise self._conflict(address)
        self._folder.remove(_file(address))

    def _compiled(self, pipeline: Pipeline) -> tuple[Graph, dict[str, Any]]:
        graph = pipeline.build()
        settings = self._project.settings.airflow
        self.warnings += weak_points(graph.pipeline, graph.schedule, settings.prefix)
        return graph, compile_graph(graph, settings, self._defaults(pipeline, graph))

    def _dag(self, graph: Graph, compiled: dict[str, Any]) -> Resource:
        address = Address(DAG, graph.pipeline)
        made = self._bundles[address] = bundle(compiled, graph.model_dump_json(indent=1), self._call, self._mark)
        return Resource(address, made.text, facts(graph, compiled, self._call))

    def _defaults(self, pipeline: Pipeline, graph: Graph) -> dict[str, Any]:
        """Return the parameters that the environment has values for; Airflow asks people for the others."""
        layers = [values for _, values in self._project.settings.params.get(graph.pipeline, ())]
        given = {name.partition(".")[0] for values in layers for name in values}
        missing = sorted(name for name, field in graph.params.items() if field.required and name not in given)
        if not missing:
            return params_of(self._project, pipeline, ())
        if graph.schedule is not None:
            raise ConfigError(
                f"{self._project.root / FILE}: pipeline {graph.pipeline!r} has a schedule, but nobody says what "
                f"{', '.join(missing)} is then. Mend: {missing[0]} = … in [pipelines.{graph.pipeline}.params], or a "
                "default"
            )
        return {name: value for values in layers for name, value in values.items() if name in graph.params}

    def _found(self, address: Address, text: str) -> Found:
        ours = f"# {self._mark}\n" in text
        return Found(Resource(address, text), ours, str(self._folder.path / _file(address)))

    def _conflict(self, address: Address) -> DeployConflictError:
        path = self._folder.path / _file(address)
        return DeployConflictError(f"{path} was changed by somebody else since the plan was made. Mend: plan again")


def _file(address: Address) -> str:
    return f"{address.name}.py"
