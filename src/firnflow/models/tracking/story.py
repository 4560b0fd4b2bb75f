"""Reads from the state what there is to tell of a run."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import Value
from firnflow.engine.mapping import expand
from firnflow.engine.scheduler import Scheduler
from firnflow.engine.selection import committed
from firnflow.errors import DamagedArtifactError, FirnflowError
from firnflow.graph.joins import reads
from firnflow.graph.model import FromConstant, FromTask
from firnflow.graph.source import SOURCE_KEY
from firnflow.models.tracking.base import Dataset, File, Story
from firnflow.project import redact
from firnflow.status import COMMITTED, RunStatus, TaskStatus
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from firnflow.context import Point
    from firnflow.engine.mapping import Element
    from firnflow.graph.model import Graph, Input, TaskNode
    from firnflow.stores.artifacts import ArtifactStore
    from firnflow.stores.state import Attempt, Run

FOLDERS = {"figure": "figures", "model": "models", "file": "files", "json": "results"}
"""Kinds of values that trackers get, and the folder in which each lies there."""
MOST_BYTES = 256 * 2**20
"""Files that are larger are named in the tag `firnflow.left_out`, and not sent."""
_ENDED = COMMITTED | {TaskStatus.FAILED, TaskStatus.LOST, TaskStatus.CANCELLED}
_AS_RUN: dict[str, str] = {TaskStatus.CACHED: RunStatus.SUCCEEDED, TaskStatus.LOST: RunStatus.CRASHED}


@dataclass(frozen=True)
class Source:
    """What a story is read from.

    Attributes:
        run: the run.
        graph: its graph.
        attempts: its attempts, as they were written.
        history: the points of the attempts that are not told yet, by the attempt's id.
        project: the project's name.
        experiment: what the run is listed under.
        artifacts: where its values are.
        scratch: a folder for files that are made to be sent.
    """

    run: Run
    graph: Graph
    attempts: Sequence[Attempt]
    history: Mapping[int, Sequence[Point]]
    project: str
    experiment: str
    artifacts: ArtifactStore
    scratch: Path


def to_tell(run: Run, attempts: Sequence[Attempt], told: Collection[int]) -> list[Attempt]:
    """Return the attempts of which the tracker does not know: of each unit the newest one, once it has ended.

    One that failed may be tried again: it is told when the run has ended.
    """
    newest = {(attempt.task, attempt.element): attempt for attempt in attempts}
    ended = _ENDED if run.ended_at is not None else COMMITTED
    return [each for each in newest.values() if each.status in ended and each.id not in told]


def story_of(source: Source, news: Sequence[Attempt]) -> Story:
    """Return what there is to tell of a run.

    Args:
        source: the run.
        news: of its attempts those that are to be told.
    """
    run = source.run
    elements = _Elements(source)
    whole = [attempt for attempt in news if attempt.element < 0]
    points = [
        point._replace(name=f"{attempt.task}/{point.name}")
        for attempt in whole
        for point in source.history.get(attempt.id, ())
    ]
    files = [file for attempt in whole for file in _files(source, attempt, f"{attempt.task}")]
    left_out = _left_out(source)
    return Story(
        key=run.id,
        name=run.id,
        experiment=source.experiment,
        status=run.status,
        started_at=run.started_at,
        ended_at=run.ended_at,
        params=_texts(flat(run.params)),
        tags=_tags(source) | ({"firnflow.left_out": ", ".join(left_out)} if left_out else {}),
        description=redact(source.graph.doc),
        points=tuple(points),
        datasets=tuple(_datasets(source, news)),
        files=tuple(files),
        parts=tuple(_part(source, attempt, elements) for attempt in news if attempt.element >= 0),
    )


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested dicts by dotted name."""
    leaves: dict[str, Any] = {}
    for name, value in data.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name: value}
    return leaves


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    """Return values as people write them, without secrets."""
    return {
        redact(name): redact(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in data.items()
    }


def _tags(source: Source) -> dict[str, str]:
    run = source.run
    about = {
        "run": run.id,
        "project": source.project,
        "pipeline": run.pipeline,
        "environment": run.environment,
        "partition": run.partition,
        "status": run.status,
        "error": run.error,
        "resumed": run.epoch - 1 or None,
        "graph": run.graph,
        "version": run.origin.get("firnflow"),
        **{name: run.origin.get(name) for name in ("user", "host", "commit", "python")},
    }
    return _named(about)


def _named(about: Mapping[str, Any]) -> dict[str, str]:
    return _texts({f"firnflow.{name}": value for name, value in about.items() if value is not None})


# -- elements of maps -------------------------------------------------------------------------------------------------


class _Elements:
    """The elements of a run's maps, with what they are called with; found when one is asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: dict[str, list[Element]] = {}

    def arguments(self, attempt: Attempt) -> dict[str, Any]:
        """Return the plain values that tell an element from the others."""
        task = attempt.task
        if task not in self._found:
            self._found[task] = []
            with contextlib.suppress(FirnflowError, KeyError, OSError):  # its list is gone: it keeps its label
                self._found[task] = self._expand(task)
        node, found = self._source.graph.tasks.get(task), self._found[task]
        if node is None or node.mapping is None or attempt.element >= len(found):
            return {}
        bound = found[attempt.element].arguments
        return {name: each.json for name in node.mapping.arguments if isinstance(each := bound[name], Value)}

    def _expand(self, task: str) -> list[Element]:
        source = self._source
        node = source.graph.tasks[task]
        done = committed(source.graph, source.attempts)
        scheduler = Scheduler(source.graph, [], done, source.run.params, self._read)
        return expand(task, node.mapping, scheduler.arguments(task), self._read) if node.mapping else []

    def _read(self, ref: Ref) -> Any:
        text = ref.inline if ref.inline is not None else self._source.artifacts.local(ref.where or "").read_text()
        return json.loads(text)


def _part(source: Source, attempt: Attempt, elements: _Elements) -> Story:
    """Return the story of one element of a map."""
    run, label = source.run, attempt.label or str(attempt.element)
    tags = {
        "run": run.id,
        "pipeline": run.pipeline,
        "task": attempt.task,
        "element": attempt.element,
        "user": run.origin.get("user"),
        "status": attempt.status,
        "error": (attempt.error or {}).get("message"),
    }
    return Story(
        key=f"{run.id}/{attempt.task}/{attempt.element}",
        name=redact(f"{attempt.task}[{label}]"),
        experiment=source.experiment,
        status=_AS_RUN.get(attempt.status, attempt.status),
        started_at=attempt.started_at,
        ended_at=attempt.ended_at or attempt.started_at,
        params=_texts(flat(elements.arguments(attempt))),
        tags=_named(tags),
        points=tuple(source.history.get(attempt.id, ())),
        files=tuple(_files(source, attempt, attempt.task)),
    )


# -- data sets --------------------------------------------------------------------------------------------------------


def _datasets(source: Source, news: Sequence[Attempt]) -> Iterator[Dataset]:
    """Yield the tables that a run began with, and the tables that models were made from, each once."""
    seen = set()
    refs = {attempt.task: attempt.outputs or {} for attempt in source.attempts if attempt.status in COMMITTED}
    for attempt in news:
        node = source.graph.tasks.get(attempt.task)
        if node is None or attempt.status not in COMMITTED:
            continue
        for each in (*_begun_with(node, attempt), *_learnt_from(node, attempt, refs)):
            if (each.name, each.digest, each.role) not in seen:
                seen.add((each.name, each.digest, each.role))
                yield each


def _begun_with(node: TaskNode, attempt: Attempt) -> Iterator[Dataset]:
    """Yield the tables of a task that reads no other task: a source, or a generator."""
    if reads(node):
        return
    path, name = _constant(node.inputs.get("path")), _constant(node.inputs.get("name"))
    outside = node.key == SOURCE_KEY
    for output, data in (attempt.outputs or {}).items():
        if (ref := _table(data)) is not None:
            origin = (path or f"{name} of catalog.toml") if outside else f"task {attempt.task}"
            yield _dataset(ref, _label(attempt.task, output), "source", origin)


def _learnt_from(node: TaskNode, attempt: Attempt, refs: Mapping[str, Mapping[str, Any]]) -> Iterator[Dataset]:
    """Yield the tables that a task which made a model was called with."""
    if not any(isinstance(ref, dict) and ref.get("kind") == "model" for ref in (attempt.outputs or {}).values()):
        return
    for wanted in node.inputs.values():
        if isinstance(wanted, FromTask):
            output = wanted.output or "result"
            if (ref := _table(refs.get(wanted.task, {}).get(output))) is not None:
                yield _dataset(ref, _label(wanted.task, output), "training", f"task {wanted.task}")


def _label(task: str, output: str) -> str:
    return task if output == "result" else f"{task}.{output}"


def _table(data: Any) -> Ref | None:
    with contextlib.suppress(DamagedArtifactError):
        ref = Ref.from_json(data)
        return ref if ref.kind == "table" else None
    return None


def _dataset(ref: Ref, name: str, role: str, origin: str) -> Dataset:
    meta = ref.meta or {}
    rows = meta.get("rows")
    columns = {redact(column): kind for column, kind in meta.get("columns", {}).items()}
    return Dataset(name, ref.digest, role, redact(origin), columns, rows if isinstance(rows, int) else None)


def _constant(wanted: Input | None) -> str | None:
    return str(wanted.value) if isinstance(wanted, FromConstant) else None


# -- files ------------------------------------------------------------------------------------------------------------


def _files(source: Source, attempt: Attempt, task: str) -> Iterator[File]:
    """Yield what of an attempt's outputs a tracker gets: small enough, and still there."""
    if attempt.status not in COMMITTED:
        return
    for name, ref in _sendable(attempt):
        label = _label(task, name.removeprefix("result/"))
        path = _local(source, ref)
        if path is not None and ref.size <= MOST_BYTES:
            folder = "reports" if path.suffix == ".html" else FOLDERS[ref.kind]
            yield File(f"{folder}/{label}{path.suffix}", path, ref.kind)


def _left_out(source: Source) -> list[str]:
    """Return the tasks whose files are too large."""
    return sorted(
        {
            attempt.task
            for attempt in source.attempts
            if attempt.status in COMMITTED and any(ref.size > MOST_BYTES for _, ref in _sendable(attempt))
        }
    )


def _sendable(attempt: Attempt) -> Iterator[tuple[str, Ref]]:
    for name, data in (attempt.outputs or {}).items():
        with contextlib.suppress(DamagedArtifactError):
            for path, ref in Ref.from_json(data).walk():
                if ref.kind in FOLDERS and (ref.kind != "json" or _is_result(ref)):
                    yield "/".join([name, *(_safe(str(key)) for key in path)]), ref


def _is_result(ref: Ref) -> bool:
    """Return whether a JSON value says more than a number, a word or a list: an object, or what is too long to tell."""
    return ref.inline is None or ref.inline.startswith("{")


def _safe(text: str) -> str:
    return re.sub(r"[^\w.=-]", "_", text)[:100].strip(".") or "_"


def _local(source: Source, ref: Ref) -> Path | None:
    """Return a readable path of a value, or None where it is gone."""
    if ref.inline is not None:
        path = source.scratch / f"{ref.digest}.json"
        path.write_text(ref.inline, "utf-8")
        return path
    try:
        return source.artifacts.local(ref.where or "")
    except (FirnflowError, OSError):
        return None
