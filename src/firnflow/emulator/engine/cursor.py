"""fakesnow's cursor, for trees: what it does with a text, without the parts that the emulator does itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(connection: Any, tree: Any, binds: Sequence[Any]) -> Any:
    """Run a tree on one of fakesnow's connections, and return the cursor that has its answer.

    fakesnow's own `execute` begins with a text, and looks for variables inside of texts too.
    """
    from fakesnow.cursor import FakeSnowflakeCursor
    from sqlglot import exp

    cursor = FakeSnowflakeCursor(connection, connection._duck_conn)  # noqa: SLF001 - there is no other way to give it a tree
    values = list(binds)
    cursor.check_db_and_schema(tree)
    for step in cursor._transform_explode(tree):  # noqa: SLF001
        made = cursor._transform(step, values)  # noqa: SLF001
        cursor._execute(made, values if made.find(exp.Placeholder) else None)  # noqa: SLF001
    return cursor
