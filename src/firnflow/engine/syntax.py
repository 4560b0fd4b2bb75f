"""What the fingerprint of code reads from Python's syntax trees."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def drop_docstrings(tree: ast.AST) -> None:
    """Drop the docstrings of modules, classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]


def take_annotations(tree: ast.AST) -> list[ast.expr]:
    """Take the annotations of arguments, returns and fields off a tree, and return them."""
    taken: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            taken.append(node.returns)
            node.returns = None
        elif isinstance(node, ast.arg):
            taken.append(node.annotation)
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            taken.append(node.annotation)
            node.annotation = ast.Constant(None)
    return [annotation for annotation in taken if annotation is not None]


def drop_own_decorators(tree: ast.AST, scope: dict[str, Any]) -> None:
    """Drop `@task(…)`, as how often a task is tried does not change what it computes, and `@feature_view(…)`.

    What a view is told there stands in its definition, as far as it changes what the view computes.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if not _is_own(_resolved(d, scope))]


def _is_own(decorator: object) -> bool:
    place = (getattr(decorator, "__module__", None), getattr(decorator, "__qualname__", None))
    return place in {("firnflow.graph.task", "task"), ("firnflow.features.view", "feature_view")}


def _resolved(expression: ast.expr, scope: dict[str, Any]) -> object:
    """Return what a decorator without its call stands for, where that can be seen."""
    if isinstance(expression, ast.Call):
        return _resolved(expression.func, scope)
    if isinstance(expression, ast.Attribute):
        return getattr(_resolved(expression.value, scope), expression.attr, None)
    return scope.get(expression.id) if isinstance(expression, ast.Name) else None


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield a module's statements, also those in `if`, `try`, `with` and loops, but not in functions and classes."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            inner = [*node.body, *getattr(node, "orelse", []), *getattr(node, "finalbody", [])]
            inner += [each for handler in getattr(node, "handlers", []) for each in handler.body]
            yield from statements(inner)
            if isinstance(node, ast.With | ast.For):
                yield node
        else:
            yield node


def bound_names(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds or changes: `x = …`, `x.y = …`, `x[0] = …`, `x.fit(…)`, an import."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    if isinstance(node, ast.Expr):
        return {_root(node.value)}
    stored = (each for each in ast.walk(node) if isinstance(getattr(each, "ctx", None), ast.Store))
    return {_root(each) for each in stored if isinstance(each, ast.expr)}


def _root(expression: ast.expr) -> str:
    while isinstance(expression, ast.Attribute | ast.Subscript | ast.Call):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else ""


def absolute_module(node: ast.ImportFrom, home: str) -> str:
    """Return the module of `from … import`, a relative one seen from the module `home`."""
    if not node.level:
        return node.module or ""
    parts = home.split(".")
    base = parts if hasattr(sys.modules.get(home), "__path__") else parts[:-1]
    return ".".join([*base[: len(base) - node.level + 1], *filter(None, [node.module])])
