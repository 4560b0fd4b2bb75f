"""A pipeline's graph as a graph of tasks, by the rules of https://docs.snowflake.com/en/user-guide/tasks-graphs.

A root task has the schedule and the parameters, and does nothing. Each task of the pipeline is a task that calls the
procedure, which runs `firnflow exec` in a container; it comes after the tasks that it reads. Where one skipped input
always skips a task, Snowflake skips it too, as it starts a task only where all before it have succeeded. Elsewhere the
task starts where none has failed (https://docs.snowflake.com/en/sql-reference/functions/system_predecessors_state), and
`firnflow exec` says by the rules of `graph/joins.py` whether it is skipped. What comes after a job of several tasks
without needing all of them starts whatever has become of it: what it needs may be there. The finalizer always runs, and
fails if the run has failed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from firnflow.engine import mapping
from firnflow.engine.driver import FINALIZER
from firnflow.errors import UsageError
from firnflow.graph.joins import reads
from firnflow.graph.model import FromConstant, FromList, FromTask, Options
from firnflow.graph.table import PUBLISH_KEY
from firnflow.stores.snowflake.query_tag import as_text
from firnflow.targets.snowflake.compile.groups import jobs_of, may_go_on, together
from firnflow.targets.snowflake.compile.limits import check_limits
from firnflow.targets.snowflake.compile.schedule import compile_schedule, is_overlapping
from firnflow.targets.snowflake.grammar import render, render_name
from firnflow.targets.snowflake.grammar.statements import CallProcedure, Create
from firnflow.targets.snowflake.grammar.values import (
    Body,
    Call,
    Code,
    Constant,
    Expression,
    Name,
    Operation,
    Property,
    Value,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.graph.model import Graph, TaskNode
    from firnflow.targets.snowflake.compile.groups import Job
    from firnflow.targets.snowflake.compile.jobs import Jobs
    from firnflow.targets.snowflake.compile.place import Place

Waiting: TypeAlias = Mapping[str, Sequence[str]]
"""Named table → the pipelines that wait for a new version of it."""
Ends: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Task → what is to be known of it when it has ended."""
LONGEST_RUN = 604_800_000
"""Milliseconds that a task may take at most: 7 days."""
START = 1800.0
"""Seconds that an instance may take to start, beside what a task may take."""
MOST_ELEMENTS = 100
"""A map over more elements is one job: what reads it can come after so many tasks at most."""


@dataclass(frozen=True)
class Task:
    """One task, by its own name in the schema.

    Attributes:
        name: its name.
        of: the task of the pipeline, `finalizer`, or empty: the root.
        after: the names of the tasks before it.
        condition: its WHEN.
        body: what it does.
        settings: the others of its settings.
    """

    name: str
    of: str
    after: tuple[str, ...] = ()
    condition: Expression | None = None
    body: str = "SELECT 1"
    settings: tuple[Property, ...] = ()

    def statement(self, place: Place) -> Create:
        """Return the statement that makes it, or alters it where it is there."""
        clauses: list[Property] = []
        if self.after:
            clauses.append(Property("AFTER", tuple(place.named(name) for name in self.after)))
        if self.condition is not None:
            clauses.append(Property("WHEN", self.condition))
        clauses.append(Property("AS", Body(self.body)))
        made = Create("TASK", place.named(self.name), (*self.settings, *clauses), ("OR ALTER",))
        comment = Property("COMMENT", f"{place.mark} {hashlib.sha256(render(made).encode()).hexdigest()[:16]}")
        return Create(made.kind, made.name, (comment, *made.properties), made.variants)


@dataclass(frozen=True)
class TaskGraph:
    """The tasks of a pipeline, those before others first; the root is the first, the finalizer the last."""

    pipeline: str
    tasks: tuple[Task, ...]
    has_schedule: bool

    @property
    def root(self) -> str:
        """The name of the root task."""
        return self.tasks[0].name


def compile_graph(
    graph: Graph, place: Place, jobs: Jobs, defaults: dict[str, Any], waiting: Waiting | None = None
) -> TaskGraph:
    """Return the tasks of a pipeline.

    Args:
        graph: the graph.
        place: where they are.
        jobs: makes what they call.
        defaults: parameter → its value, of those that have one.
        waiting: named table → the pipelines that wait for a new version of it.

    Raises:
        UsageError: Snowflake cannot do what the pipeline asks for; says what, and what to do instead.
        ConfigError: the environment lacks a pool, or has too small a one.
    """
    found, groups = [_root(graph, place, defaults)], jobs_of(graph)
    ends = _ends(graph, place, waiting or {})
    names: dict[str, tuple[str, ...]] = {}
    members = {path: job for job in groups for path in job}
    for job in groups:
        state = "ALL_DONE" if may_go_on(graph, job, members) else "NONE_FAILED"
        made = list(_tasks(graph, job, place, jobs, names, ends, state))
        names |= dict.fromkeys(job, tuple(each.name for each in made))
        found += made
    found.append(_finalizer(graph, place, jobs))
    _check_names(graph, found)
    check_limits(graph, found)
    return TaskGraph(graph.pipeline, tuple(found), compile_schedule(graph) is not None)


def _root(graph: Graph, place: Place, defaults: dict[str, Any]) -> Task:
    """Return the task that begins a run. It is never suspended for failures: a pipeline is not, either."""
    schedule = compile_schedule(graph)
    settings: dict[str, Value] = {
        "WAREHOUSE": place.warehouse,
        **({"SCHEDULE": schedule} if schedule is not None else {}),
        **({"CONFIG": Code(json.dumps(as_config(defaults), sort_keys=True, ensure_ascii=False))} if defaults else {}),
        "OVERLAP_POLICY": Word("ALLOW_ALL_OVERLAP" if is_overlapping(graph.schedule) else "NO_OVERLAP"),
        "SUSPEND_TASK_AFTER_NUM_FAILURES": 0,
        "QUERY_TAG": _tag(graph, place),
    }
    return Task(place.root(graph.pipeline), "", settings=_properties(settings))


def _tasks(
    graph: Graph, job: Job, place: Place, jobs: Jobs, names: Mapping[str, tuple[str, ...]], ends: Ends, state: str
) -> Iterator[Task]:
    """Yield the task of a job, or of a map that is written down one for each element."""
    path, nodes = job[0], [graph.tasks[each] for each in job]
    node, above = nodes[0], [_names_above(each, job, names) for each in nodes]
    after = tuple(dict.fromkeys(name for each in above for name in each)) or (place.root(graph.pipeline),)
    is_mixed = len({*map(frozenset, above)} - {frozenset()}) > 1
    condition = _condition(nodes, names, state if is_mixed or state == "ALL_DONE" or any(map(_is_join, nodes)) else "")
    elements = mapping.written(path, node)
    one_by_one = elements is not None and 0 < len(elements) <= MOST_ELEMENTS and node.options.concurrency is None
    one_by_one = one_by_one and len(job) == 1
    for index in range(len(elements or ())) if one_by_one else [None]:
        label = elements[index].label if elements is not None and index is not None else None
        more = {"element": index, "label": label}
        if len(job) == 1:
            more |= {**ends[path], "instances": None if one_by_one else _instances(node)}
            call = jobs.call(graph, path, node.options, **more)
        else:
            steps = [jobs.step(graph, each, needs=_inside(graph, each, job), **ends[each]) for each in job]
            call = jobs.call(graph, "+".join(job), together(nodes), steps=steps)
        times = [1 if one_by_one or each.mapping is None else None for each in nodes]
        longest = sum(_longest(each.options, count) for each, count in zip(nodes, times, strict=True))
        yield Task(
            place.task(graph.pipeline, path, index),
            "+".join(job),
            after,
            condition,
            render(CallProcedure(call)),
            _properties(
                {
                    "WAREHOUSE": place.warehouse,
                    "USER_TASK_TIMEOUT_MS": min(longest, LONGEST_RUN),
                    "QUERY_TAG": _tag(graph, place, "+".join(job)),
                }
            ),
        )


def _tag(graph: Graph, place: Place, task: str = "") -> str:
    """Return the tag of what a task sends, by which its cost is asked for; what its job sends has the run's too."""
    return as_text(project=place.project, environment=place.environment, pipeline=graph.pipeline, task=task)


def _names_above(node: TaskNode, job: Job, names: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the tasks of the graph that a task of a job comes after."""
    return [name for each in reads(node) if each not in job for name in names[each]]


def _inside(graph: Graph, path: str, job: Job) -> list[str]:
    """Return the tasks of its own job that a task needs."""
    return [each for each in reads(graph.tasks[path]) if each in job]


def _ends(graph: Graph, place: Place, waiting: Waiting) -> Ends:
    """Return task → what is to be known of it when it has ended: by what it decides, and who waits for it."""
    outputs: dict[str, set[str]] = {}
    for each in (each for node in graph.tasks.values() for each in node.when):
        outputs.setdefault(each.task, set()).add(each.output or "result")
    return {
        path: {
            "decides": _decides(graph, path, outputs.get(path, set())),
            "wakes": _wakes(node, place, waiting) or None,
        }
        for path, node in graph.tasks.items()
    }


def _instances(node: TaskNode) -> int | None:
    """Return among how many instances the elements of a map are dealt; None: there is one."""
    count = node.options.concurrency if node.mapping is not None else None
    return count if count is not None and count > 1 else None


def _finalizer(graph: Graph, place: Place, jobs: Jobs) -> Task:
    """Return the task that ends the run, after all others, whatever has become of them."""
    options = graph.finalizer.options if graph.finalizer is not None else Options()
    settings: dict[str, Value] = {
        "WAREHOUSE": place.warehouse,
        "USER_TASK_TIMEOUT_MS": _longest(options, 1),
        "FINALIZE": place.named(place.root(graph.pipeline)),
        "QUERY_TAG": _tag(graph, place, FINALIZER),
    }
    body = render(CallProcedure(jobs.call(graph, FINALIZER, options)))
    return Task(place.task(graph.pipeline, FINALIZER), FINALIZER, body=body, settings=_properties(settings))


def _condition(nodes: Sequence[TaskNode], names: Mapping[str, tuple[str, ...]], state: str) -> Expression | None:
    """Return when a job starts, where that is not once all before it have succeeded, which Snowflake asks by itself.

    Args:
        nodes: its tasks, which are all in the same case of a branch.
        names: task → the tasks of the graph that it is.
        state: what must have become of all before it, in Snowflake's word; empty: they must have succeeded.
    """
    parts: list[Expression] = []
    if state:
        parts.append(_asks("SYSTEM$PREDECESSORS_STATE", state))
    for each in nodes[0].when:
        said = _asks("SYSTEM$GET_PREDECESSOR_RETURN_VALUE", names[each.task][0])
        parts.append(Operation("=", (said, Constant(case_as_text(each.case)))))
    found: Expression | None = None
    for part in parts:
        found = part if found is None else Operation("AND", (found, part))
    return found


def _is_join(node: TaskNode) -> bool:
    """Whether a task may run although something that it reads was skipped."""
    inputs = [(name, wanted) for name, wanted in node.inputs.items() if isinstance(wanted, FromTask | FromList)]
    return not all(isinstance(wanted, FromTask) and not node.arguments[name].optional for name, wanted in inputs)


def case_as_text(case: str | bool | int) -> str:
    """Return what a task's return value is where it has decided for a case."""
    return case if isinstance(case, str) else json.dumps(case)


def _asks(function: str, argument: str) -> Call:
    return Call(Name((function,)), (Constant(argument),))


def _wakes(node: TaskNode, place: Place, waiting: Waiting) -> dict[str, str]:
    """Return pipeline → root task of those that wait for what a task publishes."""
    name = node.inputs["name"] if node.key == PUBLISH_KEY else None
    found = waiting.get(str(name.value), ()) if isinstance(name, FromConstant) else ()
    return {each: render_name(place.named(place.root(each))) for each in found}


def _decides(graph: Graph, path: str, outputs: set[str]) -> str | None:
    """Return the output of a task on which others depend. Raises UsageError: on more than one."""
    if len(outputs) > 1:
        raise UsageError(
            f"pipeline {graph.pipeline!r}: task {path!r} decides by {len(outputs)} outputs "
            f"({', '.join(sorted(outputs))}), but a task of Snowflake has one return value. "
            "Mend: a task for each decision"
        )
    return next(iter(outputs), None)


def _longest(options: Options, times: int | None) -> int:
    """Return the milliseconds after which Snowflake ends a task.

    https://docs.snowflake.com/en/sql-reference/parameters (USER_TASK_TIMEOUT_MS): at most 7 days. The launcher keeps
    the time limit of each try; this one is for a container that does not end by itself.

    Args:
        options: of the task.
        times: how many elements are worked through; None: only a run knows.
    """
    if options.timeout is None or times is None:
        return LONGEST_RUN
    waits = sum(options.retry_delay * options.backoff**n for n in range(options.retries))
    seconds = START + (options.retries + 1) * options.timeout * times + waits
    return int(min(1000 * seconds, LONGEST_RUN))


def as_config(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as a graph's config has them: sections as text, as Snowflake may sort what is in an object."""
    return {name: json.dumps(value) if _has_object(value) else value for name, value in params.items()}


def _has_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list | tuple) and any(map(_has_object, value)))


def _properties(settings: dict[str, Value]) -> tuple[Property, ...]:
    return tuple(Property(name, value) for name, value in settings.items())


def _check_names(graph: Graph, tasks: list[Task]) -> None:
    """Raise UsageError where two tasks differ in small and capital letters only."""
    known: dict[str, str] = {}
    for each in tasks:
        other = known.setdefault(each.name, each.of)
        if other != each.of:
            raise UsageError(
                f"pipeline {graph.pipeline!r}: tasks {other!r} and {each.of!r} would both be {each.name} in Snowflake. "
                "Mend: rename one, .options(name=…)"
            )
