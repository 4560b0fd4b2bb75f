"""ASOF JOIN as DuckDB says it: https://docs.snowflake.com/en/sql-reference/constructs/asof-join ."""

from __future__ import annotations

from typing import Any


def as_duckdb(tree: Any) -> None:
    """Let each ASOF JOIN keep the rows of its left side, as there; its condition is one more of those behind ON.

    A row whose own moment is null matches none: DuckDB joins one of many rows with the last of its keys.
    """
    from sqlglot import exp

    for join in tree.find_all(exp.Join):
        match = join.args.get("match_condition")
        if match is not None:
            is_known = exp.EQ(this=exp.paren(match.this.copy().is_(exp.null()).not_()), expression=exp.true())
            conditions = [each for each in (join.args.get("on"), match, is_known) if each is not None]
            join.set("match_condition", None)
            join.set("on", exp.and_(*conditions))
            join.set("side", "LEFT")
