"""Sources in Snowflake in a run: what it reads is settled when it starts, and read in place if the warehouse is there.

Where table expressions are computed in Snowflake, the rows become a table of the run by one statement, and do not leave
it; only the columns that rules name come here to be checked. Else they are fetched, as those of other sources are.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from firnflow import context
from firnflow._text import counted
from firnflow.engine import checking
from firnflow.engine.tables import with_constants
from firnflow.graph.model import FromConstant, Graph, TaskNode
from firnflow.graph.rules import Checks
from firnflow.graph.source import SOURCE_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from firnflow.engine.attempt import Workplace
    from firnflow.project import Project, Settings
    from firnflow.project.catalog import Source
    from firnflow.stores.checks.judge import Circumstances
    from firnflow.stores.snowflake.account import Account
    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
    from firnflow.stores.sources.snowflake import Reading, Settled
    from firnflow.values.ref import Ref

log = logging.getLogger("firnflow.sources")


def settle(project: Project, graph: Graph, chosen: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return task → what a run which starts now reads of each source in Snowflake: `source`, `version` and `at`.

    Args:
        project: the project.
        graph: the graph.
        chosen: the tasks that run.

    Raises:
        NotFoundError, StoreError, DataError, ConfigError: as `stores.sources.snowflake.found`.
    """
    wanted = {path: spec for path in chosen if (spec := _spec(project, graph.tasks[path])) is not None}
    if not wanted:
        return {}
    from firnflow.stores.sources import snowflake

    with reached(project.settings, project.root) as account:
        there = {spec.name: snowflake.settled(account, spec) for spec in wanted.values()}
    return {path: {"source": spec.name, **there[spec.name]._asdict()} for path, spec in wanted.items()}


def pinned(graph: Graph, settled: dict[str, dict[str, Any]]) -> Graph:
    """Return the graph that says what is read of sources in Snowflake: `settled` is what `settle` has returned."""
    changed = {
        path: with_constants(graph.tasks[path], {"version": each["version"]})
        for path, each in settled.items()
        if path in graph.tasks
    }
    return graph.model_copy(update={"tasks": {**graph.tasks, **changed}}) if changed else graph


def version(project: Project, spec: Source) -> str:
    """Return a text that differs when what a source in Snowflake holds does. Raises as `settle`."""
    from firnflow.stores.sources import snowflake

    with reached(project.settings, project.root) as account:
        return snowflake.found(account, spec).version


@contextlib.contextmanager
def reached(settings: Settings, root: Path) -> Iterator[Account]:
    """Give the account of an environment, whose connection is closed behind it."""
    from firnflow.stores.snowflake.account import Account

    with contextlib.closing(Account(settings, root)) as account:
        yield account


def read(project: Project, place: Workplace, spec: Source, version: str | None) -> Any:
    """Return a source in Snowflake as a table, or as the ref of one, its checks fulfilled.

    Args:
        project: the project.
        place: of the work.
        spec: the source.
        version: what the run reads, by its graph; None: nothing is settled.

    Raises:
        BadRowsError, DataError: the rows, or the data as a whole, are not what is declared.
        StoreError, NotFoundError: it cannot be read any more.
    """
    from firnflow.stores.checks.judge import Circumstances
    from firnflow.stores.sources.snowflake import Reading

    here = context.current()
    rules = spec.rules if here is not None else Checks()
    about = checking.circumstances(spec.name, rules) if rules != Checks() else Circumstances(at=0.0)
    seen = checking.Seen() if rules != Checks() else None
    with reached(project.settings, project.root) as account:
        reading = Reading(account, spec, _settled(place, here, version))
        is_there = project.settings.warehouse == "snowflake"
        if is_there and reading.as_declared and spec.checks.on_failure == "stop":
            made = _kept(place, reading, spec, about, seen)
        else:
            made = _fetched(project, place, reading, spec, about, seen)
        if not reading.is_settled() and here is not None:
            here.reusable = False
            log.warning("%s changed since the run began, and keeps no history: it was read as it is now", spec.name)
    return made


def _kept(place: Workplace, reading: Reading, spec: Source, about: Circumstances, seen: checking.Seen | None) -> Ref:
    """Make the rows a table of the run in Snowflake, and check that."""
    from firnflow.stores.checks.judge import judge

    warehouse: Any = place.stores.warehouse
    there: SnowflakeWarehouse = warehouse
    reading.check()
    ref = there.keep_rows(reading.rows, reading.natural)

    def fetched(names: list[str]) -> Path:
        path = there.embedded.passing()
        there.write_parquet(there.kept(ref).select(*names), path)
        return path

    try:
        subject = reading.subject(ref, fetched)
        found = judge(there.embedded.connection, subject, spec.rules, about)
        found = seen.settle(found) if seen is not None else found
        if found.result.outcome == "stopped":
            found.refuse()
    except BaseException:
        there.delete(ref.where or "")
        raise
    return checking.told(ref, found) if seen is not None else ref


def _fetched(
    project: Project, place: Workplace, reading: Reading, spec: Source, about: Circumstances, seen: checking.Seen | None
) -> Any:
    """Fetch the rows, no more of them than the environment says."""
    from firnflow.stores import sources

    most = project.settings.snowflake.sample
    if most is not None:
        log.warning("%s: reads %s at most, whichever: sample in firnflow.toml", spec.name, counted(most, "row"))
    rows = sources.read_source(
        spec,
        place.stores,
        project.root,
        about=about,
        judged=seen.settle if seen is not None else None,
        fetch=lambda _, scratch: reading.read(place.stores.warehouse.embedded, scratch, most),
    )
    return seen.told(rows, place.stores) if seen is not None else rows


def _settled(place: Workplace, here: context.TaskContext | None, version: str | None) -> Settled | None:
    """Return what the run under way reads; None: nothing is settled. The moment is known of what its start settled."""
    from firnflow.stores.sources.snowflake import Settled

    request = place.state.run(here.run).request if here is not None else {}
    found = request.get("sources", {}).get(here.task) if here is not None else None
    if found is not None:
        return Settled(found["version"], found["at"])
    return Settled(version, None) if version is not None else None


def _spec(project: Project, node: TaskNode) -> Source | None:
    """Return the source in Snowflake that a task reads; None: it reads another one, or none."""
    name = node.inputs.get("name") if node.key == SOURCE_KEY and "path" not in node.inputs else None
    spec = project.catalog.get(str(name.value)) if isinstance(name, FromConstant) else None
    return spec if spec is not None and spec.in_snowflake else None
