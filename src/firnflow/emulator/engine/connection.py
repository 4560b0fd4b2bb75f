"""One session's connection to the databases."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier, literal
from firnflow.emulator.engine import cursor, failures, plans, rewrites
from firnflow.emulator.engine.answers import answer
from firnflow.emulator.engine.databases import FUNCTIONS, NOWHERE
from firnflow.emulator.engine.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.result import Result


class Connection:
    """What runs the SQL of one session. Not for two threads at once, but for `use`, `interrupt` and `close`.

    Args:
        connection: fakesnow's.

    Attributes:
        scratch: what the statement that runs reads beside the databases.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._end = threading.Lock()
        self._is_closed = False
        self.scratch = Scratch(self)
        self._look_in(f"{NOWHERE}.main")

    def use(self, database: str | None, schema: str | None) -> None:
        """Make a database and schema the ones that names without them mean; one that is closed stays as it is."""
        with self._end:
            if self._is_closed:  # whoever drops a database asks all that are in it, and some end meanwhile
                return
            inner = self._connection
            inner.database, inner.database_set = database, database is not None
            inner._schema, inner.schema_set = schema, schema is not None  # noqa: SLF001 - it has no other way
            self._look_in(".".join(map(identifier, (database or NOWHERE, schema or "main"))))

    def _look_in(self, place: str) -> None:
        self.raw(f"SET search_path = {literal(f'{place},{FUNCTIONS}')}")

    def raw(self, statement: str, values: Sequence[Any] | None = None) -> Any:
        """Run a statement of DuckDB's, and return what has its rows."""
        return self._connection._duck_conn.execute(statement, values)  # noqa: SLF001

    def register(self, name: str, table: Any) -> None:
        """Let statements of this session read an Arrow table by a name."""
        self._connection._duck_conn.register(name, table)  # noqa: SLF001

    def add_function(self, name: str, call: Any, kinds: list[str], result: str) -> None:
        """Let statements of this session call a function, which gets columns of Arrow."""

        def called(*columns: Any) -> Any:
            return call(*columns)

        each = (inspect.Parameter(f"c{at}", inspect.Parameter.POSITIONAL_ONLY) for at in range(len(kinds)))
        called.__signature__ = inspect.Signature([*each])  # type: ignore[attr-defined] # DuckDB counts them
        self._connection._duck_conn.create_function(  # noqa: SLF001
            name, called, kinds, result, type="arrow", null_handling="special", side_effects=True
        )

    def remove_function(self, name: str) -> None:
        """Forget a function."""
        self._connection._duck_conn.remove_function(name)  # noqa: SLF001

    def interrupt(self) -> None:
        """Stop what runs; for another thread."""
        self._connection._duck_conn.interrupt()  # noqa: SLF001

    def run(self, tree: Any, binds: Sequence[Any] = ()) -> Result:
        """Run a statement.

        Args:
            tree: the statement in Snowflake's dialect, as `trees.parsed` gives it.
            binds: the values of its `?`.

        Raises:
            SnowflakeError: it cannot be run.
        """
        with failures.translated():
            return answer(cursor.run(self._connection, rewrites.as_meant(tree), binds))

    def plan(self, tree: Any, binds: Sequence[Any] = ()) -> list[plans.Operation]:
        """Return how a statement would be run, as `run` takes one. Raises SnowflakeError: it cannot be."""
        with failures.translated():
            return plans.of(self._connection, rewrites.as_meant(tree), binds)

    def partitions(self, table: str) -> int:
        """Return how many row groups a table has, by its full name with dots."""
        return plans.partitions(self._connection, table)

    def close(self) -> None:
        """Close it; what is not committed is undone."""
        with self._end:
            self._is_closed = True
            self._connection.close()
