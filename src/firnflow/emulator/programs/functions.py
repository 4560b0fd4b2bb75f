"""Functions of users: https://docs.snowflake.com/en/sql-reference/sql/create-function."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import Object
from firnflow.emulator.objects import making, selects
from firnflow.emulator.objects.given import parsed, settings
from firnflow.emulator.objects.show import shown
from firnflow.emulator.objects.topics import body
from firnflow.emulator.programs import calling, handlers, kinds, overloads, tables
from firnflow.emulator.programs.procedures import COLUMNS, default_of, flag, the_one
from firnflow.emulator.registry import function, statement
from firnflow.emulator.result import Result, status

if TYPE_CHECKING:
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_PARTLY = (
    "in Python (of rows, groups and tables, vectorised or not) and in SQL (of rows and tables); no tables in outer "
    "joins, nothing in Python in views; no secrets and external access"
)
_REFUSED = ("SECRETS", "EXTERNAL_ACCESS_INTEGRATIONS", "ARTIFACT_REPOSITORY", "EXECUTE AS")


@statement("CREATE FUNCTION", "sql-reference/sql/create-function", partly=_PARTLY)
def _create(session: Session, given: Statement) -> Result:
    made = parsed(_as_procedure(given))
    said = {**settings(made.properties), "name": made.name.last}
    said["arguments"] = [[each.name, each.type, default_of(each)] for each in made.columns or ()]
    for key in _REFUSED:
        if key in said:
            raise errors.unknown(f"CREATE FUNCTION … {key}", ["CREATE FUNCTION … IMPORTS"])
    if kinds.is_table(returns := str(said.get("RETURNS"))):
        said["columns"] = kinds.columns_of(returns)
    else:
        kinds.family(returns)
    for each in said["arguments"]:
        kinds.family(each[1])
    said["is_aggregate"] = "AGGREGATE" in given.modifiers
    _check_code(said)
    overloads.check_distinct(session, "FUNCTION", session.path("FUNCTION", made.name.parts), said["arguments"])
    path = overloads.path_of(session, "FUNCTION", made.name.parts, [each[1] for each in said["arguments"]])
    there = session.account.catalog.get("FUNCTION", path)
    replaces = "OR REPLACE" in made.variants or ("OR ALTER" in made.variants and there is not None)
    if found := making.begin(session, "FUNCTION", path, replaces=replaces, optional=made.if_not_exists):
        return found
    if said.get("LANGUAGE", "SQL") != "PYTHON":
        _check_body(session, Object("FUNCTION", path, session.role, said))
    if any("TEMP" in each for each in made.variants):
        said["session"] = session.token
    making.made(session, "FUNCTION", path, said)
    return status(f"Function {said['name']} successfully created.")


def _check_code(said: dict[str, Any]) -> None:
    """Raise SnowflakeError if a function cannot be run here."""
    if said.get("LANGUAGE", "SQL") == "PYTHON":
        for key in ("HANDLER", "RUNTIME_VERSION"):
            if key not in said:
                raise errors.invalid(f"Missing option(s): [{key}] for function '{said['name']}'.")
        handlers.check_packages(said.get("PACKAGES", []))
    elif said["is_aggregate"]:
        raise errors.unknown(
            "CREATE AGGREGATE FUNCTION … LANGUAGE SQL", ["CREATE AGGREGATE FUNCTION … LANGUAGE PYTHON"]
        )


def _check_body(session: Session, thing: Object) -> None:
    """Raise SnowflakeError if a function in SQL cannot be called: it names what is not there, or itself."""
    from sqlglot import exp

    types = ["json" if kinds.is_document(each[1]) else kinds.duck(each[1]) for each in thing.body["arguments"]]
    found = calling.of_function(session, thing, [exp.cast(exp.null(), each) for each in types])
    if found.columns is None:
        query = exp.select(calling.in_sql(found))
    else:
        query = tables.rows_of(dataclasses.replace(found, columns=[]))  # by its own names
    made = selects.prepared(session, query, [], runs=False)
    width = session.engine.run(made.limit(0)).table.num_columns
    if found.columns is not None and width != len(found.columns):
        raise errors.invalid(
            f"Declared return type '{found.returns}' is incompatible with actual return type: the query has {width} "
            "column(s)"
        )


def _as_procedure(given: Statement) -> Statement:
    """Return a statement of a function as one of a procedure, which is written in the same way."""
    text, at = given.reader.text, 0
    parts = []
    words = {"FUNCTION": "PROCEDURE", "AGGREGATE": ""}
    for each in given.reader.tokens:
        if each.value in words:
            parts += [text[at : each.start], words[each.value]]
            at = each.end
        if each.value == "FUNCTION":
            break
    return dataclasses.replace(given, reader=type(given.reader)("".join([*parts, text[at:]])))


@statement("DROP FUNCTION", "sql-reference/sql/drop-function")
def _drop(session: Session, given: Statement) -> Result:
    asked = parsed(_as_procedure(given))
    thing = the_one(session, "FUNCTION", asked)
    if thing is None:
        return making.gone(asked.name.last)
    session.account.catalog.drop("FUNCTION", thing.path)
    return status(f"{asked.name.last} successfully dropped.")


@statement("SHOW USER FUNCTIONS", "sql-reference/sql/show-user-functions")
def _show(session: Session, given: Statement) -> Result:
    own = {"is_aggregate": flag("is_aggregate"), "is_table_function": flag("columns")}
    columns = tuple((name, sort, own.get(name, get)) for name, sort, get in COLUMNS)
    return shown(session, given, "FUNCTION", (*columns, ("language", "text", body("LANGUAGE", "SQL"))))


@function("SYSTEM$GET_DEFAULT_PYTHON_ARTIFACT_REPOSITORY")
def _default_repository(_: Session, __: str, ___: str | None = None, ____: str | None = None) -> None:
    """Say that packages are those of the emulator's own Python, as Snowpark asks before it registers anything."""
