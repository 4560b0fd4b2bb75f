"""What fakesnow's cursor does with a text, for trees, without the parts that the emulator does itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


class Ran(NamedTuple):
    """What a statement has answered: its rows, the name and DuckDB's type of each column, and its last tree."""

    table: pa.Table
    columns: list[tuple[str, str]]
    tree: Any


def run(connection: Any, tree: Any, binds: Sequence[Any]) -> Ran:
    """Run a tree on one of fakesnow's connections.

    fakesnow's own `execute` begins with a text, and looks for variables inside of texts too.
    """
    from fakesnow.cursor import FakeSnowflakeCursor
    from sqlglot import exp

    duck = connection._duck_conn  # noqa: SLF001 - it has no other way to it
    cursor = FakeSnowflakeCursor(connection, duck)
    values = list(binds)
    cursor.check_db_and_schema(tree)
    if isinstance(tree, exp.Merge):
        return _merged(duck, transformed(cursor, tree, values), values)
    for step in cursor._transform_explode(tree):  # noqa: SLF001 - `execute` takes texts only
        made = transformed(cursor, step, values)
        if isinstance(made, exp.Create | exp.Alter):
            duck.execute(made.sql(dialect="duckdb"), values)  # fakesnow would say what it did with the name as it is
            cursor._arrow_table = duck.to_arrow_table()  # noqa: SLF001 - as it does itself
            continue
        cursor._execute(made, values if made.find(exp.Placeholder) else None)  # noqa: SLF001 - likewise
    table = cursor._arrow_table  # noqa: SLF001 - its own rows are turned into tuples
    return Ran(table, _columns(duck), made)


class _InPlace:
    """A tree that fakesnow changes without copying it for each of its eighty changes, which took half of the time."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    def transform(self, change: Any, **options: Any) -> _InPlace:
        self.tree = self.tree.transform(change, copy=False, **options)
        return self


def transformed(cursor: Any, tree: Any, values: list[Any]) -> Any:
    """Return a tree as DuckDB can run it; what is not needed any more is taken out of the values of its `?`."""
    made: _InPlace = cursor._transform(_InPlace(tree.copy()), values)  # noqa: SLF001 - `execute` takes texts only
    return made.tree


def _columns(duck: Any) -> list[tuple[str, str]]:
    return [(name, str(kind)) for name, kind, *_ in duck.description or []]


def _merged(duck: Any, tree: Any, binds: list[Any]) -> Ran:
    """Run MERGE as DuckDB has it, which is one statement; fakesnow makes several of it.

    https://docs.snowflake.com/en/sql-reference/sql/merge: a count for each thing that it does.
    """
    from sqlglot import exp

    does = [type(when.args["then"]) for when in tree.args["whens"].expressions]
    words = {"INSERT": (exp.Insert, "inserted"), "UPDATE": (exp.Update, "updated"), "DELETE": (None, "deleted")}
    done = duck.execute(f"{tree.sql(dialect='duckdb')} RETURNING merge_action", binds).fetchall()
    counts = [
        f"{sum(action == word for (action,) in done)} AS 'number of rows {said}'"
        for word, (kind, said) in words.items()
        if any((each is kind) if kind else each not in (exp.Insert, exp.Update) for each in does)
    ]
    duck.execute(f"SELECT {', '.join(counts)}")
    return Ran(duck.to_arrow_table(), _columns(duck), tree)
