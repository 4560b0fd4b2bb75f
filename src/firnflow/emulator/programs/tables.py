"""Users' functions that return tables, in the FROM of a query.

https://docs.snowflake.com/en/developer-guide/udf/udf-calling-sql#calling-a-udtf. One in SQL becomes a query there. The
handler of one in Python gets the rows of what stands before it, in the order of their partitions; these rows and its
own then stand side by side: each beside the one that it was returned for, those of a whole partition beside the columns
by which the partitions were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.programs import calling, kinds

if TYPE_CHECKING:
    from firnflow.emulator.programs.calling import Called
    from firnflow.emulator.session import Session


@dataclass(frozen=True)
class _Place:
    """Where a function is called: in which SELECT, at which place of its FROM, by which node, and what is before it."""

    select: Any
    at: int
    node: Any
    call: Any
    before: list[Any]

    @property
    def keys(self) -> list[Any]:
        """What the partitions are made by."""
        return list(self._window("partition_by") or [])

    @property
    def order(self) -> list[Any]:
        """The order of the rows of a partition."""
        found = self._window("order")
        return list(found.expressions) if found is not None else []

    def _window(self, key: str) -> Any:
        from sqlglot import exp

        return self.node.this.args.get(key) if isinstance(self.node.this, exp.Window) else None


def put(session: Session, tree: Any, binds: list[Any], *, is_empty: bool) -> None:
    """Put their rows in the places of the table functions of users that a statement reads.

    Args:
        session: whose statement.
        tree: the statement; it is changed.
        binds: the values of its `?`; where there is such a function they are put into the tree.
        is_empty: whether only the columns count: nothing is called.

    Raises:
        SnowflakeError: one may not be used, is called with other arguments, or fails.
    """
    from sqlglot import exp

    if tree.find(exp.TableFromRows, exp.Lateral) is None:
        return
    while (found := _next(session, tree, binds)) is not None:
        if tree.find(exp.Placeholder) is not None:
            trees.bind(tree, binds)
            continue
        place, called = found
        if called.sql is not None:
            place.node.replace(_in_sql(called, place))
        else:
            _in_python(session, called, place, is_empty=is_empty)


def _next(session: Session, tree: Any, binds: list[Any]) -> tuple[_Place, Called] | None:
    """Return the next table function of a user's in a statement, those of queries within others first; None: none."""
    from sqlglot import exp

    selects = reversed(list(tree.find_all(exp.Select)))
    return next((found for each in selects if (found := _first(session, each, tree, binds)) is not None), None)


def _first(session: Session, select: Any, tree: Any, binds: list[Any]) -> tuple[_Place, Called] | None:
    """Return the first table function of a user's that a SELECT reads, and what it calls; None: there is none."""
    from sqlglot import exp

    if select.args.get("from_") is None:
        return None
    sources = [select.args["from_"].this, *(each.this for each in select.args.get("joins") or [])]
    for at, found in enumerate(sources):
        node = found
        if isinstance(found, exp.Subquery) and isinstance(found.this, exp.TableFromRows):
            node = found.this  # Snowpark puts parentheses around it
            node.set("alias", node.args.get("alias") or found.args.get("alias"))
            found.replace(node)
        if not isinstance(node, exp.TableFromRows | exp.Lateral):
            continue
        call = node.this.this if isinstance(node.this, exp.Window) else node.this
        called = calling.called(session, call, tree, binds)
        if called is not None and called.columns is None:
            raise errors.invalid(f"{called.spoken} returns no table: it cannot stand in FROM")
        if called is not None:
            return _Place(select, at, node, call, sources[:at]), called
    return None


def _in_sql(called: Called, place: _Place) -> Any:
    """Return the rows of a function in FROM, in the types of its columns."""
    from sqlglot import exp

    typed = kinds.as_typed([each.name for each in _names(called)], called.columns or [])
    return _aliased(exp.select(*typed).from_(exp.Subquery(this=rows_of(called))), place)


def rows_of(called: Called) -> Any:
    """Return the query that the body of a function in SQL is, its columns by the function's names for them."""
    from sqlglot import exp

    alias = exp.TableAlias(this=exp.to_identifier("t"), columns=_names(called))
    query = exp.select("t.*").from_(exp.Subquery(this=calling.body_of(called), alias=alias))
    calling.apart(called, query)
    return query


def _names(called: Called) -> list[Any]:
    from sqlglot import exp

    return [exp.to_identifier(name, quoted=True) for name, _ in called.columns or []]


def _aliased(query: Any, place: _Place) -> Any:
    """Return a query in FROM, with the name that the function had there."""
    from sqlglot import exp

    return exp.Subquery(this=query, alias=place.node.args.get("alias"))


def _in_python(session: Session, called: Called, place: _Place, *, is_empty: bool) -> None:
    """Put the rows of a handler, and those of what stands before it, in their places."""
    from sqlglot import exp

    root = place.select.root()
    if isinstance(root, exp.Create) and root.kind == "VIEW":
        raise errors.unknown("a function in Python in a view", ["a function in SQL in a view"])
    _check_join(place)
    given, before = _arguments(session, called, place, is_empty=is_empty)
    process = called.process(session, "partitions")
    session.engine.scratch.ends(process.close)
    found = _answer(process, given) if given.num_rows else None
    sources = [_beside(session, each, found) for each in before]
    names = [f"{at}" for at in range(len(called.columns or []))]
    rows = session.engine.scratch.table(_results(found, names))
    sources.append(_aliased(exp.select(*kinds.as_typed(names, called.columns or [])).from_(rows), place))
    _read(place, sources)


def _answer(process: Any, given: Any) -> Any:
    try:
        return process.answer(given)
    except RuntimeError as error:
        raise errors.SnowflakeError(100357, "P0000", str(error)) from error


def _check_join(place: _Place) -> None:
    for each in (place.select.args.get("joins") or [])[: place.at]:
        if each.this is place.node and (each.side or each.kind not in ("", "CROSS", "INNER") or each.args.get("using")):
            raise errors.unknown(f"{each.side or each.kind} JOIN TABLE(f())", ["JOIN TABLE(f())"])


@dataclass(frozen=True)
class _Source:
    """What stands before a function in FROM: its name there, its columns, and those that the partitions are made by."""

    alias: Any
    columns: Any
    keys: frozenset[int]


def _arguments(session: Session, called: Called, place: _Place, *, is_empty: bool) -> tuple[Any, list[_Source]]:
    """Return the arguments of all rows as Arrow, the number of the partition first, and what they are of."""
    import pyarrow as pa
    from sqlglot import exp

    number = exp.Window(
        this=exp.Anonymous(this="DENSE_RANK"), order=exp.Order(expressions=[each.copy() for each in place.keys])
    )
    items = [_whole(each, alone=len(place.before) == 1) for each in place.before]
    mine = [number if place.keys else exp.Literal.number(0), *calling.typed(called)]
    query = exp.select(*items, *(exp.alias_(each, f"__{at}", quoted=True) for at, each in enumerate(mine)))
    if place.before:
        trees.read_as(query, place.select)
        query.set("joins", query.args["joins"][: place.at - 1])
        query = query.order_by(
            exp.column(exp.to_identifier("__0", quoted=True)), *(each.copy() for each in place.order)
        )
    table = calling.selected(session, query.limit(0) if is_empty else query).table
    edge = table.num_columns - len(mine)
    given = pa.Table.from_arrays(table.columns[edge:], names=[str(at) for at in range(len(mine))])
    return given, _sources(table.select(list(range(edge))), place)


def _whole(node: Any, *, alone: bool) -> Any:
    """Return all columns of what stands in FROM: one by one, or as one where several things stand there."""
    from sqlglot import exp

    name = node.alias_or_name
    if alone:
        return exp.Star()
    if not name:
        raise errors.unknown("TABLE(f()) behind several tables of which one has no name", ["FROM (SELECT …) AS t"])
    return exp.column(exp.to_identifier(name, quoted=_quoted(node)))


def _quoted(node: Any) -> bool:
    alias = node.args.get("alias")
    name = alias.this if alias is not None else node.this
    return bool(name.args.get("quoted"))


def _sources(table: Any, place: _Place) -> list[_Source]:
    import pyarrow as pa

    if len(place.before) == 1:
        tables = [table]
    else:
        tables = [
            pa.Table.from_batches(pa.Table.from_arrays([each], names=["c"]).flatten().to_batches())
            for each in table.columns
        ]
        tables = [each.rename_columns([name.removeprefix("c.") for name in each.column_names]) for each in tables]
    return [_Source(node, each, _keys(place, node, each)) for node, each in zip(place.before, tables, strict=True)]


def _keys(place: _Place, node: Any, table: Any) -> frozenset[int]:
    """Return the columns by which the partitions are made, by their places."""
    from sqlglot import exp

    own = [each for each in place.keys if isinstance(each, exp.Column)]
    names = {trees.part(each.this) for each in own if each.table.upper() in ("", node.alias_or_name.upper())}
    return frozenset(at for at, name in enumerate(table.column_names) if name in names)


def _beside(session: Session, source: _Source, found: Any) -> Any:
    """Return what stood before a function, with a row for each row of the function's."""
    import pyarrow as pa
    from sqlglot import exp

    table = source.columns
    if found is None:
        made = table.slice(0, 0)
    else:
        row, some = (found[each].cast(pa.int64()) for each in ("row", "some"))
        columns = [each.take(some if at in source.keys else row) for at, each in enumerate(table.columns)]
        made = pa.Table.from_arrays(columns, names=table.column_names)
    node = session.engine.scratch.table(made)
    alias = source.alias.args.get("alias")
    name = alias.copy() if alias is not None else exp.TableAlias(this=source.alias.this.copy())
    if alias is not None and alias.args.get("columns"):
        name.set("columns", None)  # the rows have these names already
    node.set("alias", name)
    return node


def _results(found: Any, names: list[str]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array([]) for name in names}) if found is None else found.select(names)


def _read(place: _Place, sources: list[Any]) -> None:
    """Let a SELECT read tables side by side, in the place of a function and what stood before it."""
    from sqlglot import exp

    joins = place.select.args.get("joins") or []
    condition = joins[place.at - 1].args.get("on") if place.at else None
    place.select.set("from_", exp.From(this=sources[0]))
    beside = [exp.Join(this=each, method="POSITIONAL") for each in sources[1:]]
    place.select.set("joins", [*beside, *joins[place.at :]])
    if condition is not None:
        place.select.where(condition, copy=False)
