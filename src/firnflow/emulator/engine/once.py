"""Macros that have each of their arguments once, however often a definition names it.

DuckDB puts an argument in every place where a macro names it: one that draws a number would draw several, and macros
within each other would make a statement grow with a power of their depth. So the argument is bound to a lambda's
parameter, and the definition reads that. The defaults of columns are without: DuckDB takes no lambda there.
"""

from __future__ import annotations

from typing import Any

_PLAIN = "_firnflow_plain_"
_BOUND = "_firnflow_bound"
"""As no column is called: DuckDB would take one of a query around for it."""


def macros(name: str, definition: str) -> tuple[str, str]:
    """Return the statements that make a macro.

    Args:
        name: of the macro.
        definition: what stands behind it in CREATE MACRO; the first one, if it goes by types, has none.
    """
    parameters = definition[1 : definition.index(")")]
    count = len(parameters.split(","))
    values = ", ".join(f"{_BOUND}[{at}]" for at in range(1, count + 1))
    bound = f"list_transform([row({parameters})], lambda {_BOUND}: {_PLAIN}{name}({values}))[1]"
    return f"CREATE MACRO {_PLAIN}{name}{definition}", f"CREATE MACRO {name}({parameters}) AS {bound}"


def plain_in_defaults(tree: Any, names: frozenset[str]) -> None:
    """Let the defaults of columns call these macros without a lambda."""
    from sqlglot import exp

    for default in tree.find_all(exp.DefaultColumnConstraint):
        for node in default.find_all(exp.Anonymous):
            if str(node.this).lower() in names:
                node.set("this", f"{_PLAIN}{node.this}")
