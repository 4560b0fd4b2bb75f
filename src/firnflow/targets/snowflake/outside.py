"""Sources that are tables, views and queries of the account: what the role needs, and whether it can read them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from firnflow.errors import FirnflowError, UsageError
from firnflow.graph.model import FromConstant, updates_of
from firnflow.graph.source import SOURCE_KEY
from firnflow.stores.snowflake.account import Account
from firnflow.stores.sources import snowflake
from firnflow.targets.snowflake.compile.triggers import source_name
from firnflow.targets.snowflake.grammar.values import Name
from firnflow.targets.snowflake.grants import Need

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from firnflow.graph.model import Graph
    from firnflow.project import Project
    from firnflow.project.catalog import Source
    from firnflow.targets.snowflake.compile.place import Place


def used(project: Project, graphs: Iterable[Graph]) -> dict[str, Source]:
    """Return the sources in Snowflake that pipelines read or wait for, by name."""
    names = {each.source for graph in graphs for each in updates_of(graph.schedule)}
    for node in (node for graph in graphs for node in graph.tasks.values() if node.key == SOURCE_KEY):
        wanted = node.inputs["name"]
        names.add(str(wanted.value) if isinstance(wanted, FromConstant) else None)
    return {name: spec for name, spec in sorted(project.catalog.items()) if name in names and spec.in_snowflake}


def needs_of(project: Project, place: Place) -> Iterator[Need]:
    """Yield what the role needs to be granted on tables and views of others; of queries nobody can tell."""
    above: dict[Need, None] = {}
    read: dict[Need, None] = {}
    for name, spec in used(project, [each.build() for each in project.pipelines.values()]).items():
        if spec.query is None:
            on = source_name(place, name, spec.table or spec.view or "")
            above[Need("USAGE", "DATABASE", Name(on.parts[:1]))] = None
            above[Need("USAGE", "SCHEMA", Name(on.parts[:2]))] = None
            read[Need("SELECT", "TABLE" if spec.table is not None else "VIEW", on)] = None
    yield from (*above, *read)


def kinds_of(project: Project) -> tuple[str, ...]:
    """Return the kinds of objects that are made where a pipeline waits for a source in Snowflake."""
    schedules = [pipeline.schedule for pipeline in project.pipelines.values()]
    waits = {each.source for schedule in schedules for each in updates_of(schedule)}
    return ("STREAM", "TABLE") if waits & {name for name, spec in project.catalog.items() if spec.in_snowflake} else ()


def check_readable(project: Project, graphs: Iterable[Graph]) -> None:
    """Look at each source that pipelines read, with the rights of the role that deploys.

    What a role may, its grants do not tell alone: shares and views have rules of their own.

    Raises:
        UsageError: some are not there, or not for this role; says which, and what mends it.
    """
    wanted, problems = used(project, graphs), []
    if not wanted:
        return
    with contextlib.closing(Account(project.settings, project.root)) as account:
        for spec in wanted.values():
            try:
                snowflake.found(account, spec)
            except FirnflowError as error:
                problems.append(f"  {error}")
    if problems:
        raise UsageError("\n".join(["Sources in Snowflake cannot be read:", *problems]))
