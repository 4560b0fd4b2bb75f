"""The variables of a block, and statements with their values.

https://docs.snowflake.com/en/developer-guide/snowflake-scripting/variables: in a statement of SQL a variable has a
colon before its name; in other expressions it needs none.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.stores.snowflake.names import literal
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from firnflow.emulator.programs.scripting.syntax import Piece
    from firnflow.emulator.result import Result
    from firnflow.targets.snowflake.grammar.tokens import Token

_SEMISTRUCTURED = {"variant": "VARIANT", "object": "OBJECT", "array": "ARRAY"}


@dataclass
class Variable:
    """A variable: its value, what the protocol calls its type, and the type that it was declared with."""

    value: Any = None
    sort: str = "text"
    type: str | None = None


@dataclass
class Rows:
    """A RESULTSET, or a cursor: what it reads, what that has given, and how many rows were fetched."""

    query: Piece | None = None
    of: str | None = None
    result: Result | None = None
    fetched: int = 0


@dataclass
class Record:
    """A row of a loop over rows."""

    fields: dict[str, Variable]


@dataclass
class Trouble:
    """An exception that was declared: https://docs.snowflake.com/en/developer-guide/snowflake-scripting/exceptions."""

    number: int = -20000
    message: str = ""


@dataclass
class Scope:
    """What names mean in a block; those of the blocks around it count too."""

    above: Scope | None = None
    names: dict[str, Any] = field(default_factory=dict)

    def find(self, name: str) -> Any:
        """Return what a name means, or None."""
        if name in self.names:
            return self.names[name]
        return self.above.find(name) if self.above else None

    def need(self, name: str, kind: type[Any]) -> Any:
        """Return what a name means.

        Raises:
            SnowflakeError: it means nothing, or something else.
        """
        found = self.find(name)
        if not isinstance(found, kind):
            raise errors.SnowflakeError(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'")
        return found


def filled(piece: Piece, scope: Scope, *, plainly: bool = False) -> str:
    """Return the text of a piece with values in the places of variables.

    Args:
        piece: an expression, or a statement of SQL.
        scope: what names mean.
        plainly: also names without a colon, but for those in a SELECT within.

    Raises:
        SnowflakeError: a name with a colon means nothing, or no value.
    """
    parts, at, ends = [], piece.tokens[0].start, 0
    depth, select = 0, 0
    for number, token in enumerate(piece.tokens):
        if token.sort is Sort.SIGN:
            depth += (token.value == "(") - (token.value == ")")
            select = select if depth >= select else 0
        if token.sort is Sort.WORD and token.value == "SELECT" and not select:
            select = depth or 1
        before = piece.tokens[number - 1] if number else None
        if token.start < ends or not _is_variable(token, before, plainly=plainly and not select):
            continue
        found, ends = _meant(piece, number, scope)
        if found is not None:
            parts += [piece.text[at : token.start], found]
            at = ends
    return "".join([*parts, piece.text[at : piece.tokens[-1].end]])


def _is_variable(token: Token, before: Token | None, *, plainly: bool) -> bool:
    """Return whether a token can be a variable: `v:name` is a part of a value instead, `t.name` a column."""
    if token.sort is Sort.VARIABLE and token.value.startswith(":"):
        beside = before is not None and before.end == token.start
        is_path = beside and before is not None and (before.sort is not Sort.SIGN or before.value in (")", "]"))
        return not is_path
    is_part = before is not None and before.value == "." and before.sort is Sort.SIGN
    return plainly and token.sort is Sort.WORD and not is_part


def _meant(piece: Piece, number: int, scope: Scope) -> tuple[str | None, int]:
    """Return the value of a name as a constant, and where it ends; None: it is no variable."""
    token, behind = piece.tokens[number], piece.tokens[number + 1 : number + 3]
    name = token.value.lstrip(":").upper()
    found = scope.find(name)
    if token.sort is Sort.WORD and behind and behind[0].value == "(":
        return None, token.end
    if isinstance(found, Record) and len(behind) == 2 and behind[0].value == ".":
        return constant(_field(found, behind[1])), behind[1].end
    if isinstance(found, Variable):
        return constant(found), token.end
    if token.sort is Sort.WORD:
        return None, token.end
    raise errors.SnowflakeError(2049, "42601", f"SQL compilation error:\nBind variable :{name} not set.")


def _field(record: Record, token: Token) -> Variable:
    if token.value not in record.fields:
        raise errors.SnowflakeError(
            904, "42000", f"SQL compilation error:\ninvalid identifier '{token.value}': the row has {[*record.fields]}"
        )
    return record.fields[token.value]


def constant(variable: Variable) -> str:
    """Return a value as a constant of SQL."""
    value, sort = variable.value, variable.sort
    if value is None:
        return "NULL" if variable.type is None else f"NULL::{variable.type}"
    if sort in _SEMISTRUCTURED:
        return f"PARSE_JSON({literal(str(value))})::{_SEMISTRUCTURED[sort]}"
    if isinstance(value, str) and variable.type is not None and sort != "text":
        return f"{literal(value)}::{variable.type}"
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{literal(str(value))}::FLOAT"
    if isinstance(value, int | Decimal):
        return f"({value})" if value < 0 else str(value)
    if isinstance(value, bytes):
        return f"TO_BINARY({literal(value.hex())}, 'HEX')"
    kind = {dt.date: "::DATE", dt.time: "::TIME"}.get(type(value), "")
    if isinstance(value, dt.datetime):
        kind = "::TIMESTAMP_NTZ(9)" if value.tzinfo is None else "::TIMESTAMP_TZ"
    return literal(str(value)) + kind
