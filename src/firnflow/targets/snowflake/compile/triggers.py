"""What starts a pipeline that waits for tables of others: a stream on each, and two tasks that look at them.

https://docs.snowflake.com/en/user-guide/tasks-triggered: a task without a schedule starts when its WHEN asks a stream
that has data, and again as long as it has. So the first task moves the streams on, in one transaction, by putting none
of their rows into a temporary table (https://docs.snowflake.com/en/user-guide/streams-manage). A change that comes
later is there for the next time. The second task starts the pipeline, and is repeated where it fails. The pipeline's
own root asks no stream, so that it can be started by hand. See decision 46.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.errors import ConfigError, UsageError
from firnflow.graph.model import AllOf, AnyOf, OnUpdate, updates_of
from firnflow.stores.snowflake.names import LONGEST
from firnflow.targets.snowflake.beside.procedure import VERSION
from firnflow.targets.snowflake.compile.schedule import told
from firnflow.targets.snowflake.compile.tasks import Task, TaskGraph
from firnflow.targets.snowflake.grammar import ParseError, read_name, render, render_name
from firnflow.targets.snowflake.grammar.statements import CallProcedure
from firnflow.targets.snowflake.grammar.values import Call, Constant, Expression, Name, Operation, Property, Word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.graph.model import Graph, Trigger
    from firnflow.project import Project
    from firnflow.project.catalog import Source
    from firnflow.targets.snowflake.compile.place import Place

_RETRIES = 3
_MINUTE = 60_000


@dataclass(frozen=True)
class Stream:
    """A stream.

    Attributes:
        name: its name in the schema.
        kind: of what it is on, `TABLE` or `VIEW`.
        on: the full name of that.
        source: what the catalog calls it.
    """

    name: str
    kind: str
    on: Name
    source: str


@dataclass(frozen=True)
class Starter:
    """What starts a pipeline: its streams, and its two tasks."""

    pipeline: str
    streams: tuple[Stream, ...]
    graph: TaskGraph


def streamed(project: Project) -> set[str]:
    """Return the sources that streams can be on: tables and views in Snowflake."""
    return {name for name, source in project.catalog.items() if source.table is not None or source.view is not None}


def name_of(pipeline: str) -> str:
    """Return what the graph of what starts a pipeline is called: no pipeline has such a name."""
    return f"_on_update${pipeline}"


def compile_triggers(project: Project, place: Place, graphs: Iterable[Graph]) -> list[Starter]:
    """Return what starts the pipelines that wait for tables of others.

    Raises:
        UsageError: one waits for a source and a named table together, or a name is too long.
        ConfigError: the catalog names a table wrongly.
    """
    return [found for graph in graphs if (found := _trigger(project, place, graph)) is not None]


def _trigger(project: Project, place: Place, graph: Graph) -> Starter | None:
    names = list(dict.fromkeys(each.source for each in updates_of(graph.schedule) if each.source is not None))
    schedule = graph.schedule
    if not names or not isinstance(schedule, OnUpdate | AllOf | AnyOf):
        return None
    streams = {name: _stream(place, graph, name, project.catalog[name]) for name in names}
    condition = _condition(graph, schedule, {name: _has_data(place, each) for name, each in streams.items()})
    assert condition is not None  # noqa: S101 - there is a source
    root, start = place.root(name_of(graph.pipeline)), f"{place.root(name_of(graph.pipeline))}$START"
    for name in (*(each.name for each in streams.values()), start):
        if len(name) > LONGEST:
            raise UsageError(
                f"pipeline {graph.pipeline!r}: {name[:40]}… is longer than the {LONGEST} characters that Snowflake "
                "takes. Mend: shorter names"
            )
    settings = (
        Property("WAREHOUSE", place.warehouse),
        Property("OVERLAP_POLICY", Word("NO_OVERLAP")),
        Property("USER_TASK_TIMEOUT_MS", 10 * _MINUTE),
        Property("SUSPEND_TASK_AFTER_NUM_FAILURES", 0),
        Property("TASK_AUTO_RETRY_ATTEMPTS", _RETRIES),
    )
    job = {"version": VERSION, "starts": [place.database, place.schema, place.root(graph.pipeline)]}
    body = render(CallProcedure(Call(place.named(place.procedure), (Constant(json.dumps(job)),))))
    after = (Property("WAREHOUSE", place.warehouse), Property("USER_TASK_TIMEOUT_MS", 10 * _MINUTE))
    tasks = (
        Task(root, "", condition=condition, body=_moves(place, root, streams.values()), settings=settings),
        Task(start, "", after=(root,), body=body, settings=after),
    )
    return Starter(
        graph.pipeline, tuple(streams.values()), TaskGraph(name_of(graph.pipeline), tasks, has_schedule=True)
    )


def _stream(place: Place, graph: Graph, name: str, source: Source) -> Stream:
    text = source.table or source.view or ""
    kind = "TABLE" if source.table is not None else "VIEW"
    return Stream(f"{place.root(graph.pipeline)}$ON${name.upper()}", kind, source_name(place, name, text), name)


def source_name(place: Place, name: str, text: str) -> Name:
    """Return the full name of the table or view of a source. Raises ConfigError where it is none."""
    try:
        return place.full(read_name(text))
    except ParseError as error:
        raise ConfigError(f"catalog.toml: {name}: {text!r} is no name of Snowflake: {error}") from None


def _has_data(place: Place, stream: Stream) -> Expression:
    name = render_name(place.named(stream.name))
    return Call(Name(("SYSTEM$STREAM_HAS_DATA",)), (Constant(name),))


def _condition(graph: Graph, part: Trigger, asked: dict[str, Expression]) -> Expression | None:
    """Return when sources start a pipeline; None: a named table does, which whoever publishes it looks at."""
    if isinstance(part, OnUpdate):
        return asked[part.source] if part.source is not None else None
    if isinstance(part, AllOf) and len({each.source is None for each in updates_of(part)}) > 1:
        raise UsageError(
            f"pipeline {graph.pipeline!r}: to wait for a source and a named table together, {told(graph.schedule)}, is "
            "not there yet on Snowflake. Mend: wait for the source alone, or publish what it holds and wait for that"
        )
    word, found = "AND" if isinstance(part, AllOf) else "OR", None
    for each in part.of:
        other = _condition(graph, each, asked)
        found = Operation(word, (found, other)) if found is not None and other is not None else found or other
    return found


def _moves(place: Place, root: str, streams: Iterable[Stream]) -> str:
    """Return the block that moves streams on, all of them or none."""
    scratch = render_name(place.named(f"{root}$MOVED"))
    rows = (f"SELECT 1 FROM {render_name(place.named(each.name))} WHERE 0 = 1" for each in streams)  # noqa: S608 - quoted
    made = f"CREATE OR REPLACE TEMPORARY TABLE {scratch} (N INT)"
    return f"BEGIN {made}; INSERT INTO {scratch} {' UNION ALL '.join(rows)}; END"
