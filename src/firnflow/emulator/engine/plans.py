"""How DuckDB would run a statement, in the words of Snowflake's plans."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.emulator.engine.cursor import transformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WORDS = {
    **dict.fromkeys(("SEQ_SCAN", "INDEX_SCAN", "TABLE_SCAN"), "TableScan"),
    **dict.fromkeys(("HASH_GROUP_BY", "PERFECT_HASH_GROUP_BY", "UNGROUPED_AGGREGATE"), "Aggregate"),
    **dict.fromkeys(("PARTITIONED_AGGREGATE", "SIMPLE_AGGREGATE"), "Aggregate"),
    **dict.fromkeys(("WINDOW", "STREAMING_WINDOW"), "WindowFunction"),
    **dict.fromkeys(("LIMIT", "STREAMING_LIMIT", "LIMIT_PERCENT"), "Limit"),
    **dict.fromkeys(("INSERT", "BATCH_INSERT"), "Insert"),
    **dict.fromkeys(("COLUMN_DATA_SCAN", "DUMMY_SCAN", "EXPRESSION_SCAN"), "ValuesClause"),
    **dict.fromkeys(("CROSS_PRODUCT", "NESTED_LOOP_JOIN", "POSITIONAL_JOIN"), "CartesianJoin"),
    "TOP_N": "SortWithLimit",
    "ORDER_BY": "Sort",
    "FILTER": "Filter",
    "UNION": "UnionAll",
    "UNNEST": "Flatten",
    "CTE": "WithClause",
    "CTE_SCAN": "WithReference",
    "ARROW_SCAN": "ExternalScan",
    "UPDATE": "Update",
    "DELETE": "Delete",
    "MERGE_INTO": "Merge",
}
"""DuckDB's operators, and those of Snowflake's that do the same; others keep their names.

https://docs.snowflake.com/en/user-guide/ui-snowsight-activity#operator-types
"""
_JOINS = {"LEFT": "LeftOuterJoin", "RIGHT": "RightOuterJoin", "OUTER": "FullOuterJoin", "SEMI": "SemiJoin"}
_SAID = ("Expression", "Filters", "Conditions", "Groups", "Aggregates", "Order By", "Projections", "Top")
_ROW_GROUP = 122_880
"""Rows that DuckDB keeps together, which stand for a micro-partition here."""


@dataclass(frozen=True)
class Operation:
    """A step of a plan.

    Attributes:
        name: as Snowflake calls it.
        parent: the number of the one that reads it; None: the first.
        table: what is scanned, or None.
        expressions: of filters, keys and columns.
    """

    name: str
    parent: int | None
    table: str | None
    expressions: list[str]


def of(connection: Any, tree: Any, binds: Sequence[Any]) -> list[Operation]:
    """Return the plan of a tree on one of fakesnow's connections; the first operation is the result."""
    from fakesnow.cursor import FakeSnowflakeCursor

    duck = connection._duck_conn  # noqa: SLF001 - it has no other way to it
    values = list(binds)
    cursor = FakeSnowflakeCursor(connection, duck)
    cursor.check_db_and_schema(tree)
    made = transformed(cursor, tree, values).sql(dialect="duckdb")
    ((_, text),) = duck.execute(f"EXPLAIN (FORMAT JSON) {made}", values).fetchall()
    found: list[Operation] = []
    for root in json.loads(text):
        _walk(root, None, found)
    return found


def _walk(node: dict[str, Any], parent: int | None, found: list[Operation]) -> None:
    """Add a node and those below it; what only moves columns is none, but on top, where it is the result."""
    name, said = node["name"].strip(), node.get("extra_info", {})
    own = len(found)
    if name == "PROJECTION" and parent is not None:
        own = parent
    elif parent is None and name in ("INSERT", "BATCH_INSERT", "UPDATE", "DELETE", "MERGE_INTO", "PROJECTION"):
        found.append(Operation(_WORDS.get(name, "Result"), None, None, list(_expressions(said))))
    else:
        if parent is None:
            found.append(Operation("Result", None, None, []))
            own, parent = len(found), 0
        found.append(Operation(_name(name, said), parent, _table(said), list(_expressions(said))))
    for child in node.get("children", []):
        _walk(child, own, found)


def _name(name: str, said: dict[str, Any]) -> str:
    if name.endswith("_JOIN") and name not in _WORDS:
        return _JOINS.get(str(said.get("Join Type", "")), "InnerJoin")
    return _WORDS.get(name, name)


def _table(said: dict[str, Any]) -> str | None:
    found = said.get("Table")
    return None if found is None else str(found)


def _expressions(said: dict[str, Any]) -> Iterator[str]:
    """Yield what an operation computes or compares, without what DuckDB only says to itself."""
    for key in _SAID:
        given = said.get(key) or []
        for each in [given] if isinstance(given, str) else given:
            if each and "#" not in each and "__internal" not in each:
                yield f"joinKey: ({each})" if key == "Conditions" else each


def partitions(connection: Any, table: str) -> int:
    """Return how many row groups a table has."""
    (count,) = connection._duck_conn.execute(  # noqa: SLF001 - it has no other way to it
        "SELECT coalesce(max(estimated_size), 0) FROM duckdb_tables() "
        "WHERE database_name || '.' || schema_name || '.' || table_name = ?",
        [table],
    ).fetchone()
    return -(-int(count) // _ROW_GROUP)
