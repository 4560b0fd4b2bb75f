"""Functions in a tree that the emulator answers itself: each is called once, and its answer put in its place."""

from __future__ import annotations

import inspect
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.registry import FUNCTIONS, RELATIONS

if TYPE_CHECKING:
    from firnflow.emulator.session import Session


_TABLES = ("FLATTEN", "GENERATOR", "SPLIT_TO_TABLE")
"""Functions in TABLE(…) that the engine runs itself."""


def answered(session: Session, tree: Any, binds: list[Any], *, runs: bool = True) -> Any:
    """Return a tree in which the functions that only the session can answer are constants or relations.

    Args:
        session: whose.
        tree: a statement; it is changed.
        binds: the values of its `?`; those that were used as arguments are taken out.
        runs: whether functions are called; if not, each stands for NULL.

    Raises:
        SnowflakeError: a function failed, is called with what is not constant, or is a SYSTEM$ one that nobody knows.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.TableFromRows)):
        _put_relation(session, node, binds, tree)
    for node in list(tree.find_all(exp.Func)):
        name = _name(node)
        if node.root() is not tree:
            continue  # an argument of one that is answered
        if name in FUNCTIONS:
            arguments = _arguments(session, node, binds, tree)
            new = _constant(_called(name, session, arguments) if runs else None)
            if node is tree:
                return new
            alias = node.parent
            node.replace(exp.alias_(new, name, quoted=True) if isinstance(alias, exp.Select) else new)
        elif name.startswith("SYSTEM$"):
            raise errors.unknown(name, FUNCTIONS)
    return tree


def _name(node: Any) -> str:
    from sqlglot import exp

    return str(node.this).upper() if isinstance(node, exp.Anonymous) else str(node.sql_name()).upper()


def _put_relation(session: Session, node: Any, binds: list[Any], tree: Any) -> None:
    """Put what a function in TABLE(…) answers in its place; one that DuckDB knows stays."""
    from sqlglot import exp

    call = node.this
    while isinstance(call, exp.Dot):
        call = call.expression
    name = _name(call) if isinstance(call, exp.Func) else ""
    if name not in RELATIONS:
        if isinstance(call, exp.Anonymous) and name not in _TABLES:
            raise errors.SnowflakeError(2140, "42601", f"SQL compilation error:\nUnknown table function {name}")
        return
    found = RELATIONS[name](session, *_arguments(session, call, binds, tree), **_named(session, call, binds, tree))
    made = session.engine.scratch.table(found.relation())
    made.set("alias", node.args.get("alias"))
    node.replace(made)


def _arguments(session: Session, call: Any, binds: list[Any], tree: Any) -> list[Any]:
    from sqlglot import exp

    nodes = (
        call.expressions
        if isinstance(call, exp.Anonymous)
        else [v for v in call.args.values() if isinstance(v, exp.Expression)]
    )
    return [_value(session, node, binds, tree) for node in nodes if not isinstance(node, exp.Kwarg)]


def _named(session: Session, call: Any, binds: list[Any], tree: Any) -> dict[str, Any]:
    from sqlglot import exp

    given = [node for node in call.expressions if isinstance(node, exp.Kwarg)]
    return {str(node.this.this).lower(): _value(session, node.expression, binds, tree) for node in given}


def _value(session: Session, node: Any, binds: list[Any], tree: Any) -> Any:
    """Return what a constant argument stands for."""
    from sqlglot import exp

    if isinstance(node, exp.Placeholder):
        at = list(tree.find_all(exp.Placeholder, bfs=False)).index(node)
        node.replace(exp.null())
        return binds.pop(at)
    if isinstance(node, exp.Cast | exp.Paren):
        return _value(session, node.this, binds, tree)
    if isinstance(node, exp.Dot):
        return _qualified(session, node, binds, tree)
    if isinstance(node, exp.Func) and _name(node) in FUNCTIONS:
        return _called(_name(node), session, _arguments(session, node, binds, tree))
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.Neg):
        value = node.to_py()
        return float(value) if isinstance(value, Decimal) else value
    return session.engine.run(exp.select(node.copy())).table[0][0].as_py()


def _qualified(session: Session, node: Any, binds: list[Any], tree: Any) -> Any:
    """Return the answer of a function that is called by its full name."""
    from sqlglot import exp

    call, above, parts = node.expression, node.this, []
    while isinstance(above, exp.Dot):
        parts.append(above.expression.name)
        above = above.this
    name = ".".join([above.name, *reversed(parts), _name(call)]).upper()
    if name not in FUNCTIONS:
        raise errors.unknown(name, FUNCTIONS)
    return _called(name, session, _arguments(session, call, binds, tree))


def _called(name: str, session: Session, arguments: list[Any]) -> Any:
    """Call a function of ours.

    Raises:
        SnowflakeError: it failed, or takes other arguments.
    """
    try:
        inspect.signature(FUNCTIONS[name]).bind(session, *arguments)
    except TypeError:
        raise errors.SnowflakeError(
            939,
            "22023",
            f"SQL compilation error:\nnot enough or too many arguments for function [{name}]: got {len(arguments)}",
        ) from None
    try:
        return FUNCTIONS[name](session, *arguments)
    except (TypeError, ValueError, AttributeError) as error:
        raise errors.invalid(f"Invalid argument types for function '{name}': {error}") from error


def _constant(value: Any) -> Any:
    from sqlglot import exp

    return exp.convert(value)
