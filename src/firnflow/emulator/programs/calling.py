"""Puts what runs them in the places of users' functions in a query.

One in SQL is put into the query itself. The handler of one in Python runs in a process of its own, to which the query
hands the arguments of many rows at once; one that returns a table is run before the query, which then reads its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine import trees
from firnflow.emulator.programs import handlers, kinds, overloads
from firnflow.emulator.programs.applied import Applied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session


@dataclass(frozen=True)
class Called:
    """What a call runs.

    Attributes:
        spoken: how errors call it.
        arguments: name and type of each.
        given: the expressions that the call gives for them, in their order.
        returns: the type of its result.
        columns: name and type of each column that it returns; None: it returns no table.
        is_aggregate: whether it has one result for each group.
        is_strict: whether a NULL among the arguments makes a NULL.
        sql: its body in SQL; None: it has a handler.
        handler, put: of `Applied`.
        packages: what its PACKAGES says; None: it has all that is installed.
        within: the functions whose bodies the call stands in, and last the one that it calls; none for a model's.
    """

    spoken: str
    arguments: list[list[Any]]
    given: list[Any]
    returns: str
    columns: list[list[str]] | None
    is_aggregate: bool
    is_strict: bool
    sql: str | None
    handler: tuple[str, str] = ("", "")
    put: Callable[[Path], None] = lambda _: None
    packages: Sequence[str] | None = None
    within: tuple[FullName, ...] = ()

    def process(self, session: Session, form: str) -> Applied:
        """Return the process that its handler will run in; `form` is as of `forms.applied`."""
        results = [kinds.family(each[1]) for each in self.columns or [["", self.returns]]]
        types = [kinds.family(each[1]) for each in self.arguments]
        told: dict[str, Any] = {"form": form, "kinds": types, "names": [each[0] for each in self.arguments]}
        told |= {"results": results, "strict": self.is_strict, "packages": self.packages}
        return Applied(session, self.spoken, self.handler, self.put, told)


def put(session: Session, tree: Any, binds: list[Any]) -> None:
    """Put what runs them in the places of the functions that a statement calls for single values.

    Args:
        session: whose statement.
        tree: the statement; it is changed.
        binds: the values of its `?`; they are taken out where types of arguments are asked for.

    Raises:
        SnowflakeError: one may not be used, or is called with other arguments.
    """
    while _put_one(session, tree, binds):
        pass


def _put_one(session: Session, tree: Any, binds: list[Any]) -> bool:
    """Put what runs it in the place of the first function that a statement calls; return whether there is one."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.Anonymous, exp.ModelAttribute)):
        outer = node
        while isinstance(outer.parent, exp.Dot) and outer.parent.expression is outer:
            outer = outer.parent
        if node.root() is not tree or isinstance(outer.parent, exp.TableFromRows | exp.ModelAttribute):
            continue
        found = called(session, outer, tree, binds)
        if found is None:
            continue
        if found.columns is not None or outer is tree:
            raise errors.invalid(f"{found.spoken} returns a table: it stands in FROM only, as TABLE({found.spoken}(…))")
        outer.replace(in_sql(found) if found.sql is not None else _in_python(session, found, node))
        return True
    return False


def called(session: Session, node: Any, tree: Any, binds: list[Any]) -> Called | None:
    """Return what a call in a tree means; None: it is no user's function.

    Args:
        session: who calls.
        node: the call, with the names before it.
        tree: the statement that it is in.
        binds: the values of its `?`; where several functions have the name they are put into the tree.

    Raises:
        SnowflakeError: it may not be used, or is called with other arguments.
    """
    from sqlglot import exp

    from firnflow.emulator.models import calling  # which calls what is here

    if isinstance(node, exp.ModelAttribute):
        return calling.called(session, node)
    call = node.expression if isinstance(node, exp.Dot) else node
    within = call.meta.get("within", ())
    path = _path(session, node, within[-1][:2] if within else ())
    found = overloads.named(session, "FUNCTION", path) if path else []
    if path is None or not found or not isinstance(call, exp.Anonymous):
        return None
    if len(found) > 1:
        trees.bind(tree, binds)
    given = [each for each in call.expressions if not isinstance(each, exp.Kwarg)]
    named = {str(each.this.this).upper(): each.expression for each in call.expressions if isinstance(each, exp.Kwarg)}
    thing = overloads.chosen(session, path, found, len(given), named, lambda: _types(session, call, given))
    if thing.path in within:
        raise errors.invalid(f"Function {full(path)} calls itself, which one in SQL cannot")
    left = thing.body["arguments"][len(given) :]
    given += [named[name] if name in named else _constant(text) for name, _, text in left]
    return of_function(session, thing, given, within)


def of_function(session: Session, thing: Object, given: list[Any], within: tuple[FullName, ...] = ()) -> Called:
    """Return what a call of a function runs.

    Args:
        session: who calls.
        thing: the function.
        given: the expressions for its arguments.
        within: the functions whose bodies the call stands in.
    """
    body = thing.body
    is_python = body.get("LANGUAGE") == "PYTHON"
    return Called(
        *(
            thing.name,
            body["arguments"],
            given,
            str(body["RETURNS"]),
            body.get("columns"),
            bool(body.get("is_aggregate")),
        ),
        "STRICT" in body or "RETURNS NULL ON NULL INPUT" in body,
        None if is_python else body["AS"],
        handlers.named(body) if is_python else ("", ""),
        lambda folder: handlers.put_code(session, body, folder),
        body.get("PACKAGES", []),
        (*within, thing.path),
    )


def _constant(text: str) -> Any:
    return trees.parsed(f"SELECT {text}").expressions[0].unalias()


def _path(session: Session, node: Any, home: Sequence[str]) -> FullName | None:
    """Return the full name of what is called; None: a session without a schema calls one of the system's.

    Args:
        session: who calls.
        node: the call, with the names before it.
        home: the database and schema of the function whose body the call stands in, if it stands in one.
    """
    from sqlglot import exp

    *above, call = node.flatten() if isinstance(node, exp.Dot) else [node]
    parts = [*above, call.this]
    name = [trees.part(each) if isinstance(each, exp.Identifier) else str(each).upper() for each in parts]
    try:
        return session.path("FUNCTION", [*home[: max(0, 3 - len(name))], *name])
    except errors.SnowflakeError:
        return None


def _types(session: Session, call: Any, given: Sequence[Any]) -> list[str]:
    """Return the types of the arguments of a call, as the query around it has them."""
    from sqlglot import exp

    items = [exp.alias_(each.copy(), f"a{at}") for at, each in enumerate(given)]
    query = exp.select(*items)
    around = call.find_ancestor(exp.Select)
    if around is not None and around.args.get("from_") is not None:
        trees.read_as(query, around)
    found: list[str] = selected(session, query.limit(0)).families()
    return found


def selected(session: Session, query: Any) -> Any:
    """Return the answer of a query that is part of another one's."""
    from firnflow.emulator.objects.selects import prepared  # which calls `put`

    return session.engine.run(prepared(session, query, []), [])


def in_sql(found: Called) -> Any:
    """Return the expression of a function with what it is called with in the places of its arguments."""
    from sqlglot import exp

    made = body_of(found)
    if made.find(exp.Select) is None:
        _substituted(found, made, _given(found))
    else:  # which may read tables of the same names as the query around it
        query = exp.select(made)
        apart(found, query)
        made = exp.Paren(this=query)
    return exp.cast(made, exp.DataType.build(found.returns, dialect="snowflake"))


def body_of(found: Called) -> Any:
    """Return the body of a function in SQL: a query, or what gives one value, in parentheses.

    Names in it mean what is in its schema: https://docs.snowflake.com/en/sql-reference/name-resolution

    Raises:
        SnowflakeError: it is neither.
    """
    from sqlglot import exp

    if found.columns is not None:
        body = trees.parsed(str(found.sql))
    else:
        (item,) = trees.parsed(f"SELECT (\n{found.sql}\n)").expressions
        body = item.unalias()
        if not isinstance(body, exp.Paren | exp.Subquery):
            raise errors.invalid(f"the body of {found.spoken} is neither an expression nor a query")
    database, schema = found.within[-1][:2]
    for table in trees.tables(body):
        if table.args.get("catalog") is None:
            table.set("db", table.args.get("db") or exp.to_identifier(schema, quoted=True))
            table.set("catalog", exp.to_identifier(database, quoted=True))
    for call in body.find_all(exp.Anonymous):
        call.meta["within"] = found.within
    return body


def apart(found: Called, query: Any) -> None:
    """Let a query read the arguments of a call from a row of their own, before what it reads itself."""
    from sqlglot import exp

    name = exp.to_identifier("__given", quoted=True)
    names = [each[0] for each in found.arguments]
    columns = {each: exp.column(exp.to_identifier(each, quoted=True), table=name.copy()) for each in names}
    _substituted(found, query, list(columns.values()))
    if not names:
        return
    row = exp.select(*(exp.alias_(value, each, quoted=True) for value, each in zip(_given(found), names, strict=True)))
    source = exp.Subquery(this=row, alias=exp.TableAlias(this=name))
    if query.args.get("from_") is None:
        query.set("from_", exp.From(this=source))
    else:
        first = exp.Join(this=query.args["from_"].this, kind="CROSS")
        query.set("joins", [first, *(query.args.get("joins") or [])])
        query.set("from_", exp.From(this=source))


def _given(found: Called) -> list[Any]:
    """Return what is given for the arguments, in their types; what is a document stays as it is."""
    from sqlglot import exp

    pairs = zip(found.given, (each[1] for each in found.arguments), strict=True)
    return [exp.Paren(this=v.copy()) if kinds.is_document(k) else exp.cast(v.copy(), kinds.duck(k)) for v, k in pairs]


def _substituted(found: Called, body: Any, given: Sequence[Any]) -> None:
    """Put values in the places of the names of a function's arguments in its body."""
    from sqlglot import exp

    values = dict(zip((each[0] for each in found.arguments), given, strict=True))
    for column in list(body.find_all(exp.Column)):
        name = trees.part(column.this) if isinstance(column.this, exp.Identifier) else ""
        if not column.args.get("table") and name in values:
            column.replace(values[name].copy())


def _in_python(session: Session, found: Called, node: Any) -> Any:
    """Return the call of a function that DuckDB knows as long as the statement runs."""
    from sqlglot import exp

    if isinstance(node.root(), exp.Create) and node.root().kind == "VIEW":
        raise errors.unknown("a function in Python in a view", ["a function in SQL in a view"])
    process = found.process(session, "groups" if found.is_aggregate else "rows")
    given, types = typed(found), [kinds.duck(each[1]) for each in found.arguments]
    if found.is_aggregate:
        if isinstance(node.parent, exp.Window) or any(isinstance(each, exp.Distinct) for each in found.given):
            raise errors.unknown(f"{found.spoken} OVER or of DISTINCT", [f"{found.spoken} with GROUP BY"])
        given = [exp.Anonymous(this="LIST", expressions=[each]) for each in given]
        types = [f"{each}[]" for each in types]
    session.engine.scratch.ends(process.close)
    name = session.engine.scratch.function(process.apply, ["BIGINT", *types], kinds.duck(found.returns))
    made = exp.Anonymous(this=name, expressions=[exp.Literal.number(0), *given])
    return exp.cast(made, "json") if kinds.is_document(found.returns) else made


def typed(found: Called) -> list[Any]:
    """Return what is given for the arguments, as DuckDB hands it over."""
    from sqlglot import exp

    made = []
    for value, (_, kind, *_more) in zip(found.given, found.arguments, strict=True):
        text = exp.Anonymous(this="TO_JSON", expressions=[value.copy()]) if kinds.is_document(kind) else value.copy()
        made.append(exp.cast(text, kinds.duck(kind)))
    return made
