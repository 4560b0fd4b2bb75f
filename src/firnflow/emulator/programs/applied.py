"""A process in which a function's handler runs, as long as the statement that calls it."""

from __future__ import annotations

import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.emulator.engine.failures import HANDLER
from firnflow.emulator.programs import handlers, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.session import Session


class Applied:
    """A process for a handler, started with its first rows.

    Args:
        session: whose statement calls it.
        spoken: how errors call the function.
        handler: its module, and its name in that.
        put: writes its code into a folder.
        form: how it is applied, as `forms.applied` takes it, and `packages`, as of `Called`.
    """

    def __init__(
        self,
        session: Session,
        spoken: str,
        handler: tuple[str, str],
        put: Callable[[Path], None],
        form: dict[str, Any],
    ) -> None:
        self._session, self._spoken, self._handler = session, spoken, handler
        self._put, self._form = put, form
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._call: Any = None
        self._control: socket.socket | None = None

    def answer(self, table: Any) -> Any:
        """Return what the handler makes of a table of Arrow's.

        Raises:
            RuntimeError: it has failed, or was killed.
            SnowflakeError: the statement is cancelled.
        """
        with self._lock:
            control = self._control or self._started()
            rows.send(control, rows.ROWS, rows.packed(table))
            handlers.answered(self._session, control)
            found = rows.received(control)
        if found is None or found[0] == rows.ERROR:
            said = found[1].decode() if found else "the handler was killed"
            raise RuntimeError(f"{HANDLER}\n{said} in function {self._spoken} with handler {self._handler[1]}")
        return rows.table_of(found[1])

    def apply(self, *columns: Any) -> Any:
        """Return the results for columns, each row of which is one."""
        import pyarrow as pa

        return self.answer(pa.table({str(at): column for at, column in enumerate(columns)}))["value"]

    def _started(self) -> socket.socket:
        self._folder = tempfile.TemporaryDirectory(prefix="firnflow-function-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._put(folder)
        module, handler = self._handler
        call = {"module": module, "handler": handler, **self._form}
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / rows.SOCKET))
            listening.listen(1)
            self._call = self._session.account.workers.call(folder, call, {})
            self._control = handlers.accepted(self._session, listening, self._call, folder)
        return self._control

    def close(self) -> None:
        """End the process."""
        if self._control is not None:
            self._control.close()
        if self._call is not None:
            handlers.ended(self._session, self._call)
        if self._folder is not None:
            self._folder.cleanup()
