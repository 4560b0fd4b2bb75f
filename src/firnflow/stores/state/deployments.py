"""What was deployed: the resources of an environment, who holds the deployment, and who has applied what.

Whoever applies takes the deployment by compare and swap of its serial, which its plan has seen; the serial is a fencing
token: each later write shows it, so that a process which lost the deployment without knowing it can write nothing.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from firnflow.errors import DeployConflictError
from firnflow.stores.state import schema
from firnflow.stores.state.owner import is_alive, this_process
from firnflow.stores.state.transaction import add, reading, transact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.stores.state.state import State

LEASE = 900.0
"""Seconds that one action may take before another process, on another machine, may take the deployment."""

_deployment, _resource, _change = schema.deployment, schema.deployed_resource, schema.deployment_change


class Address(NamedTuple):
    """What tells a resource from every other of its target: its kind (`dag`, `task`) and its name among them."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Record:
    """A resource that was applied, or (`is_applied` is False) was begun to be.

    Attributes:
        digest: SHA-256 of what was applied.
        facts: what people want to know of it.
        position: its place in the order in which resources are made.
        at: when, in seconds since 1970, and `by` whom.
    """

    address: Address
    digest: str
    facts: Mapping[str, str]
    position: int
    is_applied: bool
    at: float
    by: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is known of a deployment; `serial` counts how often it was taken to be changed."""

    environment: str
    serial: int
    records: dict[Address, Record]


class Deployments:
    """The deployment of a project's environment to a target.

    Args:
        state: of the environment.
        project: its name.
        environment: its name.
        target: the kind of target.
    """

    def __init__(self, state: State, project: str, environment: str, target: str) -> None:
        self._engine = state.engine
        self._key = {"project": project, "environment": environment, "target": target}

    def read(self) -> Deployment:
        """Return what is known."""
        with reading(self._engine) as connection:
            serial = connection.execute(sa.select(_deployment.c.serial).where(*self._of(_deployment))).scalar()
            rows = connection.execute(sa.select(_resource).where(*self._of(_resource))).all()
        records = [
            Record(Address(row.kind, row.name), row.digest, row.facts, row.position, bool(row.applied), row.at, row.by)
            for row in rows
        ]
        return Deployment(self._key["environment"], serial or 0, {each.address: each for each in records})

    def history(self) -> list[dict[str, Any]]:
        """Return who has done what, the newest first."""
        query = sa.select(_change).where(*self._of(_change)).order_by(_change.c.id.desc())
        with reading(self._engine) as connection:
            return [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - public there

    @contextlib.contextmanager
    def hold(self, serial: int, by: str) -> Iterator[Held]:
        """Take the deployment, and give it back at the end.

        Args:
            serial: that of the plan.
            by: who.

        Raises:
            DeployConflictError: another process holds it, or has changed it since the plan was made.
        """
        held = Held(self._engine, self._key, serial + 1, by)
        held.take()
        try:
            yield held
        finally:
            held.give_back()

    def _of(self, table: sa.Table) -> list[Any]:
        return [table.c[name] == value for name, value in self._key.items()]


class Held:
    """A deployment that this process holds; every write says so, and renews the lease."""

    def __init__(self, engine: sa.Engine, key: dict[str, str], serial: int, by: str) -> None:
        self._engine, self._key, self._serial, self._by = engine, key, serial, by
        self._owner = f"{this_process()}#{secrets.token_hex(4)}"  # two of one process are two

    def take(self) -> None:
        """Take the deployment. Raises DeployConflictError."""

        def work(connection: sa.Connection) -> None:
            add(connection, _deployment, {**self._key, "serial": 0, "at": 0.0, "by": ""})
            row = connection.execute(sa.select(_deployment).where(*self._mine(_deployment)).with_for_update()).one()
            if (row.serial, row.owner) == (self._serial, self._owner):
                return  # the connection was lost when this had been committed
            if row.owner is not None and _holds(row):
                since = time.strftime("%H:%M:%S UTC", time.gmtime(row.at))
                raise DeployConflictError(f"{row.by} applies to this environment at this moment, since {since}")
            if row.serial != self._serial - 1:
                when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(row.at))
                raise DeployConflictError(
                    f"{row.by} has applied to this environment at {when}, after the plan was made. Mend: plan again"
                )
            values = {"serial": self._serial, "owner": self._owner, "at": time.time(), "by": self._by}
            connection.execute(_deployment.update().where(*self._mine(_deployment)).values(values | _lease()))

        transact(self._engine, work)

    def begin(self, address: Address, digest: str, facts: Mapping[str, str], position: int) -> None:
        """Write down that a resource is about to be made or changed."""
        values = {"digest": digest, "facts": dict(facts), "position": position, "applied": 0}

        def work(connection: sa.Connection) -> None:
            self._renew(connection)
            stamp = {**values, "at": time.time(), "by": self._by}
            add(connection, _resource, {**self._key, **address._asdict(), **stamp})
            connection.execute(_resource.update().where(*self._mine(_resource, address)).values(stamp))

        transact(self._engine, work)

    def applied(self, address: Address, digest: str, action: str) -> None:
        """Write down that a resource is as it was begun to be made."""

        def work(connection: sa.Connection) -> None:
            self._renew(connection)
            mine = self._mine(_resource, address)
            if connection.execute(_resource.update().where(*mine, _resource.c.applied == 0).values(applied=1)).rowcount:
                self._note(connection, address, action, digest)

        transact(self._engine, work)

    def removed(self, address: Address, action: str) -> None:
        """Write down that a resource is gone, or not ours any more."""

        def work(connection: sa.Connection) -> None:
            self._renew(connection)
            if connection.execute(_resource.delete().where(*self._mine(_resource, address))).rowcount:
                self._note(connection, address, action, None)

        transact(self._engine, work)

    def give_back(self) -> None:
        """Let others apply. Where another process has taken the deployment, nothing changes."""

        def work(connection: sa.Connection) -> None:
            held = (*self._mine(_deployment), _deployment.c.serial == self._serial, _deployment.c.owner == self._owner)
            connection.execute(_deployment.update().where(*held).values(owner=None, lease_until=None))

        transact(self._engine, work)

    def _renew(self, connection: sa.Connection) -> None:
        held = (*self._mine(_deployment), _deployment.c.serial == self._serial, _deployment.c.owner == self._owner)
        if not connection.execute(_deployment.update().where(*held).values(_lease())).rowcount:
            raise DeployConflictError(
                "another process has taken over this deployment, since this one was away for too long. Mend: plan again"
            )

    def _note(self, connection: sa.Connection, address: Address, action: str, digest: str | None) -> None:
        what = {**address._asdict(), "action": action, "digest": digest}
        done = {"serial": self._serial, "at": time.time(), "by": self._by}
        connection.execute(_change.insert().values({**self._key, **what, **done}))

    def _mine(self, table: sa.Table, address: Address | None = None) -> list[Any]:
        key = {**self._key, **(address._asdict() if address is not None else {})}
        return [table.c[name] == value for name, value in key.items()]


def _lease() -> dict[str, float]:
    return {"lease_until": time.time() + LEASE}


def _holds(row: Any) -> bool:
    """Whether the owner of a deployment is, or may be, at work."""
    alive = is_alive(row.owner.partition("#")[0])
    return alive if alive is not None else row.lease_until > time.time()
