"""Executes single tasks in jobs of Snowflake, for another orchestrator: what `firnflow exec --job` adds.

The code goes to the stage as it does when pipelines are deployed, a container executes the task by the same
`firnflow exec`, and this process waits for it, shows what it says, and ends it when it is itself stopped.
"""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

from firnflow.errors import StoreError
from firnflow.stores.snowflake.connection import connect
from firnflow.targets.snowflake import checks
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.beside import procedure
from firnflow.targets.snowflake.compile.jobs import Jobs
from firnflow.targets.snowflake.compile.payload import payload_of
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.containers import cancel, containers, lines
from firnflow.targets.snowflake.grammar import render_name
from firnflow.targets.snowflake.grammar.values import Constant
from firnflow.targets.snowflake.objects import Files, Stage
from firnflow.targets.snowflake.tags import Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from firnflow.graph.model import Graph, TaskNode
    from firnflow.project import Project
    from firnflow.targets.snowflake.compile.place import Place
    from firnflow.targets.snowflake.containers import Container

_LOOK = 3.0
"""Seconds between two looks at what a container says."""


def check(project: Project, graphs: Iterable[Graph], is_hired: Callable[[TaskNode], bool]) -> None:
    """Check that the jobs of some tasks can be: their pools are named, and containers reach what runs share.

    Raises:
        ConfigError, UsageError: they cannot.
    """
    checks.check(project)
    jobs = Jobs(project, place_of(project), "")
    for graph in graphs:
        for path, node in graph.tasks.items():
            if is_hired(node):
                jobs.call(graph, path, node.options)


class Hired:
    """Executes a task of a run in a job.

    Args:
        project: the project, loaded in the environment.
        graph: of the pipeline.
        run: the run's id; the run is there.
        task: the task.
        show: takes each line that the container says.
        connect: opens a connection; None: to where the environment's leads.

    Raises:
        ConfigError, UsageError: as `check`.
    """

    def __init__(
        self,
        project: Project,
        graph: Graph,
        run: str,
        task: str,
        show: Callable[[str], None],
        connect: Callable[[], Any] | None = None,
    ) -> None:
        checks.check(project)
        self._project, self._graph, self._run, self._task, self._show = project, graph, run, task, show
        self._connect = connect or self._connection
        self._place = place_of(project)

    def __call__(self, element: int | None) -> str | None:
        """Execute the task, or an element of a map, to its end; return why it has failed, or None.

        Raises:
            ConfigError: the pool is not named, or too small.
            StoreError: Snowflake refuses, or cannot be reached.
        """
        from snowflake.snowpark import Session

        job, before = self._job(element)
        done = threading.Event()
        follower = threading.Thread(target=self._follow, args=(element, before, done), daemon=True)
        with Session.builder.configs({"connection": self._connect()}).create() as session:
            follower.start()
            try:
                _, answer = procedure.run(session, job)
            except RuntimeError as lost:
                return str(lost)
            except BaseException:
                self._end(element)
                raise
            finally:
                done.set()
                follower.join(10 * _LOOK)
        return None if answer["code"] == 0 else str(answer["error"])

    def _job(self, element: int | None) -> tuple[dict[str, Any], set[str]]:
        """Return what the job is called with, its code being on the stage, and the names of jobs before it.

        Retries are the orchestrator's business.
        """
        payload = payload_of(self._project, {self._graph.pipeline: self._graph.model_dump_json(indent=1)})
        account = Account(self._connect)
        with contextlib.closing(account):
            files = Files(account, self._place, payload)
            if files.found() != files.text:
                for name in self._place.tags:
                    Tag(account, self._place, name).put()
                Stage(account, self._place).put()
                files.put()
            before = {each.name.last for each in own(account, self._place, self._run, self._task, element)}
        options = self._graph.tasks[self._task].options.model_copy(update={"retries": 0})
        call = Jobs(self._project, self._place, payload.digest).call(self._graph, self._task, options, element=element)
        (said,) = (each.value for each in call.arguments if isinstance(each, Constant))
        return {**json.loads(str(said)), "run": self._run, "values": {}}, before

    def _follow(self, element: int | None, before: set[str], done: threading.Event) -> None:
        """Show what the container says, until it has ended; those before it have said theirs."""
        account, name, shown = Account(self._connect), "", 0
        with contextlib.closing(account):
            is_last = False
            while not is_last:
                is_last = done.wait(_LOOK)
                with contextlib.suppress(StoreError):  # what cannot be shown now may be later, or is in the job's log
                    jobs = own(account, self._place, self._run, self._task, element)
                    for container in [each for each in jobs if each.name.last not in before][-1:]:
                        if container.name.last != name:
                            name, shown = container.name.last, 0
                            self._show(f"In job {render_name(container.name)}")
                        said = lines(account, container)
                        for line in said[shown:]:
                            self._show(line.message)
                        shown = max(shown, len(said))

    def _end(self, element: int | None) -> None:
        """End the containers of the task that are under way."""
        account = Account(self._connect)
        with contextlib.closing(account), contextlib.suppress(StoreError):
            for container in own(account, self._place, self._run, self._task, element):
                if not container.is_over:
                    cancel(account, container)

    def _connection(self) -> Any:
        return connect(self._project.settings, self._project.root)[0]


def own(account: Account, place: Place, run: str, task: str, element: int | None) -> list[Container]:
    """Return the jobs of a task of a run, or of an element of a map, the oldest first."""
    index = -1 if element is None else element
    return [each for each in containers(account, place, run) if (each.tasks, each.element) == ((task,), index)]
