"""The named tables that views read: where a view's source is a name, and no table is given for it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from firnflow import context, values
from firnflow._text import listing, nearest
from firnflow.engine.services import Services
from firnflow.errors import FeatureError, NotFoundError
from firnflow.features.entity import check_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis

    from firnflow.features.view import FeatureView
    from firnflow.stores.tables.base import TablesLike


def of_views(views: Iterable[FeatureView], given: Mapping[str, ibis.Table] | None, what: str) -> dict[str, ibis.Table]:
    """Return name → table for the views that name their source: as given, else, in a run, the named table.

    A named table is read as it was when the run began, also where the run is resumed; the run remembers the version.
    What a task reads so stands in no argument: its result is not taken from the cache.

    Args:
        views: whose sources are wanted.
        given: name → table.
        what: who asks, for the message.

    Raises:
        FeatureError: something given is no table, or no view reads it.
        NotFoundError: the named table has come about after the run began.
    """
    wanted = {view.source for view in views if isinstance(view.source, str)}
    found = dict(given or {})
    for name, table in found.items():
        check_table(table, f"{what}: sources: {name!r}")
        if name not in wanted:
            raise FeatureError(
                f"{what}: sources: no view reads {name!r}.{nearest(name, wanted)} They read: {listing(wanted)}"
            )
    running = context.current()
    missing = sorted(wanted - found.keys())
    if missing and running is not None and isinstance(running.services, Services):
        found |= _of_run(missing, running, running.services)
    return found


def _of_run(names: list[str], running: context.TaskContext, here: Services) -> dict[str, ibis.Table]:

    began = dt.datetime.fromtimestamp(here.state.run(running.run).started_at, dt.UTC).isoformat()
    tables = here.stores.tables(here.state)
    found = {}
    try:
        for name in names:
            read = read_table(tables, name, began)
            if read is not None:
                found[name], running.read[name] = read
                running.reusable = False
    except NotFoundError as error:
        raise NotFoundError(
            f"{error} A view reads a named table as it was when the run began. "
            "Mend: hand the table to the task, and give it by sources={NAME: TABLE}"
        ) from None
    finally:
        tables.close()
    return found


def read_table(tables: TablesLike, name: str, as_of: str | None = None) -> tuple[ibis.Table, dict[str, Any]] | None:
    """Return a named table, and what lineage says of its version; None: there is no table of this name.

    Args:
        tables: of the environment.
        name: of the table.
        as_of: a moment; default: as it is now.

    Raises:
        NotFoundError: there was no version at that moment.
    """
    import ibis

    from firnflow.stores.tables import versions
    from firnflow.stores.tables.read import ref_of

    table = tables.find(name)
    if table is None:
        return None
    version = versions.find(table, as_of=as_of)
    loaded: ibis.Table = values.load(ref_of(table, version), ibis.Table, tables.stores)
    return loaded, {"table": name, "version": version.number, "digest": version.digest, "rows": version.rows}
