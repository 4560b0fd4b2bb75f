"""The state database: runs, attempts, leases. Every transition is one transaction; every writer shows its epoch.

The epoch is a fencing token (M. Kleppmann, "How to do distributed locking", 2016): each process that takes over a run
raises it, so that a process which lost the run, but does not know, can commit nothing any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from firnflow._crash import crash_point
from firnflow._text import listing
from firnflow.errors import NotFoundError, RunConflictError, StateError
from firnflow.status import COMMITTED, RunStatus, TaskStatus
from firnflow.stores.state import metrics as course
from firnflow.stores.state import partitions, schema
from firnflow.stores.state.connect import connect
from firnflow.stores.state.owner import is_alive
from firnflow.stores.state.records import DAMAGED, Attempt, Run, from_row, request_of, run_from_row
from firnflow.stores.state.transaction import add, reading, transact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from firnflow.context import Point

_run, _attempt, _graph = schema.run, schema.attempt, schema.graph
_BATCH = 500  # bound values a statement: SQLite takes 32,766, older ones 999


class State:
    """Runs and attempts in a database; safe to use from several threads and processes at once.

    Args:
        url: `sqlite:///PATH`, `postgresql://…` or `snowflake://…`. The tables are made or migrated if need be.
    """

    def __init__(self, url: str) -> None:
        self.engine = connect(url)
        self._reads = self.engine.execution_options(reads=True)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    # -- runs ---------------------------------------------------------------------------------------------------------

    def create_run(self, run: Run, graph_json: str, *, unless_done: bool = False) -> None:
        """Write a new run that its `owner` holds until `lease_until`; the moment that it is due for is added.

        Args:
            run: the run.
            graph_json: what it runs.
            unless_done: refuse a partition that has succeeded.

        Raises:
            RunConflictError: there is a run of this id, or the run that it takes inputs from was forgotten meanwhile,
                or its partition is another run's.
        """
        values = {name: getattr(run, name) for name in Run.__dataclass_fields__} | {"request": request_of(run)}

        def work(connection: sa.Connection) -> None:
            there = connection.execute(sa.select(_run.c.owner).where(_run.c.id == run.id)).scalar_one_or_none()
            if there == run.owner:
                return
            if there is not None:
                raise RunConflictError(f"there is a run {run.id} already")
            _hold_given(connection, run)
            partitions.take(connection, run, unless_done=unless_done)
            _add_graph(connection, run.graph, graph_json)
            connection.execute(_run.insert().values({**values, "due": partitions.due_moment(connection, run.id)}))

        try:
            transact(self.engine, work)
        except IntegrityError:  # another process has written it since this one has looked: now it is seen
            transact(self.engine, work)
        crash_point("run.created")

    def claim(self, run_id: str, owner: str, lease_until: float, graph: tuple[str, str] | None = None) -> int:
        """Take over a run that nobody holds, and return the new epoch.

        Args:
            run_id: the run.
            owner: this process.
            lease_until: seconds since 1970.
            graph: digest and JSON of the graph that goes on, where the code has changed since the run began.

        Raises:
            RunConflictError: a living process holds it, or its partition is another run's by now.
        """
        self.reap(must=True)
        run = self.find(run_id)
        taken = {
            "status": RunStatus.RUNNING,
            "owner": owner,
            "epoch": _run.c.epoch + 1,
            "lease_until": lease_until,
            "cancel_requested": 0,
            "ended_at": None,
            "error": None,
            **({"graph": graph[0]} if graph is not None else {}),
        }

        def work(connection: sa.Connection) -> int:
            free = (_run.c.id == run_id, _run.c.status != RunStatus.RUNNING)
            if graph is not None:
                _add_graph(connection, *graph)
            if connection.execute(_run.update().where(*free).values(taken)).rowcount and run is not None:
                partitions.take(connection, run, unless_done=True)
            row = connection.execute(sa.select(_run.c.epoch, _run.c.owner).where(_run.c.id == run_id)).one()
            if row.owner != owner:
                raise RunConflictError(
                    f"run {run_id} is under way in another process. Wait for it, or stop it: firnflow cancel {run_id}"
                )
            return int(row.epoch)

        return transact(self.engine, work)

    def heartbeat(self, run_id: str, epoch: int, lease_until: float) -> bool:
        """Renew the lease; return whether somebody asked the run to stop.

        Raises:
            RunConflictError: another process has taken the run over.
            StateError: the database is away.
        """

        def work(connection: sa.Connection) -> bool:
            held = connection.execute(_run.update().where(*_held(run_id, epoch)).values(lease_until=lease_until))
            if held.rowcount == 0:
                raise _taken_over(run_id)
            row = connection.execute(sa.select(_run.c.cancel_requested).where(_run.c.id == run_id)).one()
            return bool(row.cancel_requested)

        return transact(self.engine, work, patience=0.0)  # the next beat asks again, with a later time

    def request_cancel(self, run_id: str) -> bool:
        """Ask a run to stop; return False where it is not under way."""

        def work(connection: sa.Connection) -> bool:
            running = (_run.c.id == run_id, _run.c.status == RunStatus.RUNNING)
            return connection.execute(_run.update().where(*running).values(cancel_requested=1)).rowcount > 0

        return transact(self.engine, work)

    def end_run(
        self, run_id: str, epoch: int, status: RunStatus, error: str | None, graph: tuple[str, str] | None = None
    ) -> None:
        """Write how a run ended, and that whatever it left under way is cancelled.

        Args:
            run_id: the run.
            epoch: of whoever holds it.
            status: how.
            error: why, in one line.
            graph: digest and JSON of the graph that it ended with, where it began with another.

        Raises:
            RunConflictError: another process has taken the run over.
        """
        now = time.time()

        values = {"status": status, "error": error, "ended_at": now, "lease_until": 0.0}

        def work(connection: sa.Connection) -> None:
            if graph is not None:
                _add_graph(connection, *graph)
                values["graph"] = graph[0]
            ended = connection.execute(_run.update().where(*_held(run_id, epoch)).values(values))
            if ended.rowcount == 0:
                row = connection.execute(sa.select(_run.c.epoch, _run.c.ended_at).where(_run.c.id == run_id)).one()
                if (row.epoch, row.ended_at) != (epoch, now):
                    raise _taken_over(run_id)
            partitions.settle(connection, run_id, status, error, now)
            _end_attempts(connection, [run_id], TaskStatus.CANCELLED, now)

        transact(self.engine, work)

    def reap(self, *, must: bool = False) -> list[str]:
        """Mark the runs whose process is gone as crashed; return their ids.

        Where the database takes no writes (a full disk), they are left to the next one who looks, so that it can be
        read; with `must` that is a StateError.

        The lease speaks for a process that cannot be seen from here. One that is seen alive keeps its run without:
        this machine may have slept, and the process with it.
        """
        now = time.time()
        with reading(self._reads) as connection:
            under_way = connection.execute(
                sa.select(_run.c.id, _run.c.owner, _run.c.epoch, _run.c.lease_until).where(
                    _run.c.status == RunStatus.RUNNING
                )
            ).all()
        gone = [row for row in under_way if not _is_there(row, now)]
        marked = []
        for row in gone:
            with contextlib.nullcontext() if must else contextlib.suppress(StateError):
                marked += [row.id] if self._crashed(row, now) else []
        return marked

    def _crashed(self, row: Any, now: float) -> bool:
        """Mark a run as crashed, unless its lease was renewed since it was looked at."""
        as_seen = (*_held(row.id, row.epoch), _run.c.lease_until == row.lease_until)
        said = "its process was killed or lost its machine"

        def work(connection: sa.Connection) -> bool:
            marked = connection.execute(
                _run.update().where(*as_seen).values(status=RunStatus.CRASHED, ended_at=now, error=said)
            )
            if marked.rowcount:
                partitions.settle(connection, row.id, RunStatus.CRASHED, said, now)
                _end_attempts(connection, [row.id], TaskStatus.LOST, now)
            return marked.rowcount > 0

        return transact(self.engine, work)

    def run(self, run_id: str) -> Run:
        """Return a run by its id, or by the beginning of one.

        Raises:
            NotFoundError: there is none, or there are several.
        """
        exact = self.find(run_id)
        if exact is not None:
            return exact
        with reading(self._reads) as connection:
            near = connection.execute(
                sa.select(_run.c.id).where(_run.c.id.startswith(run_id, autoescape=True)).limit(12)
            ).scalars()
            ids = list(near) if run_id else []
        if len(ids) != 1:
            said = f": it could be {listing(ids)}" if ids else ""
            raise NotFoundError(f"there is no run {run_id!r}{said}")
        found = self.find(ids[0])
        if found is None:
            raise StateError(DAMAGED.format(f"run {ids[0]!r} is in one index and in no other"))
        return found

    def runs(self, *, pipeline: str | None = None, status: str | None = None, limit: int = 50) -> list[Run]:
        """Return the newest runs first."""
        query = sa.select(_run).order_by(_run.c.started_at.desc(), _run.c.id.desc()).limit(limit)
        if pipeline is not None:
            query = query.where(_run.c.pipeline == pipeline)
        if status is not None:
            query = query.where(_run.c.status == status)
        with reading(self._reads) as connection:
            return [run_from_row(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - public in SQLAlchemy

    def graph_json(self, digest: str) -> str:
        """Return the graph of a run as it was written. Raises StateError where it is not there, or was changed."""
        with reading(self._reads) as connection:
            text = connection.execute(sa.select(_graph.c.json).where(_graph.c.digest == digest)).scalar_one_or_none()
        if not isinstance(text, str) or hashlib.sha256(text.encode()).hexdigest() != digest:
            raise StateError(DAMAGED.format(f"the graph {digest:.12} is not what was written"))
        return text

    def delete_runs(self, ids: Collection[str]) -> None:
        """Forget finished runs and their attempts, and the graphs that no other run has.

        A run from which another one took inputs stays until that one has succeeded: resuming it takes them again.
        So does one whose end `firnflow up` has not seen.
        """

        def work(connection: sa.Connection) -> None:
            for some in _batches(sorted(set(ids) - _needed(connection, ids))):
                finished = sa.select(_run.c.id).where(_run.c.id.in_(some), _run.c.status != RunStatus.RUNNING)
                connection.execute(schema.metric.delete().where(schema.metric.c.run.in_(finished)))
                connection.execute(schema.tracked.delete().where(*_only_of(schema.tracked.c.run, finished)))
                connection.execute(_attempt.delete().where(_attempt.c.run.in_(finished)))
                connection.execute(_run.delete().where(_run.c.id.in_(some), _run.c.status != RunStatus.RUNNING))
            connection.execute(_graph.delete().where(_graph.c.digest.not_in(sa.select(_run.c.graph))))

        transact(self.engine, work)

    def find(self, run_id: str) -> Run | None:
        """Return the run of exactly this id, or None."""
        with reading(self._reads) as connection:
            row = connection.execute(sa.select(_run).where(_run.c.id == run_id)).one_or_none()
        return run_from_row(row._mapping) if row is not None else None  # noqa: SLF001 - public in SQLAlchemy

    # -- what it stores elsewhere -------------------------------------------------------------------------------------

    def identity(self) -> str:
        """Return what this database is called in artifact stores: 32 hexadecimal digits, made by chance."""
        with reading(self._reads) as connection:
            return str(connection.execute(sa.select(schema.identity.c.id)).scalar_one())

    def renew_identity(self, copied: str) -> str:
        """Give this database another identity than `copied`, that of the database that it is a copy of; return it."""

        def work(connection: sa.Connection) -> None:
            connection.execute(
                schema.identity.update().where(schema.identity.c.id == copied).values(id=uuid.uuid4().hex)
            )

        transact(self.engine, work)
        return self.identity()

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database; None for a server's."""
        return Path(str(self.engine.url.database)).resolve() if self.engine.dialect.name == "sqlite" else None

    def condemn(self, unused: dict[str, float]) -> dict[str, float]:
        """Write down which stored values nothing refers to, and return since when that is known of each.

        Args:
            unused: place → when it was written; whoever is not among them is in use, or gone.
        """
        now = time.time()
        garbage = schema.garbage

        def work(connection: sa.Connection) -> dict[str, float]:
            known = {row.place: row.since for row in connection.execute(sa.select(garbage))}
            # one that was written anew was in use in between
            since = {place: known[place] for place, at in unused.items() if place in known and known[place] > at}
            for some in _batches([place for place in known if place not in since]):
                connection.execute(garbage.delete().where(garbage.c.place.in_(some)))
            new = [{"place": place, "since": now} for place in unused if place not in since]
            if new:
                connection.execute(garbage.insert(), new)
            return {**dict.fromkeys(unused, now), **since}

        return transact(self.engine, work)

    # -- attempts -----------------------------------------------------------------------------------------------------

    def add_attempts(self, run_id: str, epoch: int, attempts: list[Attempt]) -> list[int]:
        """Write attempts, started or settled, in one transaction, and return their ids in order.

        Raises:
            RunConflictError: another process has taken the run over, or has started the same attempt.
        """
        now = time.time()
        written = {"run": run_id, "epoch": epoch, "started_at": now}
        rows = [
            {
                **{name: getattr(new, name) for name in Attempt.__dataclass_fields__ if name != "id"},
                **written,
                "ended_at": None if new.status == TaskStatus.RUNNING else now,
            }
            for new in attempts
        ]

        tries = itertools.count()

        def work(connection: sa.Connection) -> list[int]:
            _hold(connection, run_id, epoch)
            if rows and next(tries) > 0 and (there := _already_written(connection, rows)):
                return there
            if rows and not connection.dialect.insert_returning:
                connection.execute(_attempt.insert(), rows)
                return _already_written(connection, rows)
            if len(rows) == 1:
                one = _attempt.insert().values(rows[0]).returning(_attempt.c.id)
                return [int(connection.execute(one).scalar_one())]
            many = _attempt.insert().returning(_attempt.c.id, sort_by_parameter_order=True)
            return [int(i) for i in connection.execute(many, rows).scalars()] if rows else []

        try:
            ids = transact(self.engine, work)
        except IntegrityError as error:
            raise RunConflictError(
                f"another process has started the same attempt of run {run_id} at this moment: "
                f"{listing({new.task for new in attempts})}. If there is none, see: firnflow doctor"
            ) from error
        crash_point("attempt.started")
        return ids

    def commit(
        self,
        attempt_id: int,
        outputs: dict[str, Any],
        metrics: dict[str, float],
        peak: int | None,
        history: Sequence[Point] = (),
        *,
        reusable: bool = True,
    ) -> None:
        """Write that an attempt succeeded, with its outputs: from here on its work is done.

        Args:
            attempt_id: the attempt.
            outputs: output → ref as JSON.
            metrics: the last value of each.
            peak: the largest resident memory in bytes.
            history: all values of the metrics.
            reusable: whether it may be found by its key later.

        Raises:
            RunConflictError: the attempt was given up meanwhile; nothing of it counts.
        """
        now = time.time()
        done = {
            "status": TaskStatus.SUCCEEDED,
            "outputs": outputs,
            "metrics": metrics,
            "peak_memory": peak,
            "ended_at": now,
            **({} if reusable else {"key": ""}),
        }

        def work(connection: sa.Connection) -> None:
            under_way = (_attempt.c.id == attempt_id, _attempt.c.status == TaskStatus.RUNNING)
            updated = connection.execute(_attempt.update().where(*under_way).values(done))
            crash_point("commit.inside")
            if updated.rowcount == 0:
                row = connection.execute(
                    sa.select(_attempt.c.status, _attempt.c.ended_at).where(_attempt.c.id == attempt_id)
                ).one()
                if (row.status, row.ended_at) != (TaskStatus.SUCCEEDED, now):
                    raise RunConflictError(
                        f"attempt {attempt_id} was given up before it ended; its outputs are not kept"
                    )
            elif history:
                course.add(connection, attempt_id, history)

        transact(self.engine, work)

    def fail(
        self,
        attempt_id: int,
        status: TaskStatus,
        error: dict[str, Any] | None,
        peak: int | None = None,
        history: Sequence[Point] = (),
    ) -> bool:
        """Write that an attempt ended without outputs; return False where it was not under way any more."""
        ended = {"status": status, "error": error, "ended_at": time.time(), "peak_memory": peak}

        def work(connection: sa.Connection) -> bool:
            under_way = (_attempt.c.id == attempt_id, _attempt.c.status == TaskStatus.RUNNING)
            ended_now = connection.execute(_attempt.update().where(*under_way).values(ended)).rowcount > 0
            if ended_now and history:
                course.add(connection, attempt_id, history)
            return ended_now

        return transact(self.engine, work)

    def attempt(self, attempt_id: int) -> Attempt:
        """Return one attempt by its number in the database."""
        with reading(self._reads) as connection:
            row = connection.execute(sa.select(_attempt).where(_attempt.c.id == attempt_id)).one()
        return from_row(Attempt, row._mapping)  # noqa: SLF001 - public in SQLAlchemy

    def attempts(self, run_id: str) -> list[Attempt]:
        """Return the attempts of a run in the order in which they were written."""
        with reading(self._reads) as connection:
            rows = connection.execute(sa.select(_attempt).where(_attempt.c.run == run_id).order_by(_attempt.c.id))
            return [from_row(Attempt, row._mapping) for row in rows]  # noqa: SLF001 - public in SQLAlchemy

    def find_cached(self, keys: Iterable[str]) -> dict[str, Attempt]:
        """Return for each key the newest attempt that succeeded with it, where there is one."""
        found: dict[str, Attempt] = {}
        with reading(self._reads) as connection:
            for some in _batches(list(keys)):
                rows = connection.execute(
                    sa.select(_attempt)
                    .where(_attempt.c.key.in_(some), _attempt.c.status.in_(COMMITTED))
                    .order_by(_attempt.c.id)
                )
                found.update((row.key, from_row(Attempt, row._mapping)) for row in rows)  # noqa: SLF001 - likewise
        return found

    def made_by(self, cached: Attempt) -> Attempt | None:
        """Return the attempt that computed what a cached one has, or None where its run was deleted."""
        computed = _attempt.c.status == TaskStatus.SUCCEEDED
        made = (_attempt.c.key == cached.key, computed, _attempt.c.id <= cached.cached_from)
        with reading(self._reads) as connection:
            row = connection.execute(sa.select(_attempt).where(*made).order_by(_attempt.c.id.desc())).first()
        return from_row(Attempt, row._mapping) if row is not None else None  # noqa: SLF001 - public in SQLAlchemy

    def outputs_in_use(self) -> list[dict[str, Any]]:
        """Return the outputs of every committed attempt, and every model: what garbage collection must keep."""
        model = schema.model_version
        with reading(self._reads) as connection:
            outputs = connection.execute(sa.select(_attempt.c.outputs).where(_attempt.c.status.in_(COMMITTED)))
            refs = connection.execute(sa.select(model.c.ref).where(model.c.status != "deleted"))
            return [refs for refs in (*outputs.scalars(), *refs.scalars()) if refs]

    def models_metadata(self) -> list[dict[str, Any]]:
        """Return what is written down with every model that is not deleted: its lineage among it."""
        model = schema.model_version
        with reading(self._reads) as connection:
            return list(connection.execute(sa.select(model.c.metadata).where(model.c.status != "deleted")).scalars())


def _hold_given(connection: sa.Connection, run: Run) -> None:
    """Check, and keep until the transaction ends, that the run is there from which another one takes inputs."""
    given = run.request.get("given_by")
    query = sa.select(_run.c.id).where(_run.c.id == given)
    if given is not None and connection.execute(query.with_for_update(read=True)).first() is None:
        raise RunConflictError(f"run {given}, which has the inputs, was deleted at this moment. Mend: run again")


def _needed(connection: sa.Connection, ids: Collection[str]) -> set[str]:
    """Return the runs from which those that may be resumed, besides these, took inputs, and those that are due.

    The ledger takes a run that is not there for one that has not begun.
    """
    for some in _batches(sorted(ids)):  # where rows are locked: wait for those that begin to take inputs from them
        connection.execute(sa.select(_run.c.id).where(_run.c.id.in_(some)).with_for_update()).all()
    rows = connection.execute(sa.select(_run.c.id, _run.c.request).where(_run.c.status != RunStatus.SUCCEEDED))
    given = {row.request["given_by"] for row in rows if row.id not in ids and row.request.get("given_by")}
    due = connection.execute(sa.select(schema.due.c.run).where(schema.due.c.settled_at.is_(None)))
    return given | set(due.scalars())


def _only_of(run: Any, finished: sa.Select[Any]) -> tuple[Any, ...]:
    """Return the rows of these runs, but for those that made a model: where its file is, is known by the run."""
    made = sa.select(schema.model_version.c.run).where(schema.model_version.c.run.is_not(None))
    return run.in_(finished), run.not_in(made)


def _held(run_id: str, epoch: int) -> tuple[Any, ...]:
    return _run.c.id == run_id, _run.c.epoch == epoch, _run.c.status == RunStatus.RUNNING


def _is_there(row: Any, now: float) -> bool:
    """Return whether the owner of a run lives, as far as it can be seen."""
    alive = is_alive(row.owner)
    return bool(row.lease_until >= now) if alive is None else alive


def _taken_over(run_id: str) -> RunConflictError:
    return RunConflictError(f"another process has taken over run {run_id}; this one stops")


def _add_graph(connection: sa.Connection, digest: str, text: str) -> None:
    """Write a graph that may be there, or may be written by another run at this moment."""
    add(connection, _graph, {"digest": digest, "json": text})


def _already_written(connection: sa.Connection, rows: list[dict[str, Any]]) -> list[int]:
    """Return the ids of these attempts where an earlier try of the same transaction has written them."""
    names = ("task", "element", "number")
    same = [_attempt.c[name] == rows[0][name] for name in ("run", "started_at")]
    there = connection.execute(sa.select(_attempt.c.id, *(_attempt.c[name] for name in names)).where(*same))
    ids = {(row.task, row.element, row.number): int(row.id) for row in there}
    wanted = [tuple(row[name] for name in names) for row in rows]
    return [ids[each] for each in wanted] if wanted[0] in ids else []


def _hold(connection: sa.Connection, run_id: str, epoch: int) -> None:
    """Check, and keep until the transaction ends, that this epoch holds the run."""
    query = sa.select(_run.c.epoch).where(*_held(run_id, epoch))
    if connection.dialect.name != "sqlite":
        query = query.with_for_update(read=True)
    if connection.execute(query).first() is None:
        raise _taken_over(run_id)


def _end_attempts(connection: sa.Connection, runs: list[str], status: TaskStatus, now: float) -> None:
    connection.execute(
        _attempt.update()
        .where(_attempt.c.run.in_(runs), _attempt.c.status == TaskStatus.RUNNING)
        .values(status=status, ended_at=now)
    )


def _batches(values: list[str]) -> Iterable[list[str]]:
    return (values[i : i + _BATCH] for i in range(0, len(values), _BATCH))
