"""CALL: of system functions, and of what else can be called.

https://docs.snowflake.com/en/sql-reference/sql/call
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.emulator import errors
from firnflow.emulator.jobs import services
from firnflow.emulator.objects.given import parsed
from firnflow.emulator.programs import procedures, scripting
from firnflow.emulator.registry import FUNCTIONS, statement
from firnflow.emulator.result import Result, rows
from firnflow.targets.snowflake.grammar import render_expression
from firnflow.targets.snowflake.grammar.values import Call, Constant, Expression, Method

if TYPE_CHECKING:
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


@statement("CALL", "sql-reference/sql/call")
def _call(session: Session, given: Statement) -> Result:
    asked = parsed(given).call
    if isinstance(asked, Call) and len(asked.name.parts) == 1 and asked.name.last in FUNCTIONS:
        return session.execute(f"SELECT {render_expression(asked)} AS {asked.name.last}")
    if isinstance(asked, Method):
        return _method(session, asked)
    if isinstance(asked, Call):
        return procedures.called(session, asked)
    raise errors.missing("FUNCTION", render_expression(asked))


def _method(session: Session, asked: Method) -> Result:
    """Call a method of a job."""
    name, method = render_expression(asked.of), asked.call.name.last
    arguments = [each.value for each in asked.call.arguments if isinstance(each, Constant)]
    return rows([(method, "text")], [(services.called(session, name, method, arguments),)])


@statement("EXECUTE IMMEDIATE", "sql-reference/sql/execute-immediate", partly="blocks of statements only")
def _execute_immediate(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    if asked.using:
        raise errors.unknown("EXECUTE IMMEDIATE … USING", ["EXECUTE IMMEDIATE"])
    return scripting.run(session, _text(asked.what))


def _text(what: Expression) -> str:
    if isinstance(what, Constant) and isinstance(what.value, str):
        return what.value
    raise errors.unknown("EXECUTE IMMEDIATE of what is no text", ["EXECUTE IMMEDIATE 'text'"])
