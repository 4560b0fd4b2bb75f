"""Functions and procedures of one name: which of them a statement means.

Each is told from the others by the types of its arguments, which stand behind its name in the catalog.
https://docs.snowflake.com/en/developer-guide/udf-stored-procedure-naming-conventions#overloading-procedures-and-functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.programs.kinds import family

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

_COSTS = {("NUMBER", "FLOAT"): 1, ("DATE", "TIMESTAMP_NTZ"): 1, ("TIMESTAMP_NTZ", "TIMESTAMP_LTZ"): 1}
"""What a value of one type is most readily taken for; then comes VARIANT, then VARCHAR, then what a text can be."""
_NEVER = 1_000
_NULL = "NULL"


def path_of(session: Session, kind: str, name: Sequence[str], types: Sequence[str]) -> FullName:
    """Return the full name in the catalog of a function or procedure with arguments of these types."""
    return signed(session.path(kind, name), types)


def signed(path: FullName, types: Sequence[str]) -> FullName:
    """Return a full name with types of arguments behind it."""
    return (*path[:-1], f"{path[-1]}({', '.join(map(family, types))})")


def named(session: Session, kind: str, path: FullName) -> list[Object]:
    """Return those of a full name, whatever they take; another session's temporary ones are none."""
    return [
        thing
        for thing in session.account.catalog.all(kind, path[:2])
        if thing.name == path[2] and thing.body.get("session") in (None, session.token)
    ]


def check_distinct(session: Session, kind: str, path: FullName, arguments: Sequence[Sequence[Any]]) -> None:
    """Raise SnowflakeError if calls could not tell a new function from another one, as arguments have defaults.

    Args:
        session: who makes it.
        kind: FUNCTION or PROCEDURE.
        path: its full name, without types.
        arguments: name, type and default of each.
    """
    for other in named(session, kind, path):
        both = (arguments, other.body["arguments"])
        if _families(arguments) == _families(both[1]):
            continue  # it is the one that is replaced
        least = max(sum(each[2] is None for each in one) for one in both)
        most = min(map(len, both))
        if any(_families(arguments[:count]) == _families(both[1][:count]) for count in range(least, most + 1)):
            raise errors.invalid(f"Cannot overload {kind} '{path[-1]}' as it would cause ambiguous {kind} overloading.")


def _families(arguments: Sequence[Sequence[Any]]) -> list[str]:
    return [family(each[1]) for each in arguments]


def chosen(
    session: Session,
    path: FullName,
    found: Sequence[Object],
    count: int,
    names: Collection[str],
    types: Callable[[], Sequence[str]],
) -> Object:
    """Return the one that a call means.

    Args:
        session: who calls.
        path: the full name that it says.
        found: those of that name.
        count: how many arguments it gives by their places.
        names: those that it gives by name.
        types: returns the types of the arguments by place; only called where several could be meant.

    Raises:
        SnowflakeError: none takes such arguments, several do, or the role may not use it.
    """
    fitting = [thing for thing in found if _takes(thing.body["arguments"], count, names)]
    if len(fitting) > 1 and count:
        given = types()
        costs = [sum(map(_cost, given, (each[1] for each in thing.body["arguments"]))) for thing in fitting]
        fitting = [thing for thing, cost in zip(fitting, costs, strict=True) if cost == min(costs) < _NEVER]
    if not fitting:
        takes = " or ".join(f"({', '.join(f'{each[0]} {each[1]}' for each in one.body['arguments'])})" for one in found)
        raise errors.SnowflakeError(
            2141,
            "42601",
            f"SQL compilation error:\nInvalid argument types for function '{path[-1]}': it takes {takes}",
        )
    if len(fitting) > 1:
        raise errors.invalid(f"Function call is ambiguous: there are several {full(path)} that take such arguments")
    (thing,) = fitting
    session.need(thing.kind, thing.path, "USAGE")
    return thing


def _takes(arguments: Sequence[Sequence[Any]], count: int, names: Collection[str]) -> bool:
    """Return whether a call with so many arguments, and these names, gives all that have no default."""
    left = arguments[count:]
    known = {each[0] for each in left}
    return count <= len(arguments) and known >= set(names) and all(d is not None or n in names for n, _, d in left)


def _cost(given: str, wanted: str) -> int:
    wanted = family(wanted)
    if given in (wanted, _NULL):
        return 0
    if given == "VARCHAR":
        return _NEVER if wanted in ("ARRAY", "OBJECT", "BINARY") else 30
    return _COSTS.get((given, wanted), {"VARIANT": 10, "VARCHAR": 20}.get(wanted, _NEVER))
