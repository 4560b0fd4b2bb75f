"""CALL: of system functions, and of what else can be called.

https://docs.snowflake.com/en/sql-reference/sql/call
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    if isinstance(asked, Call) and asked.name.last.startswith("SYSTEM$"):
        raise errors.unknown(asked.name.last, FUNCTIONS)
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


@statement("EXECUTE IMMEDIATE", "sql-reference/sql/execute-immediate", partly="no files of stages")
def _execute_immediate(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    if not isinstance(asked.what, Constant) or not isinstance(asked.what.value, str):
        raise errors.unknown("EXECUTE IMMEDIATE of what is no text", ["EXECUTE IMMEDIATE 'text'"])
    return scripting.run(session, asked.what.value, [_value(session, each) for each in asked.using])


def _value(session: Session, given: Expression) -> Any:
    """Return the value of a `?`."""
    return session.execute(f"SELECT {render_expression(given)} AS V").table[0][0].as_py()


@statement(
    "DECLARE",
    "sql-reference/snowflake-scripting/declare",
    partly="no procedures in blocks, no ASYNC and AWAIT, no SQLID",
)
def _declare(session: Session, given: Statement) -> Result:
    return scripting.run(session, given.text)
