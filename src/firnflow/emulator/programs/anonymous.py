"""WITH … AS PROCEDURE …, CALL: a procedure that is only there for its call.

https://docs.snowflake.com/en/sql-reference/sql/call-with
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.emulator.objects.given import with_binds
from firnflow.emulator.programs.procedures import definition, result
from firnflow.emulator.reader import tokens_of
from firnflow.emulator.registry import statement
from firnflow.targets.snowflake.grammar import ParseError, parse
from firnflow.targets.snowflake.grammar.statements import CallProcedure, Create
from firnflow.targets.snowflake.grammar.tokens import Sort
from firnflow.targets.snowflake.grammar.values import Call

if TYPE_CHECKING:
    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


@statement("WITH PROCEDURE", "sql-reference/sql/call-with", partly="as CREATE PROCEDURE")
def _call_with(session: Session, given: Statement) -> Result:
    text = with_binds(given.text, given.binds)
    words = [token for token in tokens_of(text) if token.sort is Sort.WORD]
    name_end, body_start = words[0].end, next(each.end for each in words if each.value == "PROCEDURE")
    call_start = next(each.start for each in reversed(words) if each.value == "CALL")
    name = text[name_end : text.upper().index(" AS ", name_end)].strip()
    try:
        made = parse(f"CREATE PROCEDURE {name}{text[body_start:call_start]}")
        called = parse(text[call_start:])
    except ParseError as error:
        raise given.reader.unexpected() from error
    if not (isinstance(made, Create) and isinstance(called, CallProcedure) and isinstance(called.call, Call)):
        raise given.reader.unexpected()
    return result(session, definition(made), called.call)
