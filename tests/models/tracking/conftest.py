"""Projects that are run in this process, and an MLflow whose database was migrated once."""

from __future__ import annotations

import shutil
import textwrap
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.engine.request import RunRequest, RunResult
from firnflow.engine.run import resume, run
from firnflow.models.tracking.base import PAGE, Place, Story
from firnflow.models.tracking.send import TrackingDeliverer
from firnflow.project import load_project
from firnflow.stores import Stores
from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.models.tracking.base import Tracker
    from firnflow.models.tracking.mlflow import MLflowTracker
    from firnflow.project import Project

TRAINING = """
    class FlowParams(ff.Params):
        depth: int = 1

    @ff.task
    def train(depth: int) -> ff.Model:
        from sklearn.tree import DecisionTreeClassifier

        return ff.Model(DecisionTreeClassifier(max_depth=depth, random_state=0).fit([[0.0], [1.0]], [0, 1]), ("x",))

    @ff.pipeline(params=FlowParams)
    def flow(p):
        train(p.depth)
"""
"""A pipeline `flow` whose task `train` makes a model of the given `depth`."""


@dataclass
class Desk:
    """A project, its state, and who tells trackers of it."""

    root: Path
    project: Project

    def run(self, pipeline: str = "flow", *assignments: str, **wishes: Any) -> RunResult:
        return run(self.project, RunRequest(pipeline, assignments, **{"inline": True, **wishes}))

    def resume(self, run_id: str) -> RunResult:
        return resume(self.project, run_id, inline=True)

    def deliverer(self, tracker: Tracker, backend: str = "fake") -> TrackingDeliverer:
        return TrackingDeliverer(tracker, backend, self.project.settings, self.state, self.stores.artifacts)

    @cached_property
    def state(self) -> State:
        return State(self.project.settings.state.reveal())

    @cached_property
    def stores(self) -> Stores:
        return Stores.open(self.project.settings, self.root)


def make_desk(root: Path, source: str, settings: str = "") -> Desk:
    name = f"desk_{uuid.uuid4().hex[:12]}"
    root.mkdir(parents=True, exist_ok=True)
    (root / f"{name}.py").write_text(f"import firnflow as ff\n{textwrap.dedent(source)}")
    (root / "firnflow.toml").write_text(f'[project]\nname = "lab"\npipelines = ["{name}"]\n{settings}\n')
    return Desk(root, load_project(root))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Return a function that makes a project of one module's source; by default, of `TRAINING`."""
    made: list[Desk] = []

    def make(source: str = TRAINING, settings: str = "") -> Desk:
        made.append(make_desk(tmp_path / "project", source, settings))
        return made[-1]

    yield make
    for each in made:
        each.__dict__.get("state") and each.state.close()


@dataclass
class Recorder:
    """A tracker that keeps what it is told; `fail` says how often it takes nothing first."""

    place: str = "here"
    live: bool = True
    fail: int = 0
    refuse: str = ""
    stories: list[Story] = field(default_factory=list)

    def check(self) -> None: ...

    def close(self) -> None: ...

    def tell(self, story: Story, known: dict[str, str]) -> dict[str, str]:
        if self.fail > 0:
            self.fail -= 1
            raise ConnectionError("nobody there")
        if self.refuse and self.refuse in story.key:
            raise ValueError("not this one")
        self.stories.append(story)
        found = {each.key: f"remote {each.key}" for each in (story, *story.parts)} | {
            PAGE: f"https://there/{story.key}"
        }
        files = (file for each in (story, *story.parts) for file in each.files if file.kind == "model")
        return known | found | {f"model:{file.path.stem}": f"there {file.name}" for file in files}

    def of(self, run: str) -> list[Story]:
        return [story for story in self.stories if story.key == run]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database of MLflow, to be copied: making one takes seconds."""
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    from firnflow.models.tracking.mlflow import MLflowTracker

    root = tmp_path_factory.mktemp("mlflow")
    MLflowTracker(Place(root)).tell(Story("k", "k", "first", "running", 1.0, tags={"firnflow.run": "k"}), {})
    return root / ".firnflow" / "mlflow.db"


@pytest.fixture
def mlflow_at(mlflow_template: Path) -> Callable[[Path], MLflowTracker]:
    """Return a function that makes an MLflow in a project's folder."""
    from firnflow.models.tracking.mlflow import MLflowTracker

    def make(root: Path) -> MLflowTracker:
        database = root / ".firnflow" / "mlflow.db"
        database.parent.mkdir(parents=True, exist_ok=True)
        if not database.exists():
            shutil.copyfile(mlflow_template, database)
        return MLflowTracker(Place(root))

    return make
