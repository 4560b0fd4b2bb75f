"""Catalog sources as tasks: how outside data enters a run, and how `--input` puts a file in a task's place."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from firnflow import context
from firnflow._text import listing, nearest
from firnflow.engine import checking, in_snowflake, tables
from firnflow.errors import DataError, NotFoundError, UsageError
from firnflow.graph.kinds import KINDS
from firnflow.graph.model import FromConstant, Graph, Port, TaskNode
from firnflow.graph.rules import Checks
from firnflow.graph.source import SOURCE_KEY
from firnflow.graph.task import Task
from firnflow.project.partitioned import of_partition
from firnflow.project.secrets import has_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firnflow.engine.attempt import Workplace
    from firnflow.graph.pipeline import Pipeline
    from firnflow.project import Project
    from firnflow.project.catalog import Source
    from firnflow.stores.state import State


def with_builtins(pipeline: Pipeline, project: Project, place: Workplace) -> dict[str, Task[...]]:
    """Return the tasks of a pipeline by key, and those that read sources, and read and publish named tables."""

    def source(
        name: str,
        path: str | None = None,
        expected: str | None = None,
        partition: str | None = None,
        version: str | None = None,
    ) -> Any:
        from firnflow.stores import sources

        here, spec = context.current(), _spec(project, name, partition)
        if spec is not None and spec.in_snowflake and path is None:
            return in_snowflake.read(project, place, spec, version)
        if expected is not None and here is not None:  # a table may be read as late as it is stored
            here.before_commit.append(lambda: _check_unchanged(project, name, path, partition, expected))
        rules = spec.rules if spec is not None else Checks()
        if here is None or rules == Checks():
            return sources.read_source(spec, place.stores, project.root, path, name=name)
        about, seen = checking.circumstances(name, rules), checking.Seen()
        rows = sources.read_source(spec, place.stores, project.root, path, name=name, about=about, judged=seen.settle)
        return seen.told(rows, place.stores)

    def watch(state: State, _: dict[str, str], argument: Callable[[str], Any]) -> str:
        """Return what the checks of a source compare it with: it is read again when that changes."""
        name = argument("name")
        spec = project.catalog.get(name)
        return checking.watched(state, place.stores, name, spec.rules, []) if spec is not None else ""

    own = {task.key: task for task in pipeline.tasks.values()}
    return {
        **own,
        SOURCE_KEY: Task(source, "source").watching(watch),
        **tables.tasks(place.stores),
        **checking.tasks(place.stores),
    }


def absolute(inputs: dict[str, str], folder: Path) -> dict[str, str]:
    """Return the given files with absolute paths, so that they are found again from elsewhere; URLs stay."""
    return {name: path if "://" in path else str((folder / path).resolve()) for name, path in inputs.items()}


def replace_given(graph: Graph, inputs: dict[str, str]) -> Graph:
    """Return the graph in which the named sources and tasks read a file instead.

    Args:
        graph: the graph.
        inputs: source or task → absolute path, or URL.

    Raises:
        NotFoundError: there is no such source or task.
        UsageError: the task returns something else than one table, or a URL holds a password.
    """
    tasks = dict(graph.tasks)
    for name, path in inputs.items():
        if has_password(path):
            raise UsageError(f"--input {name}: the URL holds a password. Mend: url = 'env:NAME' in catalog.toml")
        if name not in tasks:
            known = [n for n, node in tasks.items() if set(node.outputs) == {"result"}]
            raise NotFoundError(
                f"--input {name}: pipeline {graph.pipeline} has no source or task of this name.{nearest(name, known)} "
                f"It has: {listing(known)}"
            )
        node = tasks[name]
        if node.key != SOURCE_KEY and (set(node.outputs) != {"result"} or not _is_table(node.outputs["result"])):
            raise UsageError(f"--input {name}: a file can stand for a source or for a task that returns one table")
        old = node.inputs.get("name", FromConstant(value=name))
        tasks[name] = TaskNode(
            key=SOURCE_KEY,
            doc=node.doc,
            location=node.location,
            inputs={
                "name": old if node.key == SOURCE_KEY else FromConstant(value=name),
                "path": FromConstant(value=path),
            },
            arguments={"name": Port(type="str"), "path": Port(type="str", optional=True)},
            outputs=node.outputs,
            options=node.options,
        )
    return graph.model_copy(update={"tasks": tasks})


def check(graph: Graph, project: Project, chosen: set[str]) -> None:
    """Check that each source that a run reads is in the catalog, or given as a file. Raises NotFoundError."""
    for task in chosen:
        node = graph.tasks[task]
        if node.key == SOURCE_KEY and "path" not in node.inputs:
            name = _constant(node, "name")
            if name not in project.catalog:
                raise NotFoundError(
                    f"source {name!r} is not in catalog.toml.{nearest(name, project.catalog)} "
                    f"Mend: add [{name}] there, or give a file: --input {name}=PATH"
                )


def fingerprint(node: TaskNode, project: Project) -> str:
    """Return the digest of what a source holds now and of how it is declared."""
    path, partition, version = (
        _constant(node, each) if each in node.inputs else None for each in ("path", "partition", "version")
    )
    return _digest(project, _constant(node, "name"), path, partition, version)


def _spec(project: Project, name: str, partition: str | None) -> Source | None:
    """Return a source of the catalog, of one partition where the run is for one and it differs."""
    spec = project.catalog.get(name)
    return of_partition(spec, partition) if spec is not None and partition is not None else spec


def _digest(project: Project, name: str, path: str | None, partition: str | None, version: str | None = None) -> str:
    from firnflow.stores import sources

    spec, content = _spec(project, name, partition), None
    if path is None and spec is not None and spec.in_snowflake:
        whole = project.settings.warehouse == "snowflake" or project.settings.snowflake.sample is None
        content = [version or in_snowflake.version(project, spec), None if whole else project.settings.snowflake.sample]
    found = sources.fingerprint(spec, project.root, path, name=name, content=content)
    return hashlib.sha256(f"source\n{found}".encode()).hexdigest()


def _check_unchanged(project: Project, name: str, path: str | None, partition: str | None, expected: str) -> None:
    """Raise DataError where a source is not any more what it was when the key of its result was made."""
    spec = project.catalog.get(name)
    told = path is not None or spec is None or spec.query is None or spec.version is not None
    if told and _digest(project, name, path, partition) != expected:
        raise DataError(f"{name} changed while it was read, so nothing of it is kept. Mend: run again")


def _constant(node: TaskNode, argument: str) -> str:
    wanted = node.inputs[argument]
    return str(wanted.value) if isinstance(wanted, FromConstant) else ""


def _is_table(port: Port) -> bool:
    return port.type in KINDS["table"]
