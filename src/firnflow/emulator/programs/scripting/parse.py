"""From the text of a block to what it is made of.

https://docs.snowflake.com/en/sql-reference-snowflake-scripting
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.emulator import errors
from firnflow.emulator.programs.scripting import syntax
from firnflow.emulator.programs.scripting.syntax import Node, Piece
from firnflow.emulator.reader import tokens_of
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from firnflow.targets.snowflake.grammar.tokens import Token

_OF_TRANSACTIONS = frozenset({"TRANSACTION", "WORK", "NAME", ";", ""})
_REFUSED = ("ASYNC", "AWAIT", "CANCEL")
"""Beside others: https://docs.snowflake.com/en/developer-guide/snowflake-scripting/asynchronous-child-jobs"""
_KNOWN = (
    "IF",
    "CASE",
    "FOR",
    "WHILE",
    "REPEAT",
    "LOOP",
    "RETURN",
    "RAISE",
    "EXECUTE IMMEDIATE",
    "LET",
    "OPEN",
    "FETCH",
)


def is_block(tokens: list[Token]) -> bool:
    """Return whether a text is a block, and no BEGIN of a transaction."""
    first = tokens[0].value if tokens[0].sort is Sort.WORD else ""
    return first == "DECLARE" or (first == "BEGIN" and tokens[1].value not in _OF_TRANSACTIONS)


def block_of(text: str) -> syntax.Block | None:
    """Return the block that a text is; None: it is none.

    Raises:
        SnowflakeError: it begins as one and is none.
    """
    tokens = tokens_of(text)
    if not is_block(tokens):
        return None
    parser = _Parser(text, tokens)
    found = parser.block()
    parser.take(";")
    if parser.next.sort is not Sort.END:
        raise parser.unexpected()
    parser.check_jumps()
    return found


def dynamic_of(piece: Piece) -> syntax.Dynamic:
    """Return the EXECUTE IMMEDIATE that a piece is."""
    last = piece.tokens[-1]
    return _Parser(piece.text, [*piece.tokens, last._replace(sort=Sort.SIGN, value=";")]).dynamic()


class _Parser:
    """Reads a block from left to right."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text, self._tokens, self._at = text, tokens, 0
        self._jumps: list[syntax.Jump] = []
        self._readers: dict[str, Callable[[], Node]] = {
            "LET": self._let,
            "IF": self._if,
            "CASE": self._case,
            "FOR": self._for,
            "WHILE": self._while,
            "REPEAT": self._repeat,
            "LOOP": self._loop,
            "RETURN": self._return,
            "RAISE": self._raise,
            "OPEN": self._cursor,
            "FETCH": self._cursor,
            "CLOSE": self._cursor,
            "NULL": self._nothing,
            **dict.fromkeys(("BREAK", "EXIT", "CONTINUE", "ITERATE"), self._jump),
        }

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    def take(self, *words: str) -> bool:
        ahead = self._tokens[self._at : self._at + len(words)]
        plain = all(token.sort in (Sort.WORD, Sort.SIGN) for token in ahead)
        if not plain or [token.value for token in ahead] != list(words):
            return False
        self._at += len(words)
        return True

    def _need(self, *words: str) -> None:
        for word in words:
            if not self.take(word):
                raise self.unexpected()

    def unexpected(self) -> errors.SnowflakeError:
        token = self.next
        line, column = Piece(self._text, [token]).where
        return errors.syntax(self._text[token.start : token.end] or "<EOF>", line, column)

    def check_jumps(self) -> None:
        """Raise SnowflakeError if a BREAK or CONTINUE stands in no loop, or in none with its label."""
        for each in self._jumps:
            raise errors.syntax(each.at.shown, *each.at.where)

    def _is(self, *words: str) -> bool:
        return self.next.sort is Sort.WORD and self.next.value in words

    def _name(self) -> str:
        if self.next.sort not in (Sort.WORD, Sort.QUOTED):
            raise self.unexpected()
        self._at += 1
        return self._tokens[self._at - 1].value

    def _since(self, start: int) -> Piece:
        return Piece(self._text, self._tokens[start : self._at])

    def _until(self, stops: Container[str]) -> Piece:
        """Read up to one of these words or signs, outside of parentheses and CASE … END."""
        start, depth = self._at, 0
        while depth or not (self.next.sort in (Sort.WORD, Sort.SIGN) and self.next.value in stops):
            token = self.next
            if token.sort is Sort.END or (token.value == ";" and token.sort is Sort.SIGN):
                raise self.unexpected()
            if token.sort in (Sort.WORD, Sort.SIGN):
                depth += (token.value in ("(", "CASE")) - (token.value in (")", "END") and depth > 0)
            self._at += 1
        if start == self._at:
            raise self.unexpected()
        return self._since(start)

    def block(self) -> syntax.Block:
        """Read DECLARE … BEGIN … END."""
        start = self._at
        declared = []
        if self.take("DECLARE"):
            while not self._is("BEGIN"):
                declared.append(self._declaration(self._at))
                self._need(";")
        self._need("BEGIN")
        body = self._statements("END", "EXCEPTION")
        handlers = []
        if self.take("EXCEPTION"):
            while self._is("WHEN"):
                handlers.append(self._handler())
        self._need("END")
        return syntax.Block(self._since(start), tuple(declared), body, tuple(handlers))

    def _handler(self) -> syntax.Handler:
        self._need("WHEN")
        names = [self._name()]
        while self.take("OR"):
            names.append(self._name())
        goes_on = self.take("CONTINUE")
        goes_on or self.take("EXIT")
        self._need("THEN")
        return syntax.Handler(tuple(names), self._statements("WHEN", "END"), goes_on)

    def _statements(self, *stops: str) -> tuple[Node, ...]:
        found = []
        while not self._is(*stops):
            found.append(self._statement())
            self._need(";")
        return tuple(found)

    def _statement(self) -> Node:
        if self.next.sort is Sort.WORD:
            ahead = self._tokens[self._at + 1]
            if self._is("DECLARE") or (self._is("BEGIN") and ahead.value not in _OF_TRANSACTIONS):
                return self.block()
            if self._is(*_REFUSED):
                raise errors.unknown(self.next.value, _KNOWN)
            if self._is("EXECUTE") and ahead.value == "IMMEDIATE":
                return self.dynamic()
            if ahead.value == ":" and self._tokens[self._at + 2].value == "=":
                return self._assign()
            if (reader := self._readers.get(self.next.value)) is not None:
                return reader()
        return self._sql()

    def _declaration(self, start: int) -> syntax.Declare:
        """Read a name, a type and a value, as DECLARE and LET have them."""
        name, kind, value = self._name(), None, None
        if self.take("CURSOR", "FOR"):
            kind, value = "CURSOR", self._until((";",))
        elif self.take("EXCEPTION"):
            kind = "EXCEPTION"
            value = self._until((";",)) if not self._ends() else None
        else:
            if not self._ends() and not self._assigns():
                words = self._until_value()
                kind = self._text[words.tokens[0].start : words.tokens[-1].end].upper()
                if kind == "PROCEDURE":
                    raise errors.unknown("a PROCEDURE in a block", ["CREATE PROCEDURE"])
            if self.take("DEFAULT") or self.take(":", "="):
                value = self._until((";",))
        return syntax.Declare(self._since(start), name, kind, value)

    def _ends(self) -> bool:
        return self.next.sort is Sort.SIGN and self.next.value == ";"

    def _assigns(self) -> bool:
        return self._is("DEFAULT") or (self.next.value == ":" and self._tokens[self._at + 1].value == "=")

    def _until_value(self) -> Piece:
        start = self._at
        while not self._ends() and not self._assigns() and self.next.sort is not Sort.END:
            self._at += 1
        return self._since(start)

    def _let(self) -> Node:
        start = self._at
        self._need("LET")
        return self._declaration(start)

    def _assign(self) -> Node:
        start, name = self._at, self._name()
        self._need(":", "=")
        value = self._until((";",))
        return syntax.Assign(self._since(start), name, value)

    def dynamic(self) -> syntax.Dynamic:
        """Read EXECUTE IMMEDIATE."""
        start = self._at
        self._need("EXECUTE", "IMMEDIATE")
        what = self._until(("USING", ";"))
        using = self._list() if self.take("USING") else ()
        return syntax.Dynamic(self._since(start), what, using)

    def _list(self) -> tuple[Piece, ...]:
        self._need("(")
        found = [self._until((",", ")"))]
        while self.take(","):
            found.append(self._until((",", ")")))
        self._need(")")
        return tuple(found)

    def _if(self) -> Node:
        start = self._at
        branches: list[tuple[Piece | None, tuple[Node, ...]]] = []
        self._need("IF")
        while True:
            condition = self._until(("THEN",))
            self._need("THEN")
            branches.append((condition, self._statements("ELSEIF", "ELSE", "END")))
            if not self.take("ELSEIF"):
                break
        if self.take("ELSE"):
            branches.append((None, self._statements("END")))
        self._need("END", "IF")
        return syntax.If(self._since(start), tuple(branches))

    def _case(self) -> Node:
        start = self._at
        self._need("CASE")
        subject = None if self._is("WHEN") else self._until(("WHEN",))
        branches: list[tuple[Piece | None, tuple[Node, ...]]] = []
        while self.take("WHEN"):
            condition = self._until(("THEN",))
            self._need("THEN")
            branches.append((condition, self._statements("WHEN", "ELSE", "END")))
        if self.take("ELSE"):
            branches.append((None, self._statements("END")))
        self._need("END")
        self.take("CASE")
        return syntax.If(self._since(start), tuple(branches), subject)

    def _body(self, *words: str) -> tuple[tuple[Node, ...], str | None]:
        """Read the body of a loop, and the label behind its end."""
        jumps = len(self._jumps)
        body = self._statements("END")
        self._need("END")
        if not any(self.take(word) for word in words):
            raise self.unexpected()
        return body, self._label(jumps)

    def _label(self, jumps: int) -> str | None:
        """Read the label of a loop; of the jumps from this one on, it leaves those that go further."""
        label = None if self._ends() else self._name()
        self._jumps[jumps:] = [each for each in self._jumps[jumps:] if each.label not in (None, label)]
        return label

    def _for(self) -> Node:
        start = self._at
        self._need("FOR")
        name = self._name()
        self._need("IN")
        is_reverse = self.take("REVERSE")
        first = self._until(("TO", "DO", "LOOP"))
        last = self._until(("DO", "LOOP")) if self.take("TO") else None
        if not self.take("DO"):
            self._need("LOOP")
        body, label = self._body("FOR", "LOOP")
        if last is not None:
            return syntax.Count(self._since(start), body, label, name, first, last, is_reverse)
        if len(first.tokens) != 1:
            raise errors.unknown("FOR over what is no cursor or RESULTSET", ["FOR row IN cursor DO"])
        return syntax.Each(self._since(start), body, label, name, first.tokens[0].value)

    def _while(self) -> Node:
        start = self._at
        self._need("WHILE")
        condition = self._until(("DO", "LOOP"))
        if not self.take("DO"):
            self._need("LOOP")
        body, label = self._body("WHILE", "LOOP")
        return syntax.While(self._since(start), body, label, condition)

    def _repeat(self) -> Node:
        start = self._at
        self._need("REPEAT")
        jumps = len(self._jumps)
        body = self._statements("UNTIL")
        self._need("UNTIL")
        condition = self._until(("END",))
        self._need("END", "REPEAT")
        return syntax.While(self._since(start), body, self._label(jumps), condition, is_repeat=True)

    def _loop(self) -> Node:
        start = self._at
        self._need("LOOP")
        body, label = self._body("LOOP")
        return syntax.Loop(self._since(start), body, label)

    def _jump(self) -> Node:
        start, word = self._at, self._name()
        label = None if self._ends() else self._name()
        self._jumps.append(syntax.Jump(self._since(start), word in ("BREAK", "EXIT"), label))
        return self._jumps[-1]

    def _return(self) -> Node:
        start = self._at
        self._need("RETURN")
        if self._ends():
            return syntax.Return(self._since(start))
        is_table = self.take("TABLE")
        value = self._until((";",))
        return syntax.Return(self._since(start), value.inner if is_table else value, is_table)

    def _raise(self) -> Node:
        start = self._at
        self._need("RAISE")
        name = None if self._ends() else self._name()
        return syntax.Raise(self._since(start), name)

    def _nothing(self) -> Node:
        start = self._at
        self._need("NULL")
        return syntax.If(self._since(start), ())

    def _cursor(self) -> Node:
        start, word = self._at, self._name()
        name = self._name()
        using = self._list() if word == "OPEN" and self.take("USING") else ()
        into: tuple[str, ...] = ()
        if word == "FETCH":
            self._need("INTO")
            into = tuple(_variable(piece) for piece in self._items(";"))
        return syntax.Cursor(self._since(start), word, name, using, into)

    def _items(self, *stops: str) -> list[Piece]:
        found = [self._until((",", *stops))]
        while self.take(","):
            found.append(self._until((",", *stops)))
        return found

    def _sql(self) -> Node:
        """Read a statement of SQL; `INTO :a, :b` is taken out of a SELECT or CALL."""
        start = self._at
        before = self._until(("INTO", ";") if self._is("SELECT", "CALL", "WITH") else (";",))
        if not self._is("INTO") or self._tokens[self._at + 1].sort is not Sort.VARIABLE:
            if not self._ends():
                self._until((";",))
            return syntax.Sql(self._since(start), self._since(start))
        self._need("INTO")
        into = tuple(_variable(piece) for piece in self._items("FROM", ";"))
        rest = None if self._ends() else self._until((";",))
        return syntax.Sql(self._since(start), before, into, rest)


def _variable(piece: Piece) -> str:
    """Return the name of a variable that gets a value; the colon before it can be left out."""
    (token, *more) = piece.tokens
    if more or token.sort not in (Sort.WORD, Sort.VARIABLE):
        line, column = piece.where
        raise errors.syntax(piece.text[token.start : token.end], line, column)
    return token.value.lstrip(":").upper()
