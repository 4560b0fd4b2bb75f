"""Expressions: conditions of tasks, arguments of procedures.

https://docs.snowflake.com/en/sql-reference/sql/create-task (WHEN), https://docs.snowflake.com/en/sql-reference/sql/call,
https://docs.snowflake.com/en/sql-reference/operators
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from firnflow.targets.snowflake.grammar.tokens import Sort
from firnflow.targets.snowflake.grammar.values import (
    Call,
    Cast,
    Constant,
    Expression,
    Fields,
    Items,
    Method,
    Name,
    Operation,
    Variable,
)

if TYPE_CHECKING:
    from firnflow.targets.snowflake.grammar.cursor import Cursor

_COMPARED = ("=", "<>", "!=", "<=", ">=", "<", ">", "LIKE", "ILIKE")
LEVELS = (("OR",), ("AND",), _COMPARED, ("||", "+", "-"), ("*", "/", "%"))
"""Operators between two, those that bind least first; NOT stands between AND and the comparisons."""
_COMPARISONS = 2
_WORDS = {"NULL": None, "TRUE": True, "FALSE": False}


def expression(cursor: Cursor, level: int = 0) -> Expression:
    """Return the expression that stands here."""
    if level == len(LEVELS):
        return _cast(cursor)
    if level == _COMPARISONS and cursor.accept("NOT"):
        return Operation("NOT", (expression(cursor, level),))
    left = expression(cursor, level + 1)
    while True:
        if operator := cursor.one_of(LEVELS[level]):
            left = Operation("<>" if operator == "!=" else operator, (left, expression(cursor, level + 1)))
        elif level == _COMPARISONS and (test := _test(cursor, left)):
            left = test
        else:
            return left


def _test(cursor: Cursor, left: Expression) -> Operation | None:
    """Return IS NULL or IN of what stands before it; None: neither follows."""
    if found := cursor.one_of(["IS NULL", "IS NOT NULL"]):
        return Operation(found, (left,))
    if found := cursor.one_of(["IN", "NOT IN"]):
        return Operation(found, (left, *cursor.in_parentheses(expression)))
    return None


def _cast(cursor: Cursor) -> Expression:
    value = _atom(cursor)
    while cursor.accept("::"):
        value = Cast(value, type_of(cursor))
    return value


def _atom(cursor: Cursor) -> Expression:
    if cursor.accept("("):
        value = expression(cursor)
        cursor.expect(")")
        return value
    if cursor.accept("["):
        items = () if cursor.at("]") else cursor.listed(expression)
        cursor.expect("]")
        return Items(items)
    if cursor.accept("{"):
        fields = () if cursor.at("}") else cursor.listed(_field)
        cursor.expect("}")
        return Fields(fields)
    if cursor.accept("-"):
        if cursor.peek().sort is Sort.NUMBER:
            return Constant(-_number(cursor.take().value))
        return Operation("-", (_cast(cursor),))
    return _simple(cursor)


def _simple(cursor: Cursor) -> Expression:
    token = cursor.peek()
    if token.sort in {Sort.STRING, Sort.DOLLARS}:
        return Constant(cursor.take().value)
    if token.sort is Sort.NUMBER:
        return Constant(_number(cursor.take().value))
    if token.sort is Sort.VARIABLE:
        return Variable(cursor.take().value)
    if token.sort is Sort.WORD and token.value in _WORDS:
        cursor.take()
        return Constant(_WORDS[token.value])
    if token.sort not in {Sort.WORD, Sort.QUOTED}:
        cursor.fail("an expression")
    return named(cursor)


def _number(text: str) -> int | Decimal:
    return int(text) if text.isdigit() else Decimal(text)


def named(cursor: Cursor) -> Name | Call | Method:
    """Return a name, the call of a function, or the call of a method of what has a name."""
    name = cursor.name()
    value: Name | Call = call_of(cursor, name) if cursor.at("(") else name
    if cursor.accept("!"):
        return Method(value, call_of(cursor, Name((cursor.part(),))))
    return value


def call_of(cursor: Cursor, name: Name) -> Call:
    """Return the call of a function whose arguments stand here."""
    arguments = cursor.in_parentheses(_argument)
    by_name = [each for each in arguments if isinstance(each, tuple)]
    plain = [each for each in arguments if not isinstance(each, tuple)]
    if by_name and not isinstance(arguments[-1], tuple):
        cursor.fail("arguments with names behind those without")
    return Call(name, tuple(plain), tuple(by_name))


def _argument(cursor: Cursor) -> Expression | tuple[str, Expression]:
    value = expression(cursor)
    if isinstance(value, Name) and len(value.parts) == 1 and cursor.accept("=>"):
        return value.last, expression(cursor)
    return value


def _field(cursor: Cursor) -> tuple[str, Expression]:
    key = cursor.string()
    token = cursor.peek()
    if token.sort is Sort.VARIABLE and token.value.startswith(":"):  # `{'a':b}` has none
        cursor.go(token.start + 1)
    else:
        cursor.expect(":")
    return key, expression(cursor)


def type_of(cursor: Cursor) -> str:
    """Return a type of data, in capitals: `NUMBER(38,0)`, `DOUBLE PRECISION`, `ARRAY(VARCHAR)`.

    https://docs.snowflake.com/en/sql-reference/intro-summary-data-types
    """
    name = cursor.word()
    if name == "DOUBLE" and cursor.accept("PRECISION"):
        name = "DOUBLE PRECISION"
    if not cursor.at("("):
        return name
    return f"{name}({', '.join(cursor.in_parentheses(_type_argument))})"


def _type_argument(cursor: Cursor) -> str:
    return str(cursor.integer()) if cursor.peek().sort is Sort.NUMBER else type_of(cursor)
