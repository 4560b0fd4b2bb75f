"""The account: its objects, databases, files and sessions, all in one folder that one server at a time holds."""

from __future__ import annotations

import fcntl
import secrets
import threading
from typing import TYPE_CHECKING

from firnflow.emulator import errors, registry
from firnflow.emulator.access import SYSTEM_ROLES, Access
from firnflow.emulator.catalog import Catalog, Object
from firnflow.emulator.engine.databases import Databases
from firnflow.emulator.jobs.runner import Jobs
from firnflow.emulator.programs.workers import Workers
from firnflow.emulator.queries import Queries
from firnflow.emulator.session import Session
from firnflow.emulator.stages.signed import Signed
from firnflow.emulator.tasks.runner import Runner
from firnflow.emulator.transactions import IDLE, Locks
from firnflow.errors import RunConflictError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.tasks.context import Context

FIRST_USER = "EMULATOR"
"""Who can log in to a new account."""
FIRST_WAREHOUSE = "COMPUTE_WH"
SYSTEM = "SYSTEM"
"""Whose sessions tasks run in: https://docs.snowflake.com/en/user-guide/tasks-intro#task-runs."""


class Account:
    """An account that begins with a user, the system's roles and a warehouse.

    Args:
        folder: where all of it lies; made if it is not there.
        idle: seconds after which a transaction is undone that others wait for, and that nobody goes on with.

    Attributes:
        port: of the server that answers for it; None: there is none.

    Raises:
        RunConflictError: another server holds the folder.
    """

    def __init__(self, folder: Path, idle: float = IDLE) -> None:
        registry.load()
        folder.mkdir(parents=True, exist_ok=True)
        self._held = (folder / "lock").open("a")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.close()
            raise RunConflictError(
                f"Another emulator holds {folder}. Mend: stop it, or give this one a folder of its own with --data"
            ) from None
        self.folder = folder
        self.files = folder / "stages"
        self.catalog = Catalog(folder / "catalog.sqlite")
        self.access = Access(self.catalog)
        self.databases = Databases(folder / "databases")
        self.queries = Queries()
        self.workers = Workers()
        self.locks = Locks(idle)
        self.commits = 0
        self.signed = Signed()
        self.port: int | None = None
        self._tokens: dict[str, tuple[str, str, Context | None, list[str]]] = {}
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._begin()
        self.runner = Runner(self)
        self.jobs = Jobs(self)

    def _begin(self) -> None:
        if self.catalog.get("ROLE", ("ACCOUNTADMIN",)) is None:
            self.access.begin()
            for role in SYSTEM_ROLES:
                self.catalog.put(Object("ROLE", (role,), ""))
            first = {
                "DEFAULT_ROLE": "ACCOUNTADMIN",
                "DEFAULT_WAREHOUSE": FIRST_WAREHOUSE,
                "DEFAULT_SECONDARY_ROLES": [],
            }
            self.catalog.put(Object("USER", (FIRST_USER,), "ACCOUNTADMIN", first))
            self.access.join("ACCOUNTADMIN", "USER", FIRST_USER, by="")
            self.catalog.put(Object("WAREHOUSE", (FIRST_WAREHOUSE,), "ACCOUNTADMIN"))
            self.access.grant("USAGE", "WAREHOUSE", (FIRST_WAREHOUSE,), "PUBLIC", by="ACCOUNTADMIN")
        for database in self.catalog.all("DATABASE"):
            self.databases.open(database.name)

    def login(self, user: str, role: str | None = None) -> Session:
        """Begin a session. No password is looked at: the server can only be reached from this machine.

        Raises:
            SnowflakeError: there is no such user, or the role was not granted to it.
        """
        found = self.catalog.get("USER", (user.upper(),))
        if found is None:
            users = ", ".join(thing.name for thing in self.catalog.all("USER"))
            raise errors.SnowflakeError(
                390100, "08004", f"Incorrect username or password was specified. The emulator has the users {users}"
            )
        session = Session(self, found, secrets.token_urlsafe(24))
        chosen = role or found.body.get("DEFAULT_ROLE") or "PUBLIC"
        if chosen not in session.own_roles():
            raise errors.SnowflakeError(
                390189,
                "08004",
                f"Role '{chosen}' specified in the connect string does not exist or not authorized. "
                "Contact your local system administrator, or attempt to login with another role, e.g. PUBLIC.",
            )
        session.role = chosen
        return self._kept(session)

    def session_as(self, role: str, task: Context | None = None, user: str = SYSTEM) -> Session:
        """Begin a session with a role's rights alone: of a task, a procedure or a job.

        Args:
            role: the role.
            task: the task that runs in it.
            user: whose.
        """
        session = Session(self, Object("USER", (user,), "", {"DEFAULT_SECONDARY_ROLES": []}), secrets.token_urlsafe(24))
        session.role, session.task = role, task
        return self._kept(session)

    def token_for(self, user: str, role: str, task: Context | None = None) -> str:
        """Return a token by which a process logs in with a role's rights alone, as long as it is not forgotten.

        Args:
            user: whose sessions they are.
            role: the role.
            task: the task that its sessions know that they run in.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = (role, user, task, [])
        return token

    def forget_token(self, token: str) -> None:
        """Let nobody log in by a token any more, and end the sessions that it has begun."""
        with self._lock:
            *_, begun = self._tokens.pop(token, ("", []))
        for each in begun:
            session = self._sessions.get(each)
            if session is not None:
                self.queries.cancel_all(session.number, but="")
                self.logout(each)

    def enter(self, token: str) -> Session:
        """Begin the session of a process that was given a token.

        Raises:
            SnowflakeError: nobody was given such a one, or its process has ended.
        """
        with self._lock:
            found = self._tokens.get(token)
        if found is None:
            raise errors.SnowflakeError(390303, "08004", "Invalid OAuth access token.")
        role, user, task, begun = found
        session = self.session_as(role, task, user)
        begun.append(session.token)
        return session

    def _kept(self, session: Session) -> Session:
        with self._lock:
            self._sessions[session.token] = session
        return session

    def session(self, token: str) -> Session:
        """Return the session of a token.

        Raises:
            SnowflakeError: it has ended, or there was none.
        """
        with self._lock:
            found = self._sessions.get(token)
        if found is None:
            raise errors.SnowflakeError(390104, "08001", "User must login again to access the service.")
        return found

    def sessions(self) -> list[Session]:
        """Return the sessions that have not ended."""
        with self._lock:
            return list(self._sessions.values())

    def logout(self, token: str) -> None:
        """End a session; what it has not committed is undone, and what it made for itself is dropped."""
        with self._lock:
            found = self._sessions.pop(token, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        """End all sessions, and write everything to the folder."""
        self.runner.close()
        self.queries.close()  # before sessions: one waits for its statement
        self.jobs.close()
        for token in list(self._sessions):
            self.logout(token)
        self.workers.close()
        self.databases.close()
        self.catalog.close()
        self._held.close()
