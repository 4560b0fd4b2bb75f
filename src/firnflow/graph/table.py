"""`table`: a named table as an input of a pipeline; `publish`: what a task returns as a table's next version."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from firnflow._text import listing, nearest
from firnflow.graph.annotations import readable
from firnflow.graph.builder import current
from firnflow.graph.names import NAME
from firnflow.graph.placeholders import Placeholder
from firnflow.graph.rules import Checks
from firnflow.graph.types import is_table
from firnflow.graph.where import Place, fail, here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firnflow.graph.placeholders import Output

TABLE_KEY: Final = "firnflow:table"
"""The key of a node that reads the named table of its constant input `name`."""
PUBLISH_KEY: Final = "firnflow:publish"
"""The key of a node that publishes its input `data` under the name of its constant input `name`."""
CHECK_KEY: Final = "firnflow:check"
"""The key of a node that holds its input `data` against the rules in its input `checks`."""

Mode = Literal["replace", "append", "partition"]
MODES: Final = get_args(Mode)
_TICK = 0.001  # seconds: what was committed at the moment counts, and Iceberg counts milliseconds
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def table(name: str, version: int | None = None, as_of: str | None = None) -> Any:
    """Return a named table as an input for tasks that take a table: as it is when the run starts, or as it was.

    Args:
        name: of the table.
        version: its number; default: the newest.
        as_of: a day, which stands for its end, or a moment (`2026-01-31T12:00`): the version that was the newest then.
            Without an offset (`+01:00`) it is UTC.

    Raises:
        GraphError: not in a pipeline, or an argument is wrong.
    """
    builder, place = current(), here()
    if builder is None:
        fail(f"table {name!r}: belongs in a pipeline", place, "In a test, call the task with a table of your own.")
    _check_name(name, place)
    if version is not None and as_of is not None:
        fail(f"table {name!r}: takes a version or a moment, not both", place)
    if version is not None:
        _check_version(name, version, place)
    if as_of is not None:
        _check_moment(name, as_of, place)
    return builder.table(name, version, as_of, TABLE_KEY)


def publish(
    output: Output,
    name: str,
    mode: Mode,
    key: str | Sequence[str] | None,
    partition: str | Sequence[str] | None,
) -> Any:
    """Add the task that publishes what a task returns; see `Output.publish`."""
    place = here()
    _check_table(output, name, place)
    if mode not in MODES:
        known = nearest(str(mode), MODES) or f" It is one of {', '.join(MODES)}."
        fail(f"table {name!r}: mode={mode!r} is no way to publish", place, known)
    columns = {"key": _columns(name, "key", key, place), "partition": _columns(name, "partition", partition, place)}
    if mode == "partition" and not columns["partition"]:
        fail(f"table {name!r}: mode='partition' replaces partitions by a column", place, "Name it: `partition='day'`.")
    given = {argument: names for argument, names in columns.items() if names}
    return output._builder.publish(output, name, mode, given, PUBLISH_KEY)  # noqa: SLF001


def check(output: Output, name: str, checks: Any, moment: Any, references: Mapping[str, Any] | None) -> Output:
    """Add the task that checks what a task returns before it is published; see `Output.publish`."""
    place = here()
    _check_table(output, name, place)
    if not isinstance(checks, Checks | Placeholder):
        hint = "Write `ff.Checks(…)`."
        fail(f"table {name!r}: checks= is a {type(checks).__name__}, no rules", place, hint)
    given = dict(references or {})
    for each in given:
        if isinstance(checks, Checks) and each not in checks.referenced:
            known = f"They name: {listing(checks.referenced)}."
            fail(f"table {name!r}: no rule references {each!r}", place, nearest(each, checks.referenced) or known)
    return output._builder.check(output, name, checks, moment, given, CHECK_KEY)  # noqa: SLF001


def parse_moment(text: str) -> float:
    """Return the moment before which a version must have been committed, in seconds since 1970.

    A day is the end of that day; what has no offset is UTC. Raises ValueError.
    """
    if _DAY.fullmatch(text):
        return (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) + dt.timedelta(days=1)).timestamp()
    moment = dt.datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp() + _TICK


def _check_name(name: Any, place: Place) -> None:
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        fail(f"table {name!r}: a name is letters, digits and `_`, a letter first", place)


def _check_table(output: Output, name: str, place: Place) -> None:
    _check_name(name, place)
    annotation = output._annotation  # noqa: SLF001 - placeholders have no public attributes
    if not is_table(annotation):
        fail(
            f"table {name!r}: only a table can be published, but {output!r} is {readable(annotation)}",
            place,
            "Let a task join a list of tables into one." if "list[" in readable(annotation) else "",
        )


def _check_version(name: str, version: Any, place: Place) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        fail(f"table {name!r}: version={version!r} is no version", place, "They are 1, 2, 3, …")


def _check_moment(name: str, as_of: Any, place: Place) -> None:
    try:
        parse_moment(as_of)
    except (TypeError, ValueError, OverflowError):
        fail(f"table {name!r}: as_of={as_of!r} is no moment", place, 'Write "2026-01-31" or "2026-01-31T12:00+01:00".')


def _columns(name: str, argument: str, given: Any, place: Place) -> list[str]:
    """Return the names of columns, of which one may be written without a list."""
    columns = [given] if isinstance(given, str) else list(given or ())
    if not all(isinstance(each, str) and each for each in columns) or len(set(columns)) < len(columns):
        fail(f"table {name!r}: {argument}={given!r} is no name of a column, and no list of such", place)
    return columns
