"""Changes to a statement's tree where fakesnow and DuckDB would read it otherwise than Snowflake."""

from __future__ import annotations

from typing import Any

from firnflow.emulator.engine import trees


def as_meant(tree: Any) -> Any:
    """Return a tree that DuckDB understands as Snowflake understands the one that was given."""
    _keep_keys(tree)
    _without_parentheses(tree)
    return tree


def _keep_keys(tree: Any) -> None:
    """Keep the keys of `{'a': 1}` as they are written: fakesnow puts names without quotes in capitals.

    https://docs.snowflake.com/en/sql-reference/data-types-semistructured#object-constants
    """
    from sqlglot import exp

    for node in tree.find_all(exp.Struct):
        for key in node.find_all(exp.PropertyEQ):
            if isinstance(key.this, exp.Identifier):
                trees.change(key.this, quoted=True)


def _without_parentheses(tree: Any) -> None:
    """Take away the parentheses around a table in FROM, which DuckDB does not read."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.Subquery)):
        if not isinstance(node.this, exp.Query):
            inner = node.this
            if node.args.get("alias") is not None:
                inner.set("alias", node.args["alias"])
            node.replace(inner)
