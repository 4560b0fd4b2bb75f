"""What the process of a rehearsal does, which reaches no account but the emulator: `python -m … FOLDER WISH`.

It deploys by the same target, and starts and follows runs by the same operator, as in earnest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow._text import listing
from firnflow.cli import _project, _running, _summary
from firnflow.cli._app import DEBUG
from firnflow.cli._errors import explain
from firnflow.cli._print import say
from firnflow.cli._rehearsal.borrowed import reading_queries, why_left
from firnflow.cli._rehearsal.comparing import first_difference
from firnflow.cli._rehearsal.presumed import prepare
from firnflow.cli._rehearsal.surroundings import stores
from firnflow.engine.origin import who
from firnflow.errors import RunError
from firnflow.graph.model import FromConstant
from firnflow.graph.table import PUBLISH_KEY, TABLE_KEY
from firnflow.project import load_project
from firnflow.project.settings import load_settings
from firnflow.status import RunStatus
from firnflow.stores import Stores
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.choose import operator_of
from firnflow.targets.explain import summary
from firnflow.targets.params import missing
from firnflow.targets.plan import plan_apply
from firnflow.targets.snowflake.target import SnowflakeTarget

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.engine.request import RunResult
    from firnflow.graph.model import Graph
    from firnflow.project import Project

_HERE = {"FIRNFLOW_ORCHESTRATOR": "local", "FIRNFLOW_WAREHOUSE": "duckdb", "FIRNFLOW_FEATURES": "local"}
"""What is otherwise in an environment whose pipelines run on this machine."""
_UNPACKED = re.compile(r'"[^"\n]*/firnflow-\w+/project/')
"""Where a job has unpacked the project: people know its files by another folder."""


def main(words: list[str]) -> int:
    """Do a rehearsal and return the exit code; what goes wrong is said as `firnflow` says it."""
    folder, wish = Path(words[0]), json.loads(words[1])
    try:
        Rehearsal(folder, **wish).perform()
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last frame of the program
        return explain(error, debug=bool(os.environ.get(DEBUG)))
    finally:
        _project.opened.close()
    return 0


class Rehearsal:
    """A rehearsal of one environment.

    Args:
        folder: where it keeps everything.
        root: the project's folder.
        environment: its name.
        pipelines: which are run; none: all that can be.
        seconds: how long each may take.
    """

    def __init__(
        self, folder: Path, root: str, environment: str, pipelines: list[str], seconds: float, port: int
    ) -> None:
        self._folder, self._seconds, self._port = folder, seconds, port
        project = load_project(Path(root), environment)
        self._left = reading_queries(project)
        kept = {name: each for name, each in project.pipelines.items() if name not in self._left}
        self._project = dataclasses.replace(project, pipelines=kept)
        self._chosen = [self._project.pipeline(name).name for name in pipelines]

    def perform(self) -> None:
        """Deploy, run and compare. Raises FirnflowError where something goes wrong, or comes out otherwise."""
        for note in self._notes():
            say(f"Note: {note}", "yellow")
        made = prepare(self._project, self._port, self._folder)
        say(f"  made there: {', '.join(made)}")
        self._apply()
        for name in self.names():
            self._compare(name)

    def _notes(self) -> Iterator[str]:
        """Yield what is otherwise in earnest."""
        section = load_settings_of_file(self._project)
        if section.integrations:
            yield "the jobs reach what this machine reaches, whatever their external access integrations say"
        if section.secrets:
            yield f"the secrets {listing(section.secrets.values())} hold 'rehearsal' there"
        for name, source in self._left.items():
            yield f"{name} is left out: {why_left(source)}"

    def _apply(self) -> None:
        """Apply the plan, and make sure that a second one has nothing to do."""
        target, project = SnowflakeTarget(self._project), self._project
        state = State(project.settings.state.reveal())
        _project.opened.callback(state.close)
        deployments = Deployments(state, project.settings.project, project.settings.environment, target.name)
        plan = plan_apply(target, deployments)
        by = "@".join(each or "?" for each in who().values())
        apply_plan(plan, target, deployments, by, lambda action: say(f"  made: {action.address}"))
        again = plan_apply(SnowflakeTarget(project), deployments)
        if again.actions:
            changed = listing(str(action.address) for action in again.actions)
            raise RunError(f"what was applied is not what a second plan finds: {changed}. {summary(again)}")

    def names(self) -> list[str]:
        """Return the pipelines that are run, those that publish tables before those that read them."""
        graphs = {name: self._project.pipeline(name).build() for name in self._project.pipelines}
        names = in_order(graphs)
        if self._chosen:
            return [name for name in names if name in self._chosen]
        can = [name for name in names if not missing(self._project, graphs[name])]
        if left := [name for name in names if name not in can]:
            mend = f"Mend: [pipelines.{left[0]}.params]"
            say(f"Note: {listing(left)} cannot be rehearsed: parameters have no values. {mend}", "yellow")
        return can

    def _compare(self, name: str) -> None:
        """Run a pipeline here and there. Raises RunError where one fails, or they come to other results."""
        graph = self._project.pipeline(name).build()
        with self._here() as project:
            here = self._run_here(project, name)
            own = Stores.open(project.settings, project.root)
        there = self._run_there(name, graph)
        stored = Stores.open(self._project.settings, self._project.root)
        try:
            difference = first_difference(graph, (here, own), (there, stored))
        finally:
            own.close()
            stored.close()
        if difference is not None:
            raise RunError(f"{name} comes to something else there than on this machine: {difference}")
        say(f"  {name}: the same there as here, {len(there.outputs)} outputs", "green")

    @contextlib.contextmanager
    def _here(self) -> Iterator[Project]:
        """Yield the project as it is run on this machine; its workers read the same variables."""
        ours = {**stores(self._folder / "here"), **_HERE}
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            settings = load_settings(self._project.root, self._project.settings.environment)
            yield dataclasses.replace(self._project, settings=settings)
        finally:
            _restore(before)

    def _run_here(self, project: Project, name: str) -> RunResult:
        from firnflow.engine.request import RunRequest
        from firnflow.engine.run import run
        from firnflow.engine.workplace import logs_folder

        say(f"{name} on this machine", "bold")
        with _running.progress(plain=False) as listener:
            result = run(project, RunRequest(name), [listener])
        if result.status != RunStatus.SUCCEEDED:
            raise self._failed(result, "on this machine")
        shutil.rmtree(logs_folder(project.root) / result.run, ignore_errors=True)
        return result

    def _run_there(self, name: str, graph: Graph) -> RunResult:
        from firnflow.cli._elsewhere._follow import Follower
        from firnflow.cli._elsewhere._site import Site
        from firnflow.cli._elsewhere.run import order_of

        operator = operator_of(self._project.root, self._project.settings)
        assert operator is not None  # noqa: S101 - it is an environment on Snowflake
        site = Site(self._project.root, self._project.settings, operator)
        say(f"{name} there", "bold")
        started = operator.start(order_of(self._project, name, [], None))
        try:
            with _running.progress(plain=False) as listener:
                result = Follower(site, started, graph, [listener]).go(self._seconds)
        except RunError as error:
            raise RunError(f"{name} has not ended there within {self._seconds:g} s. Mend: --timeout 1h") from error
        if result.status != RunStatus.SUCCEEDED:
            raise self._failed(result, "there")
        return result

    def _failed(self, result: RunResult, where: str) -> RunError:
        """Say why a run failed, with the user's own traceback, and return the error."""
        for task in result.tasks.values():
            if task.error is not None and "traceback" in task.error:
                task.error["traceback"] = _UNPACKED.sub(f'"{self._project.root}/', task.error["traceback"])
        _summary.print_failure(result, None)
        return RunError(f"{result.pipeline} has {result.status} {where}, after {result.seconds:.1f} s")


def load_settings_of_file(project: Project) -> Any:
    """Return the section as firnflow.toml has it, without what the rehearsal has put over it."""
    kept = os.environ.pop("FIRNFLOW_SNOWFLAKE", None)
    try:
        return load_settings(project.root, project.settings.environment).snowflake
    finally:
        _restore({"FIRNFLOW_SNOWFLAKE": kept})


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def in_order(graphs: Mapping[str, Graph]) -> list[str]:
    """Return pipelines by name, but those that publish a named table before those that read it."""
    from graphlib import CycleError, TopologicalSorter

    published = {table: name for name, graph in sorted(graphs.items()) for table in _named(graph, PUBLISH_KEY)}
    before = {
        name: [published[table] for table in _named(graph, TABLE_KEY) if published.get(table, name) != name]
        for name, graph in sorted(graphs.items())
    }
    try:
        return [*TopologicalSorter(before).static_order()]
    except CycleError:  # each reads what the other publishes: no order is right
        return sorted(graphs)


def _named(graph: Graph, key: str) -> list[str]:
    """Return the tables that tasks of one kind name."""
    inputs = [node.inputs.get("name") for node in graph.tasks.values() if node.key == key]
    return [str(each.value) for each in inputs if isinstance(each, FromConstant)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
