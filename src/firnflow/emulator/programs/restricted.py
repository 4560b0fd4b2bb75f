"""What the Python of a procedure or function may not do, in the process that executes its handler.

https://docs.snowflake.com/en/developer-guide/stored-procedure/python/procedure-python-limitations: no PUT and GET, for
which Snowpark's `session.file` is there. https://docs.snowflake.com/en/sql-reference/transactions: AUTOCOMMIT is not
changed. https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-packages: what can be imported is what
PACKAGES names, with what that needs. There is no way to another session, as there is none to the network.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec

    from packaging.requirements import Requirement

_REFUSED = re.compile(r"\s*(PUT|GET)\s|\s*ALTER\s+SESSION\s.*\bAUTOCOMMIT\b", re.IGNORECASE | re.DOTALL)
_ALWAYS = ("packaging", "setuptools", "wheel")
"""What comes with any of Snowflake's Pythons."""


def modules() -> Mapping[str, Sequence[str]]:
    """Return top-level module → the distributions that have it, of all that are installed; this takes a moment."""
    return metadata.packages_distributions()


def hide(packages: Sequence[str], known: Mapping[str, Sequence[str]]) -> Callable[[], None]:
    """Let this process import no more than packages bring.

    Args:
        packages: what PACKAGES says.
        known: what `modules` has returned.

    Returns:
        What gives it all modules again.
    """
    before = (list(sys.meta_path), dict(sys.modules))
    hidden = _Hidden(packages, known)
    sys.meta_path[:] = [_Finder(each, hidden) for each in sys.meta_path]
    loaded = {name for name in list(sys.modules) if name in hidden}
    for name in [name for name in sys.modules if name.partition(".")[0] in loaded]:
        del sys.modules[name]

    def lift() -> None:
        sys.meta_path[:] = before[0]
        sys.modules.update(before[1])

    return lift


def restrict(session: Any) -> None:
    """Let this process send no more than a procedure may, and only by its session of Snowpark's."""
    _guard(session, "sql", "query")
    own = session.connection.cursor

    def cursor(*kinds: Any) -> Any:
        made = own(*kinds)
        _guard(made, "execute", "command")
        return made

    session.connection.cursor = cursor
    import snowflake.connector

    snowflake.connector.connect = _no_session


def _guard(thing: Any, name: str, first: str) -> None:
    """Have a method refuse statements that a procedure may not send; `first` is how its first argument is called."""
    own: Callable[..., Any] = getattr(thing, name)

    def send(*arguments: Any, **options: Any) -> Any:
        text = arguments[0] if arguments else options.get(first, "")
        if _REFUSED.match(text):
            from snowflake.connector.errors import ProgrammingError

            raise ProgrammingError(msg=f"Unsupported statement in a stored procedure: {text[:80]}", errno=2141)
        return own(*arguments, **options)

    setattr(thing, name, send)


def _no_session(*_: object, **__: object) -> Any:
    from snowflake.connector.errors import OperationalError

    raise OperationalError(msg="a stored procedure reaches no network, and has the session that it was given")


class _Hidden:
    """The modules of distributions that are installed here, and that PACKAGES does not bring."""

    def __init__(self, packages: Sequence[str], known: Mapping[str, Sequence[str]]) -> None:
        self._packages, self._known = packages, known
        self._there: set[str] | None = None

    def __contains__(self, name: str) -> bool:
        if "." in name or name not in self._known:
            return False
        if self._there is None:
            self._there = _brought(self._packages)
        return self._there.isdisjoint(map(_plain, self._known[name]))


class _Finder:
    """What finds modules as another finder does, but for hidden ones that do not come with the handler."""

    def __init__(self, own: Any, hidden: _Hidden) -> None:
        self._own, self._hidden = own, hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def find_spec(self, name: str, *where: Any) -> ModuleSpec | None:
        found: ModuleSpec | None = self._own.find_spec(name, *where)
        return None if found is not None and not _is_own(found) and name in self._hidden else found


def _is_own(spec: ModuleSpec) -> bool:
    """Return whether a module comes with the handler: from a folder that it has put on the path itself."""
    origin = Path(spec.origin) if spec.origin else None
    return origin is not None and not any(origin.is_relative_to(each) for each in (sys.prefix, sys.base_prefix))


def _brought(packages: Iterable[str]) -> set[str]:
    """Return the distributions that packages are, with all that they need."""
    from packaging.requirements import Requirement

    found, queue = set[str](), [Requirement(each) for each in (*packages, *_ALWAYS)]
    asked = set[tuple[str, frozenset[str]]]()
    while queue:
        wanted = queue.pop()
        key = (_plain(wanted.name), frozenset(wanted.extras))
        if key in asked:
            continue
        asked.add(key)
        found.add(key[0])
        try:
            needs = metadata.requires(wanted.name) or []
        except metadata.PackageNotFoundError:
            continue
        queue += [each for each in map(Requirement, needs) if _is_needed(each, wanted.extras)]
    return found


def _is_needed(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _plain(name: str) -> str:
    """Return the name of a distribution as all its ways of writing have it."""
    return re.sub(r"[-_.]+", "-", name).lower()
