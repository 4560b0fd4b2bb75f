"""Airflow as a target: compiles a project's pipelines to DAG files, and finds, writes and deletes those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.errors import DeployConflictError
from firnflow.stores.state.deployments import Address
from firnflow.targets.airflow import checks, presence
from firnflow.targets.airflow.compile import compile_graph
from firnflow.targets.airflow.facts import facts
from firnflow.targets.airflow.files import Bundle, Folder, bundle
from firnflow.targets.airflow.hiring import is_hired
from firnflow.targets.airflow.names import DAG
from firnflow.targets.airflow.references import references
from firnflow.targets.airflow.schedule import weak_points
from firnflow.targets.base import Found, Resource
from firnflow.targets.params import defaults

if TYPE_CHECKING:
    from collections.abc import Collection

    from firnflow.graph.model import Graph
    from firnflow.graph.pipeline import Pipeline
    from firnflow.project import Project


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
        settings = self._project.settings
        self.warnings += weak_points(graph.pipeline, graph.schedule, settings.airflow.prefix)
        given = defaults(self._project, pipeline, graph)
        return graph, compile_graph(graph, settings.airflow, given, lambda node: is_hired(node, settings))

    def _dag(self, graph: Graph, compiled: dict[str, Any]) -> Resource:
        address = Address(DAG, graph.pipeline)
        made = self._bundles[address] = bundle(compiled, graph.model_dump_json(indent=1), self._call, self._mark)
        return Resource(address, made.text, facts(graph, compiled, self._call))

    def _found(self, address: Address, text: str) -> Found:
        ours = f"# {self._mark}\n" in text
        return Found(Resource(address, text), ours, str(self._folder.path / _file(address)))

    def _conflict(self, address: Address) -> DeployConflictError:
        path = self._folder.path / _file(address)
        return DeployConflictError(f"{path} was changed by somebody else since the plan was made. Mend: plan again")


def _file(address: Address) -> str:
    return f"{address.name}.py"
