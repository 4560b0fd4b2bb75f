"""`firnflow show`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from firnflow._text import printable, printable_json
from firnflow.cli import _complete, _options

if TYPE_CHECKING:
    from firnflow.graph.model import Graph
    from firnflow.status import TaskStatus


class Format(enum.StrEnum):
    """How a graph is drawn."""

    text = "text"
    svg = "svg"
    mermaid = "mermaid"
    json = "json"


_FORMAT = typer.Option(None, "--format", "-f", help="Default: by the suffix of --output, else text.")
_OUTPUT = typer.Option(None, "--output", "-o", metavar="FILE", help="Write a file instead of printing.")
_RUN = typer.Option(None, "--run", metavar="RUN", help="Show how a run went.", autocompletion=_complete.runs)
_SUFFIXES = {".svg": Format.svg, ".mmd": Format.mermaid, ".mermaid": Format.mermaid, ".json": Format.json}


def command(
    pipeline: str | None = _options.PIPELINE,
    form: Format | None = _FORMAT,
    output: str | None = _OUTPUT,
    run: str | None = _RUN,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Draw the graph of a pipeline.

    With --run it is the graph as that run had it, each task with its state.
    """
    if as_json:
        form = Format.json
    if form is None:
        form = _SUFFIXES.get(Path(output).suffix.lower(), Format.text) if output else Format.text
    graph, states = (
        _of_run(pipeline, run, environment) if run is not None else (_of_project(pipeline, environment), None)
    )
    text = _draw(graph, states, form)
    if output is None:
        typer.echo(printable_json(text) if form is Format.json else printable(text))
    else:
        Path(output).write_text(f"{text}\n", encoding="utf-8")
        typer.echo(printable(output))


def _of_project(pipeline: str | None, environment: str | None) -> Graph:
    from firnflow.cli import _project
    from firnflow.cli._print import stdout_is_data

    with stdout_is_data():
        project = _project.load(environment)
        return project.pipeline(_project.named(project, pipeline, "show")).build()


def _of_run(pipeline: str | None, run: str, environment: str | None) -> tuple[Graph, dict[str, TaskStatus]]:
    from firnflow.cli import _project
    from firnflow.engine.history import finished
    from firnflow.errors import UsageError
    from firnflow.graph.check import read_graph

    _, _, state = _project.open_state(environment)
    record = _project.find_run(state, run, environment)
    if pipeline is not None and pipeline != record.pipeline:
        raise UsageError(f"run {record.id} is of {record.pipeline}, not of {pipeline}")
    graph = read_graph(state.graph_json(record.graph))
    return graph, {name: task.state for name, task in finished(state, record).tasks.items()}


def _draw(graph: Graph, states: dict[str, TaskStatus] | None, form: Format) -> str:
    if form is Format.json:
        return graph.model_dump_json(indent=2)
    from firnflow.graph import draw

    return str({Format.text: draw.text, Format.svg: draw.svg, Format.mermaid: draw.mermaid}[form](graph, states))
