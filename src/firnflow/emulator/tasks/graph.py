"""Which tasks belong together: their root, what comes after what, the finalizer.

https://docs.snowflake.com/en/user-guide/tasks-graphs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow.emulator import errors
from firnflow.emulator.catalog import full

if TYPE_CHECKING:
    from firnflow.emulator.catalog import Catalog, FullName, Object
    from firnflow.emulator.session import Session

MOST_TASKS, MOST_LINKS = 1000, 100
STARTED, SUSPENDED = "started", "suspended"


class Graph(NamedTuple):
    """A root task and what runs with it.

    Attributes:
        root: the root, or a task that stands alone.
        tasks: all but the finalizer, those before others first.
        finalizer: runs after all, or None.
    """

    root: Object
    tasks: list[Object]
    finalizer: Object | None

    @property
    def all(self) -> list[Object]:
        """The tasks with the finalizer."""
        return [*self.tasks, *([self.finalizer] if self.finalizer else [])]


def parents(task: Object) -> list[FullName]:
    """Return the full names of the tasks that a task comes after."""
    return [tuple(each) for each in task.body.get("AFTER", [])]


def finalized(task: Object) -> FullName | None:
    """Return the root that a task finalizes, or None."""
    return tuple(task.body["FINALIZE"]) if task.body.get("FINALIZE") else None


def root_of(catalog: Catalog, task: Object) -> Object:
    """Return the root of the graph that a task is in: itself if it comes after none."""
    above = [finalized(task)] if finalized(task) else parents(task)[:1]
    found = catalog.get("TASK", above[0]) if above and above[0] else None
    return task if found is None else root_of(catalog, found)


def graph_of(catalog: Catalog, root: Object) -> Graph:
    """Return the graph of a root."""
    known = {task.path: task for task in catalog.all("TASK", root.path[:2])}
    below: dict[FullName, list[FullName]] = {}
    for task in known.values():
        for parent in parents(task):
            below.setdefault(parent, []).append(task.path)
    found: dict[FullName, None] = {}
    waiting = [root.path]
    while waiting:
        path = waiting.pop(0)
        found.pop(path, None)  # a longer way to it: it comes later
        found[path] = None
        waiting += below.get(path, [])
    finalizer = next((task for task in known.values() if finalized(task) == root.path), None)
    return Graph(root, [known.get(path, root) for path in found], finalizer)


def is_triggered(task: Object) -> bool:
    """Return whether streams start a task: https://docs.snowflake.com/en/user-guide/tasks-triggered."""
    is_root = not parents(task) and not finalized(task) and "SCHEDULE" not in task.body
    return is_root and "SYSTEM$STREAM_HAS_DATA" in task.body.get("WHEN", "").upper()


def need_suspended(session: Session, task: Object) -> None:
    """Raise SnowflakeError if the root of a task's graph runs by its schedule: then nothing of it may be changed.

    A task that stands alone may be changed at any time.
    """
    catalog = session.account.catalog
    root = root_of(catalog, task)
    if root.body.get("state") == STARTED and len(graph_of(catalog, root).all) > 1:
        raise errors.SnowflakeError(
            91083,
            "55000",
            f"Unable to update graph with root task {full(root.path)} since that root task is not suspended.",
        )


def check_links(session: Session, path: FullName, body: dict[str, Any]) -> None:
    """Check that what a task says of others can be: they are there, are the role's own, and make one graph.

    Raises:
        SnowflakeError: they do not.
    """
    catalog = session.account.catalog
    if body.get("FINALIZE"):
        _check_finalizer(session, path, tuple(body["FINALIZE"]))
    above = [tuple(each) for each in body.get("AFTER", [])]
    if len(above) > MOST_LINKS:
        raise errors.invalid(f"Task {path[-1]} has {len(above)} predecessors, more than {MOST_LINKS}.")
    roots = set()
    for each in above:
        task = session.find("TASK", each)
        session.need("TASK", each)
        if each[:2] != path[:2]:
            raise errors.invalid(f"Task {full(path)} and its predecessor {full(each)} are not in one schema.")
        if finalized(task):
            raise errors.invalid(f"Finalizer task {full(each)} cannot have child tasks.")
        root = root_of(catalog, task)
        need_suspended(session, root)
        roots.add(root.path)
        _check_room(catalog, path, each, root)
    if len(roots) > 1:
        raise errors.invalid(f"Task {full(path)} would have {len(roots)} root tasks: {', '.join(map(full, roots))}.")
    if any(task.path == path for each in above for task in _above(catalog, each)):
        raise errors.SnowflakeError(91082, "42000", f"Task {full(path)} would come after itself: a graph has no cycle.")


def _check_room(catalog: Catalog, path: FullName, parent: FullName, root: Object) -> None:
    tasks = [task for task in graph_of(catalog, root).all if task.path != path]
    if len(tasks) >= MOST_TASKS:
        raise errors.invalid(f"The graph of root task {full(root.path)} would have more than {MOST_TASKS} tasks.")
    if sum(parent in parents(task) for task in tasks) >= MOST_LINKS:
        raise errors.invalid(f"Task {full(parent)} would have more than {MOST_LINKS} child tasks.")


def _check_finalizer(session: Session, path: FullName, root: FullName) -> None:
    catalog = session.account.catalog
    found = session.need("TASK", root)
    if root[:2] != path[:2]:
        raise errors.invalid(f"Finalizer {full(path)} and its root task {full(root)} are not in one schema.")
    if parents(found) or finalized(found):
        raise errors.invalid(f"Task {full(root)} is no root task, so it has no finalizer.")
    need_suspended(session, found)
    other = graph_of(catalog, found).finalizer
    if other is not None and other.path != path:
        raise errors.invalid(f"Root task {full(root)} has a finalizer already: {full(other.path)}.")


def _above(catalog: Catalog, path: FullName) -> list[Object]:
    """Return a task and all that it comes after."""
    found: dict[FullName, Object] = {}
    waiting = [path]
    while waiting:
        task = catalog.get("TASK", waiting.pop())
        if task is not None and task.path not in found:
            found[task.path] = task
            waiting += parents(task)
    return list(found.values())
