"""Small projects, made on the spot: each in modules of its own name, since a process imports a module once."""

from __future__ import annotations

import textwrap
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.engine.request import RunRequest, RunResult
from firnflow.engine.run import resume, run
from firnflow.project import load_project
from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.engine.events import Event
    from firnflow.project import Project


@dataclass
class Lab:
    """A project with one module, and the events of its runs.

    Attributes:
        inline: whether runs are in this process where nothing else is said: they need not load what a test is not of.
    """

    root: Path
    project: Project
    events: list[Event] = field(default_factory=list)
    inline: bool = False

    def run(self, pipeline: str = "flow", *assignments: str, **wishes: Any) -> RunResult:
        wishes = {"workers": 2, "inline": self.inline, **wishes}
        listeners = [self.events.append, *wishes.pop("listeners", ())]
        return run(self.project, RunRequest(pipeline, assignments, **wishes), listeners)

    def resume(self, run_id: str | None = None, **wishes: Any) -> RunResult:
        return resume(self.project, run_id, [self.events.append], **{"inline": self.inline, **wishes})

    def again(self) -> Lab:
        """The same project, loaded anew."""
        return Lab(self.root, load_project(self.root), inline=self.inline)

    @cached_property
    def state(self) -> State:
        return State(self.project.settings.state.reveal())

    def started(self) -> list[str]:
        """The tasks that were started, in order."""
        return [event.task for event in self.events if event.kind == "task_started"]

    def states(self, result: RunResult) -> dict[str, str]:
        return {name: task.state for name, task in result.tasks.items()}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Return a function that makes a project of one module's source."""
    labs: list[Lab] = []

    def make(source: str, settings: str = "", root: Path | None = None) -> Lab:
        root = root or tmp_path / "project"
        name = f"flows_{uuid.uuid4().hex[:12]}"
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.py").write_text(f"import firnflow as ff\n{textwrap.dedent(source)}")
        (root / "firnflow.toml").write_text(
            f'[project]\nname = "lab"\npipelines = ["{name}"]\n[environments.local]\nlease = 5\n{settings}\n'
        )
        labs.append(Lab(root, load_project(root)))
        return labs[-1]

    yield make
    for each in labs:
        each.__dict__.get("state") and each.state.close()


@pytest.fixture
def tables_lab(lab: Callable[..., Lab]) -> Iterator[Callable[..., Lab]]:
    """Return `lab` for projects with named tables: `stores` and `tables` of the project are open, runs are in here."""
    from firnflow.stores import Stores
    from firnflow.stores.tables.catalog import Tables

    labs: list[Any] = []

    def make(source: str) -> Lab:
        made: Any = lab(source)
        made.inline = True
        made.stores = Stores.open(made.project.settings, made.root)
        made.tables = Tables(made.state, made.stores)
        labs.append(made)
        return made

    yield make
    for each in labs:
        each.tables.close()
        each.stores.close()
