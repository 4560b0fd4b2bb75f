"""How a setting or clause of a statement is written, and which value it takes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from firnflow.stores.snowflake.names import identifier
from firnflow.targets.snowflake.grammar.cursor import Cursor
from firnflow.targets.snowflake.grammar.expressions import call_of, expression, type_of
from firnflow.targets.snowflake.grammar.tokens import Sort
from firnflow.targets.snowflake.grammar.values import Body, Code, Column, Name, Options, Pairs, Property, Value, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Form = Literal["=", "", "list", "flag", "call"]
"""`NAME = value`, `NAME value`, `NAME value, value`, `NAME` alone, which is True, or `NAME(…)`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting or clause: how its value is read, and how it is written."""

    read: Callable[[Cursor], Value]
    form: Form = "="


def choice(*words: str) -> Callable[[Cursor], Value]:
    """Return what reads one of these words, in quotes or not."""

    def read(cursor: Cursor) -> Value:
        if cursor.peek().sort is Sort.STRING and cursor.peek().value.upper() in words:
            return Word(cursor.take().value.upper())
        if (found := cursor.one_of(list(words))) is None:
            cursor.fail()
        return Word(found)

    return read


def string(cursor: Cursor) -> Value:
    """Read a string."""
    return cursor.string()


def code(cursor: Cursor) -> Value:
    """Read a string that is a program or a document."""
    return Code(cursor.string())


def integer(cursor: Cursor) -> Value:
    """Read a whole number."""
    return cursor.integer()


def boolean(cursor: Cursor) -> Value:
    """Read TRUE or FALSE, in quotes or not."""
    if cursor.peek().sort is Sort.STRING and cursor.peek().value.upper() in {"TRUE", "FALSE"}:
        return cursor.take().value.upper() == "TRUE"
    return cursor.boolean()


def name(cursor: Cursor) -> Value:
    """Read a name; in a string it is that of the object which the string names."""
    if cursor.peek().sort is Sort.STRING:
        inner = Cursor(cursor.take().value)
        found = inner.name()
        inner.end()
        return found
    return cursor.name()


def text_or_word(cursor: Cursor) -> Value:
    """Read a text that may be written as a word, in capitals: 'X-SMALL', XSMALL."""
    if cursor.peek().sort is Sort.WORD:
        return cursor.word()
    return cursor.string().upper()


def name_as_text(cursor: Cursor) -> Value:
    """Read the name of a column, version or function as it stands in a string, with the quotes that it needs there."""
    return cursor.string() if cursor.peek().sort is Sort.STRING else identifier(cursor.part())


def lag(cursor: Cursor) -> Value:
    """Read a lag: a text, or DOWNSTREAM."""
    return Word("DOWNSTREAM") if cursor.accept("DOWNSTREAM") else cursor.string()


def number_as_text(cursor: Cursor) -> Value:
    """Read a version of Python, which may stand there as a number."""
    return cursor.take().value if cursor.peek().sort is Sort.NUMBER else cursor.string()


def word(cursor: Cursor) -> Value:
    """Read a word, in quotes or not."""
    return Word(cursor.string().upper() if cursor.peek().sort is Sort.STRING else cursor.word())


def version(cursor: Cursor) -> Value:
    """Read the name of a version: a name, or a string of it."""
    if cursor.peek().sort is Sort.STRING:
        return Name((cursor.take().value,))
    return Name((cursor.part(),))


def location(cursor: Cursor) -> Value:
    """Read a place of files."""
    return cursor.location()


def body(cursor: Cursor) -> Value:
    """Read the statement that is left."""
    return Body(cursor.rest())


def condition(cursor: Cursor) -> Value:
    """Read an expression."""
    return expression(cursor)


def returned(cursor: Cursor) -> Value:
    """Read what a procedure or function returns: a type, or `TABLE (name type, …)`."""
    if (cursor.peek().sort, cursor.peek().value) != (Sort.WORD, "TABLE"):
        return Word(type_of(cursor))
    return Word(f"TABLE ({', '.join(f'{identifier(each.name)} {each.type}' for each in table_columns(cursor))})")


def table_columns(cursor: Cursor) -> tuple[Column, ...]:
    """Read `TABLE (name type, …)`."""
    cursor.expect("TABLE")
    return cursor.in_parentheses(argument)


def flag(_: Cursor) -> Value:
    """Read nothing: that the clause is there says all."""
    return True


def moment(word: str) -> Rule:
    """Return the rule of `AT(TIMESTAMP => …)` and `BEFORE(…)`, whose value is a call."""
    return Rule(lambda cursor: call_of(cursor, Name((word,))), "call")


def in_list(read: Callable[[Cursor], Value]) -> Callable[[Cursor], Value]:
    """Return what reads values between commas."""
    return lambda cursor: cursor.listed(read)


def in_parentheses(read: Callable[[Cursor], Value]) -> Callable[[Cursor], Value]:
    """Return what reads values between commas, in parentheses."""
    return lambda cursor: cursor.in_parentheses(read)


def pair_of_names(cursor: Cursor) -> tuple[Name | str, Name | str]:
    """Read `name = 'text'`, `'text' = name` or `'text' = 'text'`."""
    sides = []
    for sign in ("=", None):
        sides.append(cursor.string() if cursor.peek().sort in {Sort.STRING, Sort.DOLLARS} else cursor.name())
        if sign:
            cursor.expect(sign)
    return sides[0], sides[1]


def pairs(cursor: Cursor) -> Pairs:
    """Read `(name = 'text', …)`."""
    return Pairs(cursor.in_parentheses(pair_of_names))


def pair_list(cursor: Cursor) -> Value:
    """Read `name = 'text', …`."""
    return Pairs(cursor.listed(pair_of_names))


def scalar(cursor: Cursor) -> Value:
    """Read a number, a truth value, a string or a word: the value of a parameter."""
    token = cursor.peek()
    if token.sort is Sort.NUMBER:
        cursor.take()
        return int(token.value) if token.value.isdigit() else Decimal(token.value)
    if token.sort is Sort.WORD:
        return cursor.boolean() if token.value in {"TRUE", "FALSE"} else Word(cursor.word())
    return cursor.string()


def options(cursor: Cursor) -> Value:
    """Read settings in parentheses, `(ENABLE = TRUE, …)`, with or without commas."""
    cursor.expect("(")
    found: dict[str, Value] = {}
    while not cursor.accept(")"):
        key = cursor.word()
        cursor.expect("=")
        found[key] = in_parentheses(scalar)(cursor) if cursor.at("(") else scalar(cursor)
        cursor.accept(",")
    return Options(tuple(found.items()))


def column(cursor: Cursor) -> Column:
    """Read a column: its name and, where they stand there, its type, comment and tags."""
    found = cursor.part()
    kind = None
    if cursor.peek().sort is Sort.WORD and cursor.peek().value not in {"COMMENT", "WITH", "TAG", "NOT"}:
        kind = type_of(cursor)
    comment, tags = None, None
    while (clause := cursor.one_of(["COMMENT", "WITH TAG", "TAG"])) is not None:
        if clause == "COMMENT":
            comment = cursor.string()
        else:
            tags = pairs(cursor)
    return Column(found, kind, comment, tags)


def argument(cursor: Cursor) -> Column:
    """Read an argument of a procedure: its name, its type and its default."""
    found, kind = cursor.part(), type_of(cursor)
    return Column(found, kind, default=expression(cursor) if cursor.accept("DEFAULT") else None)


def read_properties(cursor: Cursor, rules: Mapping[str, Rule], *, once: bool = False) -> tuple[Property, ...]:
    """Return the settings that stand here, each once, in any order, with or without commas between.

    Args:
        cursor: where.
        rules: lead → how it goes on.
        once: whether at least one has to stand here.
    """
    found: dict[str, Property] = {}
    leads = {lead: lead for lead in rules} | ({"WITH TAG": "TAG"} if "TAG" in rules else {})
    while (lead := cursor.one_of([each for each in leads if leads[each] not in found])) is not None:
        found[leads[lead]] = Property(leads[lead], read_value(cursor, rules[leads[lead]]))
        cursor.accept(",")
    if once and not found:
        cursor.fail()
    return tuple(found.values())


def read_value(cursor: Cursor, rule: Rule) -> Value:
    """Return the value of a setting whose lead was read."""
    if rule.form == "=":
        cursor.expect("=")
    return rule.read(cursor)
