"""What a role needs to deploy and to run: as a script, and as what it lacks.

https://docs.snowflake.com/en/user-guide/security-access-control-privileges,
https://docs.snowflake.com/en/user-guide/tasks-intro (Task security)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from firnflow.targets.snowflake.grammar import ParseError, read_name, render, render_name
from firnflow.targets.snowflake.grammar.statements import Create, Grant, Show
from firnflow.targets.snowflake.grammar.values import Name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.grammar.statements import Statement

ALL_ROLES = frozenset({"ACCOUNTADMIN"})
"""Roles that may do everything; what they are granted says less than what they may."""
_ENOUGH = ("OWNERSHIP", "ALL PRIVILEGES", "ALL")


class Need(NamedTuple):
    """A privilege that a role needs on something; `name` is None for the account."""

    privilege: str
    on: str
    name: Name | None

    def __str__(self) -> str:
        return f"{self.privilege} on {self.on.lower()}{' ' + render_name(self.name) if self.name is not None else ''}"


def default_role(environment: str) -> str:
    """Return the role that deploys where the section names none, as it is written in SQL."""
    return f'"FIRNFLOW_{environment.upper()}"'


def script(needs: Iterable[Need], role: Name) -> list[str]:
    """Return the statements that make a role which may do just this."""
    statements: list[Statement] = [Create("ROLE", role, if_not_exists=True)]
    statements += [Grant((need.privilege,), need.on, need.name, role) for need in needs]
    return [f"{render(each)};" for each in statements]


def missing(account: Account, needs: Iterable[Need]) -> list[Need]:
    """Return what the role of the connection lacks, by its own grants and those of the roles that it has."""
    role = str(account.one("SELECT CURRENT_ROLE()"))
    held = _held(account, role, set())
    if held is None:
        return []
    return [need for need in needs if not _is_met(need, held)]


def _held(account: Account, role: str, seen: set[str]) -> set[tuple[str, str, str]] | None:
    """Return (privilege, kind, name) of what a role may; None: everything."""
    if role in ALL_ROLES:
        return None
    seen.add(role)
    found: set[tuple[str, str, str]] = set()
    for row in account.do(Show("GRANTS", of=("TO ROLE", Name((role,))))):
        kind, name = str(row["granted_on"]).replace("_", " ").upper(), str(row["name"])
        found.add((str(row["privilege"]).upper(), kind, "" if kind == "ACCOUNT" else _plain(name)))
        if kind == "ROLE" and str(row["privilege"]).upper() == "USAGE" and _last(name) not in seen:
            inherited = _held(account, _last(name), seen)
            if inherited is None:
                return None
            found |= inherited
    return found


def _is_met(need: Need, held: set[tuple[str, str, str]]) -> bool:
    name = render_name(need.name) if need.name is not None else ""
    if need.on == "TAG" and ("APPLY TAG", "ACCOUNT", "") in held:
        return True
    return any((privilege, need.on, name) in held for privilege in (need.privilege, *_ENOUGH))


def _plain(text: str) -> str:
    """Return a name as we write it. A procedure's has its arguments behind it, which no need of ours has."""
    try:
        return render_name(read_name(text))
    except ParseError:
        return text


def _last(text: str) -> str:
    try:
        return read_name(text).last
    except ParseError:
        return text
