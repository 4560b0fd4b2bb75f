"""What stands in statements: names, words, places of files, expressions. Two are equal where they mean the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier of one to three parts, each as Snowflake keeps it: `my_db."My schema".t` is MY_DB, My schema, T.

    `bound` is the variable in `IDENTIFIER(?)`, where the name is not in the text; an empty part is the schema that
    `db..table` leaves out.
    """

    parts: tuple[str, ...]
    bound: str | None = None

    @property
    def last(self) -> str:
        """The object's own name, without those of its database and schema."""
        return self.parts[-1]


@dataclass(frozen=True, slots=True)
class Word:
    """A word that stands for itself, in capitals: `NO_OVERLAP`."""

    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """A statement or block that stands in another one, as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """The source of a procedure, or another text that is written in dollars."""

    text: str


@dataclass(frozen=True, slots=True)
class Location:
    """Files of a stage: `@db.s.stage/path`, `@~/path` (the user's) or `@%table/path` (the table's).

    Attributes:
        stage: the stage or, where `of` is `%`, the table; None for the user's stage.
        path: below it, without a slash before it.
        of: `%` for a table's stage, `~` for the user's, else empty.
    """

    stage: Name | None
    path: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Uri:
    """A place that is no stage: `file:///tmp/x` or `snow://model/m/versions/v/`."""

    text: str


@dataclass(frozen=True, slots=True)
class Property:
    """A setting or clause of a statement, by its name in capitals."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Options:
    """Settings in parentheses: `(TYPE = 'SNOWFLAKE_SSE')`."""

    entries: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names or texts with what belongs to each: `(team = 'a', "Cost" = 'b')`, `('Authorization' = 'x')`."""

    entries: tuple[tuple[Name | str, Name | str], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, or an argument of a procedure; the type is in capitals."""

    name: str
    type: str | None = None
    comment: str | None = None
    tags: Pairs | None = None
    default: Expression | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, number, truth value or NULL in an expression."""

    value: str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Variable:
    """`?`, `:1`, `%s`, `$name`: what is given beside the statement."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; those with names are (name, value)."""

    name: Name
    arguments: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """`object!METHOD(…)`: a method of a model, job or other instance; `object` may end in a version: `MODEL(m, v)`."""

    of: Name | Call
    call: Call


@dataclass(frozen=True, slots=True)
class Operation:
    """`=`, `AND`, `NOT`, `+`, `IN`, `IS NULL` … and what it stands between."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """`value::type`."""

    value: Expression
    type: str


@dataclass(frozen=True, slots=True)
class Items:
    """`[1, 2]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """`{'a': 1}`."""

    fields: tuple[tuple[str, Expression], ...]


Expression: TypeAlias = Constant | Variable | Name | Call | Method | Operation | Cast | Items | Fields
Value: TypeAlias = (
    "str | int | Decimal | bool | Name | Word | Body | Code | Location | Uri | Options | Pairs | Expression "
    "| tuple[Value, ...] | tuple[Column, ...]"
)
