"""Who may do what: roles, their members and what they were granted.

A role has the privileges of the roles that were granted to it; all have those of PUBLIC. OWNERSHIP is every privilege
on an object. An object is seen by who has some privilege on it and USAGE on its schema and database.
https://docs.snowflake.com/en/user-guide/security-access-control-overview
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from firnflow.emulator.catalog import Catalog, FullName, key, path_of
from firnflow.emulator.kinds import ACCOUNT_PRIVILEGES, KINDS, create_privileges

if TYPE_CHECKING:
    from collections.abc import Iterable

SYSTEM_ROLES = {
    "ACCOUNTADMIN": (),
    "SECURITYADMIN": ("ACCOUNTADMIN",),
    "USERADMIN": ("SECURITYADMIN",),
    "SYSADMIN": ("ACCOUNTADMIN",),
    "PUBLIC": (),
}
"""The roles that each account has, and to whom they are granted."""
_FIRST_PRIVILEGES = {
    "ACCOUNTADMIN": ACCOUNT_PRIVILEGES,
    "SECURITYADMIN": ("MANAGE GRANTS",),
    "USERADMIN": ("CREATE USER", "CREATE ROLE"),
    "SYSADMIN": ("CREATE DATABASE", "CREATE WAREHOUSE", "CREATE COMPUTE POOL"),
}
_UP = {"SCHEMA": ("DATABASE",), **{k.word: ("DATABASE", "SCHEMA") for k in KINDS.values() if k.depth == 3}}


class Access:
    """The privileges of an account, which stand in its catalog.

    https://docs.snowflake.com/en/user-guide/security-access-control-considerations names those of the system's roles.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def begin(self) -> None:
        """Grant what the system's roles have in a new account."""
        for role, privileges in _FIRST_PRIVILEGES.items():
            for privilege in privileges:
                self.grant(privilege, "ACCOUNT", (), role, by="")
        for role, members in SYSTEM_ROLES.items():
            for member in members:
                self.join(role, "ROLE", member, by="")

    def grant(self, privilege: str, kind: str, path: FullName, role: str, *, by: str, may_grant: bool = False) -> None:
        """Grant one privilege on one object to a role; again is the same."""
        self._catalog.run(
            "INSERT OR REPLACE INTO privilege (name, kind, path, role, granted_by, may_grant, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(privilege, kind, key(path), role, by, may_grant, time.time()),
        )

    def revoke(self, privilege: str, kind: str, path: FullName, role: str) -> bool:
        """Take a privilege away; return whether it was there."""
        found = self._catalog.run(
            "DELETE FROM privilege WHERE name = ? AND kind = ? AND path = ? AND role = ? RETURNING name",
            *(privilege, kind, key(path), role),
        )
        return bool(found)

    def join(self, role: str, grantee_kind: str, grantee: str, *, by: str) -> None:
        """Grant a role to a `ROLE` or a `USER`."""
        self._catalog.run(
            "INSERT OR IGNORE INTO membership (role, grantee_kind, grantee, granted_by, created) "
            "VALUES (?, ?, ?, ?, ?)",
            *(role, grantee_kind, grantee, by, time.time()),
        )

    def leave(self, role: str, grantee_kind: str, grantee: str) -> None:
        """Revoke a role from a `ROLE` or a `USER`."""
        self._catalog.run(
            "DELETE FROM membership WHERE role = ? AND grantee_kind = ? AND grantee = ?", role, grantee_kind, grantee
        )

    def forget(self, grantee_kind: str, grantee: str) -> None:
        """Forget a dropped role or user."""
        self._catalog.run("DELETE FROM membership WHERE grantee_kind = ? AND grantee = ?", grantee_kind, grantee)
        if grantee_kind == "ROLE":
            self._catalog.run("DELETE FROM membership WHERE role = ?", grantee)
            self._catalog.run("DELETE FROM privilege WHERE role = ?", grantee)

    def granted(self, grantee_kind: str, grantee: str) -> list[str]:
        """Return the roles that were granted to a role or user itself."""
        return [
            role
            for (role,) in self._catalog.run(
                "SELECT role FROM membership WHERE grantee_kind = ? AND grantee = ? ORDER BY role",
                *(grantee_kind, grantee),
            )
        ]

    def members(self, role: str) -> list[tuple[str, str, str, float]]:
        """Return to whom a role was granted: kind, name, by whom, when."""
        return self._catalog.run(
            "SELECT grantee_kind, grantee, granted_by, created FROM membership WHERE role = ? ORDER BY 1, 2", role
        )

    def closure(self, roles: Iterable[str]) -> frozenset[str]:
        """Return these roles and all that were granted to them, however far down."""
        found: set[str] = set()
        waiting = [*roles, "PUBLIC"]
        while waiting:
            role = waiting.pop()
            if role not in found:
                found.add(role)
                waiting += self.granted("ROLE", role)
        return frozenset(found)

    def holds(self, roles: frozenset[str], privileges: Iterable[str], kind: str, path: FullName) -> bool:
        """Return whether one of the roles owns the object, or has one of the privileges on it itself."""
        held = self._privileges(roles, kind, path)
        return "OWNERSHIP" in held or not held.isdisjoint(privileges)

    def sees(self, roles: frozenset[str], kind: str, path: FullName) -> bool:
        """Return whether the roles may know that an object is there."""
        return bool(self._privileges(roles, kind, path)) and self.enters(roles, kind, path)

    def enters(self, roles: frozenset[str], kind: str, path: FullName) -> bool:
        """Return whether the roles may use the database and schema that an object of this kind lies in."""
        return all(
            self.holds(roles, ("USAGE",), above, path[: depth + 1]) for depth, above in enumerate(_UP.get(kind, ()))
        )

    def _privileges(self, roles: frozenset[str], kind: str, path: FullName) -> set[str]:
        thing = self._catalog.get(kind, path)
        held = {"OWNERSHIP"} if thing is not None and thing.owner in roles else set()
        marks = ", ".join("?" * len(roles))
        rows = self._catalog.run(
            f"SELECT name FROM privilege WHERE kind = ? AND path = ? AND role IN ({marks})",  # noqa: S608 - marks only
            *(kind, key(path), *sorted(roles)),
        )
        return held | {name for (name,) in rows}

    def on(self, kind: str, path: FullName) -> list[tuple[str, str, str, bool, float]]:
        """Return the grants on an object: privilege, role, by whom, whether it may be passed on, when."""
        return [
            (name, role, by, bool(may), created)
            for name, role, by, may, created in self._catalog.run(
                "SELECT name, role, granted_by, may_grant, created FROM privilege WHERE kind = ? AND path = ? "
                "ORDER BY name, role",
                *(kind, key(path)),
            )
        ]

    def of(self, role: str) -> list[tuple[str, str, FullName, str, bool, float]]:
        """Return what was granted to a role: privilege, kind, full name, by whom, whether to pass on, when."""
        return [
            (name, kind, path_of(path), by, bool(may), created)
            for name, kind, path, by, may, created in self._catalog.run(
                "SELECT name, kind, path, granted_by, may_grant, created FROM privilege WHERE role = ? "
                "ORDER BY kind, path, name",
                role,
            )
        ]

    def future(self, kind: str, path: FullName) -> list[tuple[str, str]]:
        """Return what was granted on objects of a kind before there were any: privilege and role.

        https://docs.snowflake.com/en/sql-reference/sql/grant-privilege#future-grants-on-database-or-schema-objects:
        what was granted for a schema goes before what was granted for its database.
        """
        for above in (path[:2], path[:1]):
            found = [(name, role) for name, role, *_ in self.on(f"FUTURE {kind}", above)]
            if found and len(path) > len(above):
                return found
        return []


def grantable(kind: str) -> tuple[str, ...]:
    """Return the privileges that can be granted on an object of a kind, or on the `ACCOUNT`."""
    if kind == "ACCOUNT":
        return ACCOUNT_PRIVILEGES
    return (*KINDS[kind].privileges, *create_privileges(kind))
