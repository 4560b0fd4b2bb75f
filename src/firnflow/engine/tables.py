"""Named tables in a run: which versions it reads is settled when it starts, and publishing is a task like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.engine import services
from firnflow.graph.model import FromConstant, Graph, Port, TaskNode
from firnflow.graph.table import PUBLISH_KEY, TABLE_KEY
from firnflow.graph.task import Task
from firnflow.values.ref import Ref  # noqa: TC001 - the annotation is read at run time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from firnflow.stores import Stores
    from firnflow.stores.state import State
    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.tables.versions import Outdated, Version


def tasks(stores: Stores) -> dict[str, Task[...]]:
    """Return the tasks that read and publish named tables, by key.

    Args:
        stores: where the tables are.
    """

    def watch(state: State, digests: dict[str, str], argument: Callable[[str], Any]) -> str:
        """Return the newest version, but for one that has just these rows: what came since may ask for them again."""
        from firnflow.stores.tables import versions

        tables = stores.tables(state)
        try:
            table = tables.find(argument("name"))
            last = versions.newest(table) if table is not None else None
            there = last is not None and (last.load, last.mode) == (digests["data"], argument("mode"))
            return str((last.number if last is not None else 0) - there)
        finally:
            tables.close()

    return {TABLE_KEY: Task(read, "table"), PUBLISH_KEY: Task(publish, "publish").watching(watch)}


def settle(graph: Graph, chosen: Collection[str], state: State, stores: Stores) -> dict[str, dict[str, Any]]:
    """Return task → table, version and digest of the named tables that a run which starts now reads.

    Args:
        graph: the graph.
        chosen: the tasks that run.
        state: of the environment.
        stores: likewise.

    Raises:
        NotFoundError: there is no such table or version.
        MissingExtraError: pyiceberg is not installed.
    """
    found: dict[str, dict[str, Any]] = {}
    wanted = {path: node for path, node in graph.tasks.items() if path in chosen and node.key == TABLE_KEY}
    if wanted:
        from firnflow.stores.tables import versions

        tables = stores.tables(state)
        for path, node in wanted.items():
            name = _constant(node, "name")
            table = tables.get(name)
            version = versions.find(table, _constant(node, "version"), _constant(node, "as_of"))
            found[path] = {"table": name, "version": version.number, "digest": version.digest}
        tables.close()
    return found


def pinned(graph: Graph, settled: dict[str, dict[str, Any]]) -> Graph:
    """Return the graph that names the versions that are read; what is published must not undo later ones.

    Args:
        graph: the graph.
        settled: what `settle` has returned when the run started.
    """
    if not settled:
        return graph
    changed = {path: _pin(graph.tasks[path], found) for path, found in settled.items() if path in graph.tasks}
    base = {
        found["table"]: found["version"]
        for path, found in settled.items()
        if path in graph.tasks and set(graph.tasks[path].inputs) == {"name"}
    }
    for path, node in graph.tasks.items():
        if node.key == PUBLISH_KEY and _constant(node, "mode") == "replace" and _constant(node, "name") in base:
            changed[path] = with_constants(node, {"base": base[_constant(node, "name")]})
    return graph.model_copy(update={"tasks": {**graph.tasks, **changed}})


def read(
    name: str,
    version: int | None = None,
    as_of: str | None = None,
    digest: str | None = None,  # noqa: ARG001 - it is for the key
) -> Any:
    """Return a version of a named table: its files, of which nothing is copied.

    Args:
        name: of the table.
        version: its number; None: the newest.
        as_of: or the moment at which it was the newest.
        digest: of the version.
    """
    from firnflow.stores.tables import versions
    from firnflow.stores.tables.read import ref_of

    here, _ = services.here("table")
    tables = here.stores.tables(here.state)
    try:
        table = tables.get(name)
        return ref_of(table, versions.find(table, version, as_of))
    finally:
        tables.close()


def publish(
    data: Ref,
    name: str,
    mode: str = "replace",
    key: list[str] | None = None,
    partition: list[str] | None = None,
    base: int | None = None,
) -> Any:
    """Publish a stored table, and return the version that has it.

    Args:
        data: the stored table.
        name: of the named table.
        mode: `replace`, `append` or `partition`.
        key: columns that no two rows may have in common.
        partition: the columns of the partitions.
        base: the version that the rows were made from.
    """
    from firnflow.context import log_metric
    from firnflow.stores.tables import publish as publishing

    here, running = services.here("publish")
    run = here.state.run(running.run)
    tables = here.stores.tables(here.state)
    wish = publishing.Wish(
        name,
        mode,
        tuple(key or ()),
        tuple(partition or ()),
        run=run.id,
        task=running.task,
        pipeline=run.pipeline,
        by=f"{run.origin.get('user') or '?'}@{run.origin.get('host') or '?'}",
        base=base,
    )
    try:
        ref = publishing.publish(tables, data, wish)
    finally:
        tables.close()
    meta = ref.meta or {}
    log_metric("version", meta["version"])
    log_metric("rows", meta["rows"])
    return ref


def places(state: State, stores: Stores, expired: Collection[Version]) -> Collection[str]:
    """Return the places of all data files of the named tables of a state, but for versions that are about to go."""
    tables = _there(state, stores)
    if tables is None:
        return ()
    try:
        return tables.places(expired)
    finally:
        tables.close()


def outdated(
    state: State, stores: Stores, older_than: float, keep: int, needed: Callable[[], Collection[tuple[str, int]]]
) -> Outdated:
    """Return what nobody needs of the named tables any more; see `stores.tables.expire.outdated`."""
    from firnflow.stores.tables.versions import Outdated

    tables = _there(state, stores)
    if tables is None:
        return Outdated()
    from firnflow.stores.tables import expire

    try:
        return expire.outdated(tables, older_than, keep, needed())
    finally:
        tables.close()


def tidy(
    state: State, stores: Stores, old: Collection[Version], joined: Collection[str], grace: float
) -> tuple[Version, ...]:
    """Join small files, forget old versions, remove metadata that a dead writer has left; return the versions."""
    tables = _there(state, stores)
    if tables is None:
        return ()
    try:
        tables.compact(joined)
        gone = tables.expire(old)
        tables.sweep(grace)
    finally:
        tables.close()
    return tuple(gone)


def _there(state: State, stores: Stores) -> TablesLike | None:
    """Return the named tables, where there are any."""
    tables = stores.tables(state)
    return tables if tables.exists else None


def _pin(node: TaskNode, found: dict[str, Any]) -> TaskNode:
    inputs = {argument: wanted for argument, wanted in node.inputs.items() if argument != "as_of"}
    arguments = {argument: port for argument, port in node.arguments.items() if argument != "as_of"}
    plain = node.model_copy(update={"inputs": inputs, "arguments": arguments})
    return with_constants(plain, {"version": found["version"], "digest": found["digest"]})


def with_constants(node: TaskNode, given: dict[str, Any]) -> TaskNode:
    """Return a node that is called with more constants."""
    inputs = {**node.inputs, **{argument: FromConstant(value=value) for argument, value in given.items()}}
    ports = {argument: Port(type=type(value).__name__) for argument, value in given.items()}
    return node.model_copy(update={"inputs": inputs, "arguments": {**node.arguments, **ports}})


def _constant(node: TaskNode, argument: str) -> Any:
    wanted = node.inputs.get(argument)
    return wanted.value if isinstance(wanted, FromConstant) else None
