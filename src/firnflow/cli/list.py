"""`firnflow list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _options

if TYPE_CHECKING:
    from firnflow.graph.model import Graph
    from firnflow.project import Project


def command(environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON) -> None:
    """List the pipelines of the project, and its sources."""
    from firnflow.cli import _project
    from firnflow.cli._print import print_json, stdout_is_data

    with stdout_is_data():
        project = _project.load(environment)
        graphs = {name: pipeline.build() for name, pipeline in sorted(project.pipelines.items())}
    if as_json:
        print_json(_data(project, graphs))
    else:
        _print(project, graphs)


def _data(project: Project, graphs: dict[str, Graph]) -> dict[str, Any]:
    return {
        "project": project.settings.project,
        "environment": project.settings.environment,
        "environments": list(project.settings.environments),
        "pipelines": [
            {
                "name": name,
                "doc": graph.doc,
                "tasks": list(graph.tasks),
                "params": {key: field.default for key, field in graph.params.items()},
                "schedule": graph.schedule.model_dump(mode="json") if graph.schedule else None,
                "partition": graph.partition.model_dump(mode="json") if graph.partition else None,
            }
            for name, graph in graphs.items()
        ],
        "sources": [
            {"name": name, "description": source.description, "from": source.place}
            for name, source in sorted(project.catalog.items())
        ],
    }


def _print(project: Project, graphs: dict[str, Graph]) -> None:
    from firnflow.cli._print import print_table
    from firnflow.graph.draw.picture import when_text

    if graphs:
        rows = [(name, str(len(graph.tasks)), when_text(graph), graph.doc) for name, graph in graphs.items()]
        print_table(("pipeline", "tasks", "schedule", ""), rows)
    else:
        modules = ", ".join(project.settings.modules)
        typer.echo(f"There is no pipeline in {modules}. Write one: a function decorated with @firnflow.pipeline")
    if project.catalog:
        typer.echo()
        sources = sorted(project.catalog.items())
        print_table(("source", "from", ""), [(name, source.place, source.description) for name, source in sources])
