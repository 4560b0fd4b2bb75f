"""The rows of a view: its source, transformed and checked against the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._text import listing, nearest
from firnflow.errors import FeatureError, UsageError
from firnflow.features import moments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis

    from firnflow.features.view import FeatureView


def rows(view: FeatureView, sources: Mapping[str, ibis.Table]) -> ibis.Table:
    """Return what a view makes of its source: keys, times and features, and whatever else it leaves there.

    Args:
        view: the definition.
        sources: name → table, for a source that is only named in it.

    Raises:
        FeatureError: the source is not there, or what is made of it is not what the view says.
        UsageError: the view's SQL cannot be run.
    """
    table = _transformed(view, _source(view, sources))
    for entity in view.entities:
        for key in entity.keys:
            require(table, key, f"{view}: key of entity {entity.name!r}")
            check_key(table[key], f"{view}: key {key!r}")
    times = {"timestamp": view.timestamp, **({"known_at": view.known_at} if view.known_at else {})}
    for role, name in times.items():
        require(table, name, f"{view}: {role}")
        check_time(table[name], f"{view}: {role}")
    for name in view.columns:
        require(table, name, f"{view}: columns")
    if not features(view, table):
        raise FeatureError(f"{view} has no features: its rows have only keys and times ({listing(table.columns)})")
    return table


def features(view: FeatureView, table: ibis.Table) -> list[str]:
    """Return the features of a view whose rows are `table`, in their order."""
    no_features = {*view.keys, view.timestamp, view.known_at}
    return list(view.columns) or [name for name in table.columns if name not in no_features]


def require(table: ibis.Table, name: str, what: str) -> None:
    """Raise FeatureError, with the nearest name, where a table lacks a column."""
    if name not in table.columns:
        raise FeatureError(
            f"{what}: there is no column {name!r}.{nearest(name, table.columns)} There are: {listing(table.columns)}"
        )


def check_time(column: ibis.Column, what: str) -> None:
    """Raise FeatureError unless a column holds moments."""
    kind = column.type()
    if not moments.is_time(column):
        mend = ".as_timestamp('s')" if kind.is_numeric() else ".cast('timestamp')"
        raise FeatureError(
            f"{what}: column {column.get_name()!r} is {kind}, neither a timestamp nor a date. "
            f"Mend: make it one, e.g. by `table.{column.get_name()}{mend}`"
        )


def check_key(column: ibis.Column, what: str) -> None:
    """Raise FeatureError where values of a column cannot be told to be the same one."""
    if column.type().is_floating() or column.type().is_nested():
        raise FeatureError(
            f"{what} is {column.type()}, whose values are no names of anything. Mend: make it an integer or a text"
        )


def backends(tables: Iterable[ibis.Table]) -> list[Any]:
    """Return the Ibis backends that hold tables; those in Python's memory have none."""
    found = [backend for table in tables for backend in table._find_backends()[0]]  # noqa: SLF001 - see stores.warehouse
    return list({id(backend): backend for backend in found}.values())


def _source(view: FeatureView, sources: Mapping[str, ibis.Table]) -> ibis.Table:
    if not isinstance(view.source, str):
        return view.source
    if view.source not in sources:
        raise FeatureError(
            f"{view} reads {view.source!r}, which is not there.{nearest(view.source, sources)} "
            f"Mend: sources={{{view.source!r}: TABLE}}, or in a run a named table: .publish({view.source!r})"
        )
    return sources[view.source]


def _transformed(view: FeatureView, source: ibis.Table) -> ibis.Table:
    import ibis

    if isinstance(view.transform, str):
        from firnflow.stores.warehouse import select

        backend = next(iter(backends([source])), None) or ibis.get_backend()
        try:
            return select(backend, view.transform, {view.source_name: source})
        except UsageError as error:
            raise UsageError(f"{view}: {error}") from error.__cause__
    made: Any = source if view.transform is None else view.transform(source)
    if not isinstance(made, ibis.Table):
        raise FeatureError(f"{view}: its function returned {type(made).__name__}, not an ibis.Table")
    return made
