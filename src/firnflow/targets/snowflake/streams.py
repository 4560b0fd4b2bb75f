"""Streams on tables and views of others: found, made and dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.errors import UsageError
from firnflow.stores.snowflake.names import identifier, literal
from firnflow.targets.snowflake.grammar import ParseError, read_name, render_name
from firnflow.targets.snowflake.grammar.statements import Create, Drop
from firnflow.targets.snowflake.grammar.values import Name, Property

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.compile.place import Place
    from firnflow.targets.snowflake.compile.triggers import Stream


class Streams:
    """A stream of an environment.

    Args:
        account: where it is.
        place: in which schema.
        name: its name there.
        wanted: what it should be; None: nothing says so any more.
    """

    def __init__(self, account: Account, place: Place, name: str, wanted: Stream | None) -> None:
        self._account, self._place, self._name, self._wanted = account, place, place.named(name), wanted
        self.text = self._text(wanted.kind, render_name(wanted.on), place.mark) if wanted is not None else ""

    def found(self) -> tuple[str, bool] | None:
        """Return what is there, and whether it is ours. One that is stale tells of nothing any more."""
        rows = self._account.show("STREAMS", self._place.schema_name, like=self._name.last.replace("\\", "_"))
        row = next((row for row in rows if row["name"] == self._name.last), None)
        if row is None:
            return None
        stale = "  stale\n" if str(row.get("stale")).lower() == "true" else ""
        text = self._text(str(row.get("source_type")).upper(), _plain(str(row["table_name"])), row["comment"])
        return stale + text, self._place.is_marked(row["comment"])

    def put(self) -> None:
        """Make it, or make it anew: it tells of changes from now on. One that is there as it should be stays."""
        assert self._wanted is not None  # noqa: S101 - only what is wanted is put
        there = self.found()
        if there is None or there[0] != self.text:
            on, comment = Property(f"ON {self._wanted.kind}", self._wanted.on), Property("COMMENT", self._place.mark)
            self._account.do(Create("STREAM", self._name, (on, comment), ("OR REPLACE",)))

    def drop(self) -> None:
        """Drop it."""
        self._account.do(Drop("STREAM", self._name, if_exists=True))

    def _text(self, kind: str, on: str, comment: object) -> str:
        return f"stream {render_name(self._name)}\n  on {kind.lower()} {on}\n  comment {comment}"


def check_tracked(account: Account, streams: Iterable[Stream]) -> None:
    """Check that changes of tables and views are tracked, or that the role may have them tracked.

    https://docs.snowflake.com/en/user-guide/streams-manage: the owner's first stream on a table turns it on.

    Raises:
        UsageError: nobody tracks one, and it is somebody else's.
    """
    role = ""
    for each in streams:
        schema, like = render_name(Name(each.on.parts[:-1])), literal(each.on.last.replace("\\", "_"))
        rows = account.query(f"SHOW {each.kind}S LIKE {like} IN SCHEMA {schema}")
        row: dict[str, Any] = next((row for row in rows if row["name"] == each.on.last), {})
        if str(row.get("change_tracking") or "ON").upper() == "ON":  # of what SHOW does not tell, CREATE STREAM does
            continue
        role = role or str(account.one("SELECT CURRENT_ROLE()"))
        if row.get("owner") != role:
            kind, name = each.kind, render_name(each.on)
            raise UsageError(
                f"source {each.source!r}: nobody tracks the changes of {kind.lower()} {name}, which role {role} does "
                f"not own. Mend: its owner ({identifier(str(row.get('owner')))}) runs ALTER {kind} {name} SET "
                "CHANGE_TRACKING = TRUE"
            )


def _plain(text: str) -> str:
    try:
        return render_name(read_name(text))
    except ParseError:
        return text
