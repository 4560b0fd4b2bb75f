"""The statements that run and have run, by id: what clients ask for again, wait for and cancel."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from firnflow.emulator.errors import SnowflakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session

_KEPT = 2_000
_AT_ONCE = 64
_END = r"(?='?(?:[\s;,)]|$))"
_HELD = re.compile(
    r"\b(SECRET_STRING|PASSWORD)(\s*=\s*)"
    rf"(?:'(?:[^'\\]|\\.|'')*'{_END}|('{{2,}}).+?\3{_END}|\$\$.*?\$\$|(?:'|\$\$).*)",
    re.IGNORECASE | re.DOTALL,
)
"""What a statement sets a secret to: a text, one within another, one in `$$`, or one that does not end."""


class Query:
    """One statement of a session.

    Attributes:
        id: by which clients ask for it.
        text: as it was sent, but for the secrets that it sets.
        future: gives its answer, or raises SnowflakeError.
        started, ended: when, in seconds since 1970; 0.0 as long as it runs.
        cancelled: set when somebody asks it to stop; what waits for long looks at it.
        tag: the QUERY_TAG that it was sent with, or that its session has.
    """

    def __init__(self, session: Session, text: str, tag: str | None = None) -> None:
        self.id = str(uuid.uuid4())
        self.session, self.text = session, _HELD.sub(r"\1\2'****'", text)
        self.future: Future[Result] = Future()
        self.tag = str(session.parameters.get("QUERY_TAG") or "") if tag is None else tag
        self.started, self.ended = time.time(), 0.0
        self.cancelled = threading.Event()

    @property
    def state(self) -> str:
        """How it stands, in the words of the protocol."""
        if not self.future.done():
            return "RUNNING"
        return "SUCCESS" if self.future.exception() is None else "FAILED_WITH_ERROR"

    def cancel(self) -> None:
        """Ask it to stop."""
        self.cancelled.set()
        if not self.future.done():
            self.session.engine.interrupt()


class Queries:
    """The last statements of an account; older ones are forgotten."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Query] = OrderedDict()
        self._by_request: OrderedDict[str, Query] = OrderedDict()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="statement")
        self._lock = threading.Lock()

    def start(
        self,
        session: Session,
        text: str,
        binds: Sequence[Any],
        request: str = "",
        *,
        describe: bool = False,
        tag: str | None = None,
    ) -> Query:
        """Begin a statement; one that was sent before under the same request goes on, and is not run again.

        https://docs.snowflake.com/en/developer-guide/sql-api/submitting-requests has the rule for requests that are
        sent again.
        """
        with self._lock:
            if request and request in self._by_request:
                return self._by_request[request]
            query = Query(session, text, tag)
            _keep(self._found, query.id, query)
            if request:
                _keep(self._by_request, request, query)
            session.query_ids.append(query.id)
        self._pool.submit(self.work, query, lambda: session.execute(text, binds, describe=describe))
        return query

    def add(self, session: Session, text: str) -> Query:
        """Note a statement that the caller runs itself, by `work`."""
        query = Query(session, text)
        with self._lock:
            _keep(self._found, query.id, query)
            session.query_ids.append(query.id)
        return query

    def work(self, query: Query, work: Callable[[], Result]) -> None:
        """Run a statement in this thread; its future then has the answer."""
        try:
            found = work()
        except SnowflakeError as error:
            query.ended = time.time()
            query.future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - a client waits for it, and is told
            query.ended = time.time()
            query.future.set_exception(broken(error))
        else:
            query.ended = time.time()
            query.future.set_result(found)

    def get(self, query_id: str) -> Query:
        """Return a statement by its id.

        Raises:
            SnowflakeError: there is none.
        """
        with self._lock, contextlib.suppress(KeyError):
            return self._found[query_id]
        raise SnowflakeError(709, "02000", f"Statement {query_id} not found")

    def all(self) -> list[Query]:
        """Return the statements, the newest first."""
        with self._lock:
            return list(reversed(self._found.values()))

    def cancel_all(self, number: int, *, but: str) -> int:
        """Stop what runs in a session, but for one statement; return how many there were."""
        with self._lock:
            found = [query for query in self._found.values() if query.session.number == number and query.id != but]
        running = [query for query in found if not query.future.done()]
        for query in running:
            query.cancel()
        return len(running)

    def of_request(self, request: str) -> Query | None:
        """Return what was sent under a request, or None."""
        with self._lock:
            return self._by_request.get(request)

    def close(self) -> None:
        """Cancel what runs, and wait until it has ended."""
        for query in list(self._found.values()):
            query.cancel()
        self._pool.shutdown()


def _keep(found: OrderedDict[str, Query], key: str, query: Query) -> None:
    found[key] = query
    while len(found) > _KEPT:
        found.popitem(last=False)


def broken(error: BaseException | None) -> SnowflakeError:
    """Return what a client is told where the emulator itself has failed."""
    said = f"{type(error).__name__}: {error}"
    return SnowflakeError(603, "XX000", f"SQL execution internal error:\nThe emulator has failed: {said[:500]}")
