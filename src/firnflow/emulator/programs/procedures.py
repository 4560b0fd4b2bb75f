"""Procedures: https://docs.snowflake.com/en/sql-reference/sql/create-procedure."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.objects import making
from firnflow.emulator.objects.given import parsed, plain, settings
from firnflow.emulator.objects.show import comment, constant, created, name, part, shown
from firnflow.emulator.objects.tags import set_tags, unset_tags
from firnflow.emulator.programs import handlers, overloads, scripting
from firnflow.emulator.programs.forms import DOCUMENTS
from firnflow.emulator.programs.kinds import as_typed, columns_of, family, is_table
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done, rows, status
from firnflow.targets.snowflake.grammar import render_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.catalog import Object
    from firnflow.emulator.objects.show import Columns
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement
    from firnflow.targets.snowflake.grammar.values import Call

_PARTLY = (
    "handlers in Python, and blocks; no secrets and external access; handlers run on the emulator's Python, in a "
    "session of their own"
)
_REFUSED = ("SECRETS", "EXTERNAL_ACCESS_INTEGRATIONS", "TAG")
_REPOSITORIES = tuple(("SNOWFLAKE", "SNOWPARK", f"{each}_SHARED_REPOSITORY") for each in ("ANACONDA", "PYPI"))
"""Where packages come from; both are what is installed beside the emulator."""
_SORTS = {
    "NUMBER": "fixed",
    "FLOAT": "real",
    "BOOLEAN": "boolean",
    "VARCHAR": "text",
    **{each: each.lower() for each in DOCUMENTS},
}
"""Types that arguments and results have here, and what the protocol calls them."""
_OF_BLOCKS = {
    **_SORTS,
    **{each: each.lower() for each in ("DATE", "TIME", "BINARY", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ")},
}
"""Those that they have in procedures that are blocks."""


def definition(made: Any) -> dict[str, Any]:
    """Return a procedure as the catalog keeps it.

    Raises:
        SnowflakeError: it has something that is not emulated.
    """
    body = settings(made.properties)
    for key in _REFUSED:
        if key in body:
            raise errors.unknown(f"CREATE PROCEDURE … {key}", ["CREATE PROCEDURE … IMPORTS"])
    arguments = [[each.name, each.type, default_of(each)] for each in made.columns or ()]
    is_block = body.get("LANGUAGE", "SQL") == "SQL"
    known = _OF_BLOCKS if is_block else _SORTS
    returns = body.get("RETURNS", "VARCHAR")
    for kind in (*(() if is_table(returns) else (returns,)), *(each[1] for each in arguments)):
        _sort(kind, known)
    if body.get("LANGUAGE", "SQL") == "PYTHON":
        for key in ("HANDLER", "RUNTIME_VERSION", "PACKAGES"):
            if key not in body:
                raise errors.invalid(f"Missing option(s): [{key}] for procedure '{made.name.last}'.")
        handlers.check_packages(body["PACKAGES"])
        repository = tuple(body.get("ARTIFACT_REPOSITORY", _REPOSITORIES[0]))
        if repository not in _REPOSITORIES:
            raise errors.missing("ARTIFACT REPOSITORY", full(repository))
    else:
        scripting.check_known(body["AS"])
    return {**body, "arguments": arguments, "name": made.name.last}


def default_of(column: Any) -> str | None:
    """Return what an argument is where a call leaves it out, as text; None: it has to be given."""
    return None if column.default is None else render_expression(column.default)


def _sort(kind: str, known: dict[str, str] = _SORTS) -> str:
    """Return what the protocol calls a type. Raises SnowflakeError: there is none such among those that are known."""
    if (found := known.get(family(kind))) is None:
        raise errors.unknown(f"PROCEDURE with type {kind}", known)
    return found


@statement("CREATE PROCEDURE", "sql-reference/sql/create-procedure", partly=_PARTLY)
def _create(session: Session, given: Statement) -> Result:
    made = parsed(given)
    body = definition(made)
    overloads.check_distinct(session, "PROCEDURE", session.path("PROCEDURE", made.name.parts), body["arguments"])
    path = overloads.path_of(session, "PROCEDURE", made.name.parts, [each[1] for each in body["arguments"]])
    there = session.account.catalog.get("PROCEDURE", path)
    replaces = "OR REPLACE" in made.variants or ("OR ALTER" in made.variants and there is not None)
    if found := making.begin(session, "PROCEDURE", path, replaces=replaces, optional=made.if_not_exists):
        return found
    if any("TEMP" in each for each in made.variants):
        body["session"] = session.token
    making.made(session, "PROCEDURE", path, body)
    return status(f"Function {body['name']} successfully created.")


@statement("DROP PROCEDURE", "sql-reference/sql/drop-procedure")
def _drop(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    thing = the_one(session, "PROCEDURE", asked)
    if thing is None:
        return making.gone(asked.name.last)
    session.account.catalog.drop("PROCEDURE", thing.path)
    return status(f"{asked.name.last} successfully dropped.")


@statement("ALTER PROCEDURE", "sql-reference/sql/alter-procedure", partly="COMMENT, EXECUTE AS and tags: no RENAME")
def _alter(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    thing = the_one(session, "PROCEDURE", asked)
    if thing is not None:
        session.account.catalog.put(_altered(session, thing, asked))
    return done()


def _altered(session: Session, thing: Object, asked: Any) -> Object:
    """Return a procedure as an ALTER makes it."""
    if asked.action == "EXECUTE AS":
        return thing.changed(**{"EXECUTE AS": plain(asked.value)})
    if asked.action in ("SET TAG", "UNSET TAG"):
        return (set_tags if asked.action == "SET TAG" else unset_tags)(session, thing, plain(asked.value))
    given = settings(asked.properties) if asked.action == "SET" else dict.fromkeys(asked.unset)
    if asked.action in ("SET", "UNSET") and set(given) == {"COMMENT"}:
        return thing.changed(**given)
    raise errors.unknown(f"ALTER PROCEDURE {asked.action}", ["ALTER PROCEDURE SET COMMENT", "ALTER PROCEDURE SET TAG"])


def the_one(session: Session, kind: str, asked: Any) -> Object | None:
    """Return the function or procedure that a DROP names, or None if it is not there and need not be.

    Raises:
        SnowflakeError: it is not there, or the role does not own it.
    """
    path = overloads.path_of(session, kind, asked.name.parts, asked.arguments or ())
    return making.droppable(session, kind, path, optional=asked.if_exists)


def _arguments(_: Session, thing: Object) -> str:
    types = ", ".join(kind for _, kind, _ in thing.body["arguments"])
    return f"{thing.name}({types}) RETURN {thing.body.get('RETURNS', 'VARCHAR')}"


COLUMNS: Columns = (
    ("created_on", "timestamp_ltz", created),
    ("name", "text", name),
    ("schema_name", "text", part(1)),
    ("is_builtin", "text", constant("N")),
    ("is_aggregate", "text", constant("N")),
    ("is_ansi", "text", constant("N")),
    ("min_num_arguments", "fixed", lambda _, thing: sum(each[2] is None for each in thing.body["arguments"])),
    ("max_num_arguments", "fixed", lambda _, thing: len(thing.body["arguments"])),
    ("arguments", "text", _arguments),
    ("description", "text", comment),
    ("catalog_name", "text", part(0)),
    ("is_table_function", "text", constant("N")),
    ("valid_for_clustering", "text", constant("N")),
    ("is_secure", "text", constant("N")),
)


def flag(key: str) -> Any:
    """Return what says Y of those that have something, N of others."""
    return lambda _, thing: "Y" if thing.body.get(key) else "N"


@statement("SHOW PROCEDURES", "sql-reference/sql/show-procedures")
def _show(session: Session, given: Statement) -> Result:
    return shown(session, given, "PROCEDURE", COLUMNS)


@statement("DESCRIBE PROCEDURE", "sql-reference/sql/desc-procedure")
def _describe(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    path = overloads.path_of(session, "PROCEDURE", asked.name.parts, asked.arguments or ())
    thing = session.find("PROCEDURE", path)
    arguments = ", ".join(f"{each} {kind}" for each, kind, _ in thing.body["arguments"])
    told = {"signature": f"({arguments})", **{key.lower(): thing.body.get(key) for key in _DESCRIBED}}
    return rows([("property", "text"), ("value", "text")], [(key, _said(value)) for key, value in told.items()])


_DESCRIBED = ("RETURNS", "LANGUAGE", "EXECUTE AS", "AS", "HANDLER", "RUNTIME_VERSION", "PACKAGES", "IMPORTS")


def _said(value: Any) -> str | None:
    return value if isinstance(value, str | None) else str(value)


def called(session: Session, call: Call) -> Result:
    """Call a procedure that is in the catalog.

    Raises:
        SnowflakeError: there is none that the role may use, or it has failed.
    """
    path = session.path("PROCEDURE", call.name.parts)
    found = overloads.named(session, "PROCEDURE", path)
    if not found:
        raise errors.missing("FUNCTION", full(path))
    names = [name for name, _ in call.named]
    thing = overloads.chosen(session, path, found, len(call.arguments), names, lambda: _types(session, call))
    return result(session, thing.body, call, None if thing.body.get("EXECUTE AS") == "CALLER" else thing)


def _types(session: Session, call: Call) -> list[str]:
    """Return the types of the arguments that are given by their places."""
    texts = ", ".join(f"{render_expression(each)} AS A{at}" for at, each in enumerate(call.arguments))
    return session.execute(f"SELECT {texts}").families()


def result(session: Session, body: dict[str, Any], call: Call, owned: Object | None = None) -> Result:
    """Run a procedure, and return its answer: one row with its value.

    Args:
        session: who calls.
        body: of the procedure.
        call: with its arguments.
        owned: itself, where it runs with the rights of its owner and in its schema; None: with those of the caller.
    """
    values = _values(session, body, call)
    role = owned.owner if owned else session.role
    where = owned.path[:2] if owned else (session.database, session.schema)
    nulls = any(value is None for value in values)
    if nulls and ("STRICT" in body or "RETURNS NULL ON NULL INPUT" in body):
        value = None
    elif body.get("LANGUAGE", "SQL") == "SQL":
        with session.acting(role, where) if owned else contextlib.nullcontext():
            return _scripted(session, body, values)
    elif is_table(body.get("RETURNS", "VARCHAR")):
        return _read(session, body, handlers.run(session, body, values, role, where, is_table=True))
    else:
        value = handlers.run(session, body, values, role, where)
    sort = _sort(body.get("RETURNS", "VARCHAR"))
    python = {"fixed": int, "real": float, "boolean": bool}.get(sort, str)
    return rows([(body["name"], sort)], [(None if value is None else python(value),)])


def _read(session: Session, body: dict[str, Any], table: Any) -> Result:
    """Return the rows that a handler has returned, in the types that RETURNS TABLE names, if it does."""
    from sqlglot import exp

    source = session.engine.scratch.table(table)
    columns = columns_of(body["RETURNS"])
    if columns and len(columns) != table.num_columns:
        raise errors.invalid(f"'{body['name']}' has returned {table.num_columns} columns, not {len(columns)}")
    items = as_typed(table.column_names, columns) if columns else ["*"]
    return session.engine.run(exp.select(*items).from_(source))


def _scripted(session: Session, body: dict[str, Any], values: list[Any]) -> Result:
    """Run a procedure that is a block, in the caller's session."""
    variables = {
        name: scripting.Variable(_held(value), _sort(kind, _OF_BLOCKS), kind)
        for (name, kind, _), value in zip(body["arguments"], values, strict=True)
    }
    returns = body.get("RETURNS", "VARCHAR")
    kind = None if is_table(returns) else returns
    return scripting.run(session, body["AS"], head=body["name"], returns=kind, variables=variables)


def _held(value: Any) -> Any:
    import json

    return json.dumps(value) if isinstance(value, dict | list) else value


def _values(session: Session, body: dict[str, Any], call: Call) -> list[Any]:
    """Return the values of the arguments, in order.

    Raises:
        SnowflakeError: there are too many, too few, or one that the procedure has not.
    """
    wanted: Sequence[list[Any]] = body["arguments"]
    given = {name: render_expression(each) for (name, *_), each in zip(wanted, call.arguments, strict=False)}
    given |= {name: render_expression(each) for name, each in call.named}
    texts = [given.get(name, default) for name, _, default in wanted]
    if len(call.arguments) > len(wanted) or set(given) - {name for name, *_ in wanted} or None in texts:
        raise errors.SnowflakeError(
            2141,
            "42601",
            f"SQL compilation error:\nInvalid argument types for function '{body['name']}': it takes "
            f"({', '.join(f'{each} {kind}' for each, kind, _ in wanted)})",
        )
    if not texts:
        return []
    (row,) = session.execute(
        "SELECT " + ", ".join(f"{text} AS A{at}" for at, text in enumerate(texts))
    ).table.to_pylist()
    return [_plain(value, kind) for value, (_, kind, _) in zip(row.values(), wanted, strict=True)]


def _plain(value: Any, kind: str) -> Any:
    """Return a value as a handler gets it, which is as JSON has it."""
    import json

    if value is None:
        return None
    sort = _sort(kind, _OF_BLOCKS)
    if sort in ("variant", "object", "array"):
        return json.loads(value) if isinstance(value, str) else value
    if sort == "fixed":
        return int(value) if value == int(value) else float(value)
    return {"real": float, "boolean": bool}.get(sort, str)(value)
