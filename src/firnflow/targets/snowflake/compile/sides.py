"""Where each task is executed: in the warehouse, by a procedure, or in a container, by a job.

A task of tables is one that reads a table as `ibis.Table`, and takes and returns nothing but such tables and plain
values. Its work is SQL, which the warehouse does; it needs no container, unless it asks for something that a procedure
has not. docs/decisions/0049-which-tasks-a-warehouse-executes.md says why each.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow._text import listing
from firnflow.engine.driver import FINALIZER
from firnflow.engine.fingerprint import Fingerprinter
from firnflow.engine.syntax import absolute_module, statements
from firnflow.graph.annotations import class_name, members
from firnflow.graph.model import FromConstant, FromTask, Resources, walk
from firnflow.graph.source import SOURCE_KEY
from firnflow.graph.table import CHECK_KEY, PUBLISH_KEY, TABLE_KEY
from firnflow.graph.types import is_json_like
from firnflow.models.tracking import NONE
from firnflow.project.account_url import SCHEME, is_account_url
from firnflow.targets.snowflake.compile.packages import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from firnflow.graph.model import Graph, TaskNode
    from firnflow.graph.task import Task
    from firnflow.project import Project, Settings

_TABLES = (TABLE_KEY, PUBLISH_KEY, CHECK_KEY)
_TABLE = "ibis.Table"
_PLACES = ("FIRNFLOW_STATE", "FIRNFLOW_ARTIFACTS")


@dataclass(frozen=True)
class Side:
    """Where a task is executed.

    Attributes:
        is_here: in the warehouse.
        why: what keeps a task of tables out of it; empty for others.
    """

    is_here: bool
    why: str = ""


class Sides:
    """Says where the tasks of a project are executed.

    Args:
        project: the project.
        fingerprints: reads its code; None: one of its own does.
    """

    def __init__(self, project: Project, fingerprints: Fingerprinter | None = None) -> None:
        self._project = project
        self._fingerprints = fingerprints or Fingerprinter((project.root,))
        self.is_able = is_able(project.settings)
        self._loaded = _imported(project.modules, project.root) - MODULES if self.is_able else frozenset()
        self._known: dict[tuple[str, str], Side] = {}
        self._makes: dict[str, bool] = {}

    def of(self, graph: Graph, path: str) -> Side:
        """Return where a task is executed, or several that are one job; `finalizer` is one too."""
        if not self.is_able:
            return Side(is_here=False)
        key = (graph.pipeline, path)
        if key not in self._known:
            found = [self._of(graph, each) for each in path.split("+")]
            self._known[key] = next((each for each in found if not each.is_here), Side(is_here=True))
        return self._known[key]

    def has_jobs(self, graphs: Iterable[Graph]) -> bool:
        """Return whether any task needs a container, or could, where no task is executed elsewhere."""
        return not self.is_able or any(
            not self.of(each, path).is_here for each in graphs for path in (*each.tasks, FINALIZER)
        )

    def has_any(self, graphs: Iterable[Graph]) -> bool:
        """Return whether any task is executed in the warehouse."""
        return any(self.of(each, path).is_here for each in graphs for path in (*each.tasks, FINALIZER))

    def _of(self, graph: Graph, path: str) -> Side:
        if path == FINALIZER:
            return self._end(graph)
        node, task = graph.tasks[path], self._task(graph, path)
        if not _is_of_tables(node, task):
            return Side(is_here=False)
        return next((Side(is_here=False, why=why) for why in self._reasons(graph, node, task)), Side(is_here=True))

    def _end(self, graph: Graph) -> Side:
        """Return where a run is ended: a finalizer is Python like any other, and who is told is outside."""
        settings = self._project.settings
        tracking = settings.tracking
        told = settings.alerts.channels or (tracking.backend != NONE and (tracking.backend or tracking.url))
        why = "it is Python" if graph.finalizer is not None else "it tells others of the run" if told else ""
        return Side(is_here=False, why=why) if why else self._fits(frozenset())

    def _reasons(self, graph: Graph, node: TaskNode, task: Task[...] | None) -> Iterator[str]:
        """Yield what keeps a task of tables out of the warehouse."""
        if node.options.resources != Resources():
            yield "it asks for resources"
        if node.mapping is not None and (node.options.concurrency or 1) > 1:
            yield "it is dealt among containers"
        if node.key == SOURCE_KEY and not self._is_at_hand(node):
            yield "its source is outside of Snowflake"
        parts = [part for wanted in node.inputs.values() for part in walk(wanted) if isinstance(part, FromTask)]
        if any(self._is_file(graph, part) for part in parts):
            yield "it reads a table that comes from outside, as a file"
        if task is not None and self._has_functions(task.function.__module__):
            yield "its module makes functions in Python for the warehouse (ibis.udf)"
        used = self._fingerprints.of(task).libraries if task is not None else frozenset()
        if not (fits := self._fits(used)).is_here:
            yield fits.why

    def _has_functions(self, module: str) -> bool:
        if module not in self._makes:
            self._makes[module] = _has_functions(sys.modules.get(module))
        return self._makes[module]

    def _fits(self, used: frozenset[str]) -> Side:
        """Return whether a procedure has what is imported: by the project's modules when they load, and by a task."""
        lacking = sorted((used | self._loaded) - MODULES)
        if not lacking:
            return Side(is_here=True)
        whose = "" if used - MODULES else "the project's modules, as they load, "
        return Side(is_here=False, why=f"{whose or 'it '}import{'' if whose else 's'} {listing(lacking)}")

    def _is_file(self, graph: Graph, part: FromTask) -> bool:
        """Return whether what a task reads of another one is a table that was made elsewhere, of any size."""
        node, task = graph.tasks[part.task], self._task(graph, part.task)
        if _is_of_tables(node, task):
            return node.key == SOURCE_KEY and not self._is_at_hand(node)
        output = task.signature.outputs.get(part.output or "result") if task is not None else None
        return _kinds(output) != {"plain"}

    def _is_at_hand(self, node: TaskNode) -> bool:
        """Return whether a source is in Snowflake, or a file that goes to the stage with the code."""
        name = node.inputs["name"]
        source = self._project.catalog.get(str(name.value)) if isinstance(name, FromConstant) else None
        if source is not None and source.in_snowflake:
            return True
        return (
            source is not None and source.path is not None and not (source.revision or Path(source.path).is_absolute())
        )

    def _task(self, graph: Graph, path: str) -> Task[...] | None:
        pipeline = self._project.pipelines.get(graph.pipeline)
        return pipeline.tasks.get(path) if pipeline is not None else None


def is_able(settings: Settings) -> bool:
    """Return whether a procedure reaches what runs share: it has no way out of Snowflake."""
    section = settings.snowflake
    inside = settings.state.reference.partition(":")[0] == SCHEME and is_account_url(settings.artifacts)
    told = [each for each in _PLACES if section.variables.get(each, SCHEME).partition(":")[0] != SCHEME]
    told += [each for each in _PLACES if each in section.secrets]
    return section.procedures and settings.warehouse == "snowflake" and inside and not told


def _is_of_tables(node: TaskNode, task: Task[...] | None) -> bool:
    """Return whether a task is one of tables."""
    if task is None:
        return node.key in (*_TABLES, SOURCE_KEY)
    signature = task.signature
    reads = [_kinds(signature.arguments[name].annotation) for name in node.inputs if name in signature.arguments]
    kinds = {kind for each in (*reads, *map(_kinds, signature.outputs.values())) for kind in each}
    return "" not in kinds and any("table" in each for each in reads)


def _kinds(annotation: Any) -> set[str]:
    """Return the kinds of what an annotation stands for: `table`, `plain`, or empty for anything else."""
    found = set()
    for each in members(annotation):
        origin, inner = typing.get_origin(each), typing.get_args(each)
        if origin in (list, tuple) and inner:
            found |= {kind for one in inner if one is not ... for kind in _kinds(one)}
        elif isinstance(each, type) and class_name(each) == _TABLE:
            found.add("table")
        else:
            found.add("plain" if _is_plain(each) else "")
    return found


def _is_plain(annotation: Any) -> bool:
    """Return whether values are stored as JSON; a class whose fields only type checkers can name is none such."""
    with contextlib.suppress(NameError):
        return annotation is not Any and is_json_like(annotation)
    return False


def _imported(modules: Iterable[ModuleType], root: Path) -> frozenset[str]:
    """Return the libraries that modules of a project, and those of it that they import, import when they load."""
    found, seen, queue = set[str](), set[str](), [each.__name__ for each in modules]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        module = sys.modules.get(name)
        if not any(_is_in(place, root) for place in _places(module)):
            found.add(name.partition(".")[0])
            continue
        queue += [".".join(name.split(".")[:at]) for at in range(1, name.count(".") + 1)]
        tree = _tree(module)
        queue += [each for node in statements(_run(tree.body if tree else [])) for each in _names(node, name)]
    return frozenset(found - sys.stdlib_module_names)


def _places(module: ModuleType | None) -> list[Path]:
    """Return the file of a module, or the folders of a package that has none."""
    file = getattr(module, "__file__", None)
    return [Path(each).resolve() for each in ([file] if file else getattr(module, "__path__", []))]


def _is_in(place: Path, root: Path) -> bool:
    return place.is_relative_to(root) and "site-packages" not in place.relative_to(root).parts


def _tree(module: ModuleType | None) -> ast.Module | None:
    """Return the syntax of a module; None: it has no file."""
    file = getattr(module, "__file__", None)
    return ast.parse(Path(file).read_text(encoding="utf-8")) if file else None


def _run(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements without those that only type checkers see."""
    return [node for node in body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))]


def _names(node: ast.stmt, home: str) -> list[str]:
    """Return the modules that a statement imports, those of the project that are names in it too."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = absolute_module(node, home)
        inner = [f"{base}.{alias.name}" for alias in node.names]
        return [base, *(each for each in inner if each in sys.modules)]
    return []


def _has_functions(module: ModuleType | None) -> bool:
    """Return whether a module names `udf` of Ibis."""
    tree = _tree(module)
    return tree is not None and any(
        (isinstance(node, ast.Attribute) and node.attr == "udf")
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "udf" for alias in node.names))
        for node in ast.walk(tree)
    )
