"""What `firnflow doctor` looks at in a project. A finding that is broken says how to mend it."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from firnflow._disk import writing
from firnflow._text import counted
from firnflow.cli._errors import of_the_system
from firnflow.errors import FirnflowError
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from firnflow.project import Project, Settings
    from firnflow.stores.artifacts import ArtifactStore

T = TypeVar("T")

_LITTLE = 2 * 2**30  # bytes of free disk below which there is a warning
_SKEW = 5.0  # seconds by which clocks may differ; leases are counted in tens
_START = 120.0  # seconds for the fork server to import the project


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, `note` (fine, and to be known), `warning` or `broken`."""

    check: str
    state: Literal["ok", "note", "warning", "broken"]
    message: str
    mend: str = ""


def project_files(root: Path, environment: str | None) -> Iterator[Finding]:
    """Look at firnflow.toml and catalog.toml."""
    from firnflow.project import load_catalog, load_settings
    from firnflow.project.partitioned import of_all_partitions

    found = yield from _try("firnflow.toml", lambda: load_settings(root, environment))
    if found is not None:
        yield Finding("firnflow.toml", "ok", f"project {found.project!r}, environment {found.environment!r}")
    catalog = yield from _try("catalog.toml", lambda: load_catalog(root))
    for name, source in (catalog or {}).items():
        there = source.path is None or source.revision is not None or source.repo is not None
        if not there and not _matches(root, of_all_partitions(source).path or ""):
            mend = f"put it there, or give another: --input {name}=PATH"
            yield Finding("catalog.toml", "warning", f"[{name}]: there is no file {source.path}", mend)
    if catalog is not None:
        yield Finding("catalog.toml", "ok", counted(len(catalog), "source"))


def _matches(root: Path, pattern: str) -> bool:
    import glob

    return next(glob.iglob(str(root / pattern), recursive=True), None) is not None  # noqa: PTH207 - may be absolute


def state(root: Path, settings: Settings) -> Iterator[Finding]:
    """Look at the state database: reachable, of a version that is known, its clock."""
    from firnflow.cli import _project
    from firnflow.stores.state import integrity, schema

    try:
        found = _project.find_state(root, settings)
        if found is not None:
            integrity.check(found)
        crashed = found.reap() if found is not None else []
        running = len(found.runs(status=RunStatus.RUNNING, limit=1000)) if found is not None else 0
    except (FirnflowError, OSError) as error:
        message, _, mend = (of_the_system(error) or str(error)).partition(" Mend: ")
        yield Finding("state", "broken", message, mend or "see `state` in firnflow.toml")
        return
    if found is None:
        yield Finding("state", "note", "no database yet: the first run makes it")
        return
    yield Finding(
        "state", "ok", f"{found.engine.dialect.name}, version {schema.REVISION}, {counted(running, 'run')} under way"
    )
    if crashed:
        mend = f"go on with it: firnflow resume {crashed[0]}"
        yield Finding(
            "state",
            "note",
            f"{counted(len(crashed), 'run')} {'was' if len(crashed) == 1 else 'were'} killed since anybody looked",
            mend,
        )
    if found.engine.dialect.name == "postgresql":
        with found.engine.connect() as connection:
            now = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one()
        yield from _clock("the state database", float(now))


def artifacts(root: Path, settings: Settings) -> Iterator[Finding]:
    """Look at the artifact store: writable, with room."""
    from firnflow.cli import _format
    from firnflow.stores import Stores

    try:
        store = Stores.open(settings, root).artifacts
        written = _probe(store)
    except (FirnflowError, OSError) as error:
        message = of_the_system(error) or str(error)
        yield Finding("artifacts", "broken", message, "see `artifacts` in firnflow.toml")
        return
    free = shutil.disk_usage(store.folder).free
    text = f"{settings.artifacts} can be written; {_format.size(free)} free at {store.folder}"
    mend = "firnflow clean" if free < _LITTLE else ""
    yield Finding("artifacts", "warning" if mend else "ok", text, mend)
    yield from _clock("the disk", written)


def sources(root: Path, settings: Settings) -> Iterator[Finding]:
    """Look at the sources in Snowflake, where there are any: there, and not refused to the role."""
    from firnflow.engine.in_snowflake import reached
    from firnflow.project import load_catalog
    from firnflow.stores.sources.look import look

    try:
        wanted = [source for source in load_catalog(root).values() if source.in_snowflake]
    except FirnflowError:
        return  # said already
    with reached(settings, root) as account:
        for source in wanted:
            problem = look(source, root, account).problem
            message, _, mend = (problem or f"{source.name}: {source.place} can be read").partition(". Mend: ")
            yield Finding("sources", "broken" if problem else "ok", message, mend)


def online(settings: Settings) -> Iterator[Finding]:
    """Look at the online store of features, where there is one: within reach."""
    from firnflow.features import place

    shown = settings.online.reference
    file = shown.removeprefix("sqlite:///")
    if file != shown and not os.path.exists(file):  # noqa: PTH110 - it need not be a path
        return
    try:
        place.of_settings(settings).store.read([("", ())])
    except (FirnflowError, OSError) as error:
        message, _, mend = (of_the_system(error) or str(error)).partition(" Mend: ")
        yield Finding("online", "broken", message, mend or "see `online` in firnflow.toml")
    else:
        yield Finding("online", "ok", f"{shown} can be read")


def orchestrator(root: Path, settings: Settings) -> Iterator[Finding]:
    """Look at what runs the pipelines of the environment, where that is not this machine: within reach."""
    from firnflow.targets.choose import operator_of

    try:
        operator = operator_of(root, settings)
    except FirnflowError as error:
        message, _, mend = str(error).partition(". Mend: ")
        yield Finding("orchestrator", "note", message, mend)
        return
    if operator is None:
        return
    try:
        yield Finding("orchestrator", "ok", f"{operator.name} {operator.look()} answers at {operator.place}")
    except FirnflowError as error:
        message, _, mend = str(error).partition(". Mend: ")
        yield Finding("orchestrator", "broken", message, mend)


def services(root: Path, settings: Settings) -> Iterator[Finding]:
    """Look at who is told of runs: within reach, and how much waits to be sent."""
    from firnflow.cli import _project
    from firnflow.cli._deliverers import deliverers

    try:
        found = _project.find_state(root, settings)
        who = deliverers(root, settings, found) if found is not None else []
    except FirnflowError as error:
        yield Finding("told", "broken", str(error), "see `tracking` in firnflow.toml")
        return
    for each in who:
        waiting = len(each.waiting())
        waits = f"; {waiting} to be told" if waiting else ""
        try:
            each.check()
        except FirnflowError as error:
            yield Finding("told", "warning", f"{each.name}: {error}{waits}", "runs go on without; firnflow send")
            continue
        yield Finding("told", "note" if waiting else "ok", f"{each.name}{waits}", "firnflow send" if waiting else "")


def _probe(store: ArtifactStore) -> float:
    """Write an object, delete it again, and return when the disk says that it was written."""
    path = store.scratch("probe")
    with writing(path):
        path.write_bytes(content := f"firnflow doctor {os.getpid()} {time.time_ns()}".encode())
    written = path.stat().st_mtime
    where = store.put(path, hashlib.sha256(content).hexdigest(), "probe")
    store.delete(where)
    return written


def _clock(whose: str, now: float) -> Iterator[Finding]:
    off = abs(time.time() - now)
    if off > _SKEW:
        yield Finding(
            "clock", "warning", f"differs from that of {whose} by {off:.0f} s", "set it by NTP: leases need it"
        )


def machine(settings: Settings) -> Iterator[Finding]:
    """Look at how processors and memory are shared out."""
    from firnflow.cli import _format
    from firnflow.project import machine as this

    has, takes = this.memory(), settings.workers * settings.memory
    text = (
        f"{counted(settings.workers, 'worker')}, each {_format.size(settings.memory)} and "
        f"{counted(settings.threads, 'thread')} for the warehouse; the machine has {_format.size(has)} and "
        f"{counted(this.processors(), 'processor')}"
    )
    if takes > 0.9 * has:
        yield Finding("workers", "warning", text, "lower `workers` or `memory` in firnflow.toml")
    elif settings.workers > 2 * this.processors():
        yield Finding("workers", "warning", text, "lower `workers` in firnflow.toml")
    else:
        yield Finding("workers", "ok", text)


def code(root: Path, environment: str | None) -> Iterator[Finding]:
    """Import the project, build each pipeline, and let the fork server do the same."""
    from firnflow.project import load_project

    project = yield from _try("modules", lambda: load_project(root, environment))
    if project is None:
        return
    good = True
    for name, pipeline in project.pipelines.items():
        built = yield from _try(f"pipeline {name}", pipeline.build)
        good = good and built is not None
    if not project.pipelines:
        modules = ", ".join(project.settings.modules)
        yield Finding("modules", "warning", f"no pipeline in {modules}", "decorate a function with @firnflow.pipeline")
    elif good:
        yield Finding("modules", "ok", f"pipelines {', '.join(sorted(project.pipelines))}")
        yield from _fork_server(project)


def _fork_server(project: Project) -> Iterator[Finding]:
    from firnflow.engine.pool import Pool

    began = time.monotonic()
    pipeline = next(iter(project.pipelines))
    setup = {"root": str(project.root), "environment": project.settings.environment, "pipeline": pipeline}
    pool = Pool(1, setup, list)
    try:
        ready = pool.start_worker(_START)
    except (FirnflowError, OSError) as error:
        yield Finding("processes", "broken", f"cannot be started: {error}", "firnflow run PIPELINE --inline")
        return
    finally:
        pool.close()
    took = time.monotonic() - began
    if ready:
        yield Finding("processes", "ok", f"a worker has imported the project in {took:.1f} s")
    else:
        yield Finding("processes", "broken", "a worker did not start", "firnflow run PIPELINE --inline")


def _try(check: str, work: Callable[[], T]) -> Generator[Finding, None, T | None]:
    """Return what `work` does, or yield what is wrong."""
    try:
        return work()
    except FirnflowError as error:
        yield Finding(check, "broken", str(error))
    return None
