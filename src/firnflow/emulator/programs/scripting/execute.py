"""Running a block: https://docs.snowflake.com/en/developer-guide/snowflake-scripting/index ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from firnflow._sql import identifier
from firnflow.emulator import dispatch, errors
from firnflow.emulator.programs.scripting import parse, syntax
from firnflow.emulator.programs.scripting.raising import ALWAYS, Raised, raised, uncaught
from firnflow.emulator.programs.scripting.scope import Record, Rows, Scope, Trouble, Variable, filled
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from firnflow.emulator.session import Session

_COUNTED = 0x3000
"""From here on the numbers of statements say that rows were changed."""


class _Jumped(Exception):
    def __init__(self, jump: syntax.Jump) -> None:
        super().__init__()
        self.is_break, self.label = jump.is_break, jump.label


class _Returned(Exception):
    def __init__(self, result: Result | None) -> None:
        super().__init__()
        self.result = result


class Run:
    """One run of a block.

    Args:
        session: whose.
        head: the name of the column of its answer.
        returns: the type of its answer; None: what it is.
    """

    def __init__(self, session: Session, head: str, returns: str | None = None) -> None:
        self._session, self._head, self._returns = session, head, returns

    def block(self, block: syntax.Block, variables: dict[str, Any]) -> Result:
        """Run a block, and return its answer.

        Raises:
            SnowflakeError: an exception that nothing in it handles, or a transaction that has begun and not ended.
        """
        with self._session.scoped():
            try:
                self._block(block, Scope(names={**_counted(None), **variables}))
            except _Returned as found:
                if found.result is not None:
                    return found.result
            except Raised as error:
                raise uncaught(error) from error
            return rows([(self._head, "text")], [(None,)])

    def _block(self, block: syntax.Block, above: Scope) -> None:
        scope = Scope(above)
        for each in block.declared:
            self._declare(each, scope)
        for node in block.body:
            try:
                self._node(node, scope)
            except Raised as error:
                handler = self._handler(block, error, scope)
                if handler is None:
                    raise
                self._handle(handler, error, scope)
                if not handler.goes_on:
                    return

    def _handler(self, block: syntax.Block, error: Raised, scope: Scope) -> syntax.Handler | None:
        """Return the first handler for an exception; a name means what was declared, or a kind of error."""
        for handler in block.handlers:
            for name in handler.names:
                known = scope.find(name)
                if name == "OTHER" or (name == error.name and (known is error.trouble or name in ALWAYS)):
                    return handler
        return None

    def _handle(self, handler: syntax.Handler, error: Raised, scope: Scope) -> None:
        told = {
            "SQLCODE": Variable(error.number, "fixed"),
            "SQLERRM": Variable(error.message),
            "SQLSTATE": Variable(error.state),
        }
        inner = Scope(scope, {**told, "": error})
        for node in handler.body:
            self._node(node, inner)

    def _nodes(self, nodes: Sequence[syntax.Node], scope: Scope) -> None:
        for node in nodes:
            self._node(node, scope)

    def _node(self, node: syntax.Node, scope: Scope) -> None:
        """Run a statement.

        Raises:
            Raised: it failed, or raises.
            SnowflakeError: the run was cancelled.
        """
        self._session.go_on()
        with raised(node):
            self._RUN[type(node)](self, node, scope)

    # -- variables ----------------------------------------------------------------------------------------------------

    def _declare(self, node: syntax.Declare, scope: Scope) -> None:
        if node.type == "CURSOR":
            scope.names[node.name] = self._cursor_of(node, scope)
        elif node.type == "RESULTSET":
            result = self._result(node.value, scope) if node.value else None
            scope.names[node.name] = Rows(result=result)
        elif node.type == "EXCEPTION":
            scope.names[node.name] = self._trouble(node, scope)
        else:
            found = self._value(node.value, scope, node.type) if node.value else Variable(type=node.type)
            scope.names[node.name] = found

    def _cursor_of(self, node: syntax.Declare, scope: Scope) -> Rows:
        piece = node.value
        if piece is not None and len(piece.tokens) == 1:
            scope.need(piece.tokens[0].value, Rows)
            return Rows(of=piece.tokens[0].value)
        return Rows(query=piece)

    def _trouble(self, node: syntax.Declare, scope: Scope) -> Trouble:
        if node.value is None:
            return Trouble()
        text = filled(node.value.inner, scope, plainly=True)
        (row,) = self._run(f"SELECT {text}").table.to_pylist()
        number, message = (*row.values(), "")[:2]
        return Trouble(int(number), str(message))

    def _assign(self, node: syntax.Assign, scope: Scope) -> None:
        there = scope.find(node.name)
        if isinstance(there, Rows):
            there.result, there.fetched = self._result(node.value, scope), 0
            return
        variable = scope.need(node.name, Variable)
        found = self._value(node.value, scope, variable.type)
        variable.value, variable.sort = found.value, found.sort

    def _value(self, piece: syntax.Piece, scope: Scope, kind: str | None = None) -> Variable:
        """Return what an expression gives."""
        text = filled(piece, scope, plainly=True)
        result = self._run(f"SELECT {f'({text})::{kind}' if kind else text} AS V")
        return Variable(result.table[0][0].as_py(), result.types[0], kind)

    def _holds(self, piece: syntax.Piece, scope: Scope) -> bool:
        return bool(self._value(piece, scope).value)

    # -- statements of SQL --------------------------------------------------------------------------------------------

    def _run(self, text: str, binds: Sequence[Any] = ()) -> Result:
        return dispatch.run(self._session, text, binds)

    def _sql(self, node: syntax.Sql, scope: Scope) -> None:
        parts = [node.sql] if node.rest is None else [node.sql, node.rest]
        result = self._run(" ".join(filled(part, scope) for part in parts))
        if node.into:
            if result.table.num_rows != 1:
                raise errors.SnowflakeError(
                    100214,
                    "P0000",
                    f"SELECT INTO statement expects exactly 1 returned row, but got {result.table.num_rows}.",
                )
            self._put(node.into, result, 0, scope)
        self._count(result, scope)

    def _count(self, result: Result, scope: Scope) -> None:
        """Tell how many rows a statement has changed."""
        is_change = _COUNTED <= result.kind < 2 * _COUNTED and result.table.num_rows
        outermost = scope
        while outermost.above is not None:
            outermost = outermost.above
        count = sum(int(column[0].as_py() or 0) for column in result.table.columns) if is_change else None
        outermost.names |= _counted(count)

    def _dynamic(self, node: syntax.Dynamic, scope: Scope) -> None:
        self._count(self._immediate(node, scope), scope)

    def _immediate(self, node: syntax.Dynamic, scope: Scope) -> Result:
        text = self._value(node.what, scope).value
        block = parse.block_of(str(text))
        if block is not None and not node.using:
            return Run(self._session, self._head).block(block, {})
        return self._run(str(text), [self._value(each, scope).value for each in node.using])

    def _result(self, piece: syntax.Piece, scope: Scope) -> Result:
        """Return the rows of what stands in parentheses: a query, or EXECUTE IMMEDIATE of one."""
        inner = piece.inner
        if inner.starts("EXECUTE", "IMMEDIATE"):
            node = parse.dynamic_of(inner)
            return self._immediate(node, scope)
        return self._run(filled(inner, scope))

    def _put(self, names: Sequence[str], result: Result, row: int, scope: Scope) -> None:
        """Give variables the values of a row; there is none behind the last one: they are NULL then."""
        if len(names) != result.table.num_columns:
            raise errors.invalid(f"{len(names)} variables for {result.table.num_columns} columns")
        for name, column, sort in zip(names, result.table.columns, result.types, strict=True):
            variable = scope.need(name, Variable)
            variable.value = column[row].as_py() if row < result.table.num_rows else None
            variable.sort = sort

    # -- flow ---------------------------------------------------------------------------------------------------------

    def _if(self, node: syntax.If, scope: Scope) -> None:
        subject = None if node.subject is None else self._value(node.subject, scope)
        for condition, body in node.branches:
            if condition is None or self._matches(condition, subject, scope):
                self._nodes(body, scope)
                return

    def _matches(self, condition: syntax.Piece, subject: Variable | None, scope: Scope) -> bool:
        if subject is None:
            return self._holds(condition, scope)
        return subject.value is not None and self._value(condition, scope).value == subject.value

    def _turn(self, node: syntax.Loop, scope: Scope, names: dict[str, Any] | None = None) -> bool:
        """Run the body of a loop once; return whether it goes on."""
        self._session.go_on()
        try:
            self._nodes(node.body, Scope(scope, names or {}))
        except _Jumped as jump:
            if jump.label not in (None, node.label):
                raise
            return not jump.is_break
        return True

    def _loop(self, node: syntax.Loop, scope: Scope) -> None:
        while self._turn(node, scope):
            pass

    def _while(self, node: syntax.While, scope: Scope) -> None:
        assert node.condition is not None  # noqa: S101 - the parser has read one
        while node.is_repeat or self._holds(node.condition, scope):
            if not self._turn(node, scope) or (node.is_repeat and self._holds(node.condition, scope)):
                return

    def _for(self, node: syntax.Count, scope: Scope) -> None:
        assert node.first is not None  # noqa: S101 - likewise
        assert node.last is not None  # noqa: S101 - likewise
        bounds = [self._value(each, scope, "INT").value for each in (node.first, node.last)]
        if None in bounds:
            raise errors.invalid(f"FOR {node.name}: where it begins and ends must not be NULL")
        first, last = map(int, bounds)
        for number in range(last, first - 1, -1) if node.is_reverse else range(first, last + 1):
            if not self._turn(node, scope, {node.name: Variable(number, "fixed")}):
                return

    def _each(self, node: syntax.Each, scope: Scope) -> None:
        result = self._opened(scope.need(node.rows, Rows), (), scope)
        for record in _records(result):
            if not self._turn(node, scope, {node.name: record}):
                return

    def _jump(self, node: syntax.Jump, _: Scope) -> None:
        raise _Jumped(node)

    # -- cursors ------------------------------------------------------------------------------------------------------

    def _opened(self, cursor: Rows, using: Sequence[Any], scope: Scope) -> Result:
        """Return the rows of a cursor or RESULTSET."""
        if cursor.query is not None:
            return self._run(filled(cursor.query, scope), using)
        held = cursor if cursor.of is None else scope.need(cursor.of, Rows)
        if held.result is None:
            raise errors.invalid("the RESULTSET has no rows yet: nothing was assigned to it")
        found: Result = held.result
        return found

    def _cursor(self, node: syntax.Cursor, scope: Scope) -> None:
        cursor = scope.need(node.name, Rows)
        if node.word == "OPEN":
            using = [self._value(each, scope).value for each in node.using]
            cursor.result, cursor.fetched = self._opened(cursor, using, scope), 0
            return
        if cursor.result is None:
            raise errors.SnowflakeError(90230, "24000", f"Cursor '{node.name}' is not open.")
        if node.word == "CLOSE":
            cursor.result = None
            return
        self._put(node.into, cursor.result, cursor.fetched, scope)
        cursor.fetched += 1

    # -- ends ---------------------------------------------------------------------------------------------------------

    def _return(self, node: syntax.Return, scope: Scope) -> None:
        if node.value is None:
            raise _Returned(None)
        if node.is_table:
            raise _Returned(self._table(node.value, scope))
        text = filled(node.value, scope, plainly=True)
        text = f"({text})::{self._returns}" if self._returns else text
        raise _Returned(self._run(f"SELECT {text} AS {identifier(self._head)}"))

    def _table(self, piece: syntax.Piece, scope: Scope) -> Result:
        held = scope.find(piece.tokens[0].value) if len(piece.tokens) == 1 else None
        return self._opened(held, (), scope) if isinstance(held, Rows) else self._run(filled(piece, scope))

    def _raise(self, node: syntax.Raise, scope: Scope) -> None:
        if node.name is None:
            again = scope.find("")
            if again is None:
                raise errors.invalid("RAISE without a name stands outside of an exception handler")
            raise again
        trouble = scope.need(node.name, Trouble)
        raise Raised(node.name, trouble.number, "P0001", trouble.message, node.at, trouble)

    _RUN: ClassVar[dict[type[syntax.Node], Callable[[Run, Any, Scope], None]]] = {
        syntax.Block: _block,
        syntax.Declare: _declare,
        syntax.Assign: _assign,
        syntax.Sql: _sql,
        syntax.Dynamic: _dynamic,
        syntax.If: _if,
        syntax.Loop: _loop,
        syntax.While: _while,
        syntax.Count: _for,
        syntax.Each: _each,
        syntax.Jump: _jump,
        syntax.Cursor: _cursor,
        syntax.Return: _return,
        syntax.Raise: _raise,
    }


def _counted(count: int | None) -> dict[str, Variable]:
    """Return what tells how many rows the last statement has changed; None: it was none that changes rows.

    https://docs.snowflake.com/en/developer-guide/snowflake-scripting/dml-status
    """
    return {
        "SQLROWCOUNT": Variable(count, "fixed"),
        "SQLFOUND": Variable(None if count is None else count > 0, "boolean"),
        "SQLNOTFOUND": Variable(None if count is None else count == 0, "boolean"),
    }


def _records(result: Result) -> Iterator[Record]:
    """Yield the rows of an answer."""
    for row in result.table.to_pylist():
        yield Record(
            {name: Variable(value, sort) for (name, value), sort in zip(row.items(), result.types, strict=True)}
        )
