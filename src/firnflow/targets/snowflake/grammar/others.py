"""EXECUTE, CALL, SELECT of functions, GRANT, REVOKE, USE, ALTER SESSION, and what moves files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.targets.snowflake.grammar import rules
from firnflow.targets.snowflake.grammar.expressions import expression, named, type_of
from firnflow.targets.snowflake.grammar.kinds import KINDS, NAMED, NAMES, SESSION, TAGS, TEXT, TEXTS, TRUTH, WHOLE
from firnflow.targets.snowflake.grammar.rules import Rule
from firnflow.targets.snowflake.grammar.statements import (
    AlterSession,
    CallProcedure,
    CopyFiles,
    ExecuteImmediate,
    ExecuteJobService,
    ExecuteTask,
    Get,
    Grant,
    GrantRole,
    ListFiles,
    Put,
    RemoveFiles,
    Select,
    Use,
)
from firnflow.targets.snowflake.grammar.tokens import Sort
from firnflow.targets.snowflake.grammar.values import Call, Expression, Location, Method, Property, Uri

if TYPE_CHECKING:
    from firnflow.targets.snowflake.grammar.cursor import Cursor

JOB = {
    "ASYNC": TRUTH,
    "REPLICAS": WHOLE,
    "QUERY_WAREHOUSE": NAMED,
    "COMMENT": TEXT,
    "EXTERNAL_ACCESS_INTEGRATIONS": NAMES,
    "TAG": TAGS,
}
"""Settings of a job, in the order in which they have to stand."""
PUT = {"PARALLEL": WHOLE, "AUTO_COMPRESS": TRUTH, "SOURCE_COMPRESSION": Rule(rules.scalar), "OVERWRITE": TRUTH}
GET = {"PARALLEL": WHOLE, "PATTERN": TEXT}
COPY = {"FILES": TEXTS, "PATTERN": TEXT, "DETAILED_OUTPUT": TRUTH}
_PARTS = [*KINDS, "TABLE", "VIEW", "FUNCTION", "SEQUENCE", "FILE FORMAT", "INTEGRATION", "DATASET", "EXTERNAL TABLE"]
_PLURALS = [*(kind.plural for kind in KINDS.values()), "TABLES", "VIEWS", "FUNCTIONS", "SEQUENCES", "FILE FORMATS"]
_WHERE = ("SCHEMA", "DATABASE")
GRANTED_ON = [
    "ACCOUNT",
    *_PARTS,
    *(
        f"{how} {kinds} IN {scope}"
        for how in ("ALL", "FUTURE")
        for kinds in _PLURALS
        for scope in ("SCHEMA", "DATABASE")
    ),
]
"""What privileges are granted on."""


def execute(cursor: Cursor) -> ExecuteTask | ExecuteJobService | ExecuteImmediate:
    """Read EXECUTE; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/execute-task, execute-job-service, execute-immediate-from
    """
    found = cursor.one_of(["TASK", "JOB SERVICE", "IMMEDIATE"])
    if found == "TASK":
        return _task(cursor)
    if found == "JOB SERVICE":
        return _job(cursor)
    if found is None:
        cursor.fail()
    if cursor.accept("FROM"):
        where = cursor.location()
        given = cursor.in_parentheses(_given) if cursor.accept("USING") else ()
        return ExecuteImmediate(where, given)
    what = expression(cursor)
    return ExecuteImmediate(what, cursor.in_parentheses(expression) if cursor.accept("USING") else ())


def _task(cursor: Cursor) -> ExecuteTask:
    """Read EXECUTE TASK: a new run, or again the last one, or one that is named."""
    name = cursor.name()
    if cursor.accept("RETRY LAST"):
        return ExecuteTask(name, retry_last=True)
    if cursor.accept("RETRY GRAPH RUN GROUP"):
        return ExecuteTask(name, retry_group=cursor.string())
    config = cursor.string() if cursor.accept("USING CONFIG =") else None
    return ExecuteTask(name, config, awaits=cursor.accept("AWAIT"))


def _job(cursor: Cursor) -> ExecuteJobService:
    """Read EXECUTE JOB SERVICE, whose parts have an order."""
    cursor.expect("IN COMPUTE POOL")
    pool = cursor.name()
    cursor.expect("FROM")
    source = None
    if cursor.peek().sort is not Sort.WORD:
        source = cursor.location()
    forms = ["SPECIFICATION_TEMPLATE", "SPECIFICATION"] if source is None else [*_FILES]
    if (form := cursor.one_of(forms)) is None:
        cursor.fail()
    if source is not None:
        cursor.expect("=")
    text = cursor.string()
    using = cursor.in_parentheses(_given) if "TEMPLATE" in form and cursor.accept("USING") else ()
    cursor.expect("NAME =")
    name = cursor.name()
    properties = [
        Property(lead, rules.read_value(cursor, rule))
        for lead, rule in JOB.items()
        if cursor.accept(lead) or (lead == "TAG" and cursor.accept("WITH TAG"))
    ]
    return ExecuteJobService(pool, name, text, source, "TEMPLATE" in form, using, tuple(properties))


_FILES = ("SPECIFICATION_TEMPLATE_FILE", "SPECIFICATION_FILE")


def _given(cursor: Cursor) -> tuple[str, Expression]:
    name = cursor.part()
    cursor.expect("=>")
    return name, expression(cursor)


def call(cursor: Cursor) -> CallProcedure:
    """Read CALL; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/call
    """
    found = named(cursor)
    if not isinstance(found, Call | Method):
        cursor.fail("(")
    return CallProcedure(found)


def select(cursor: Cursor) -> Select:
    """Read SELECT of expressions; the word itself was read."""
    return Select(cursor.listed(expression))


def grant(cursor: Cursor) -> Grant | GrantRole:
    """Read GRANT; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/grant-privilege
    """
    return _granting(cursor, revokes=False)


def revoke(cursor: Cursor) -> Grant | GrantRole:
    """Read REVOKE; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/revoke-privilege
    """
    return _granting(cursor, revokes=True)


def _granting(cursor: Cursor, *, revokes: bool) -> Grant | GrantRole:
    to = "FROM" if revokes else "TO"
    if cursor.accept("ROLE"):
        role = cursor.name()
        cursor.expect(to)
        kind = cursor.one_of(["ROLE", "USER"])
        if kind is None:
            cursor.fail()
        return GrantRole(role, cursor.name(), kind, revokes)
    option = revokes and cursor.accept("GRANT OPTION FOR")
    privileges = cursor.listed(_privilege)
    cursor.expect("ON")
    if (on := cursor.one_of(GRANTED_ON)) is None:
        cursor.fail()
    name = None if on == "ACCOUNT" else cursor.name()
    arguments = cursor.in_parentheses(type_of) if on in {"PROCEDURE", "FUNCTION"} else None
    cursor.expect(to)
    kind = cursor.one_of(["DATABASE ROLE", "ROLE"]) or "ROLE"
    role = cursor.name()
    option = option or (not revokes and cursor.accept("WITH GRANT OPTION"))
    how = cursor.one_of(["CASCADE", "RESTRICT"]) if revokes else None
    return Grant(privileges, on, name, role, revokes, kind, option, how, arguments)


def _privilege(cursor: Cursor) -> str:
    """Read a privilege: words up to the comma or ON. ALL is ALL PRIVILEGES."""
    words = [cursor.word()]
    while cursor.peek().sort is Sort.WORD and cursor.peek().value != "ON":
        words.append(cursor.word())
    return "ALL PRIVILEGES" if words == ["ALL"] else " ".join(words)


def use(cursor: Cursor) -> Use:
    """Read USE; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/use
    """
    if cursor.accept("SECONDARY ROLES"):
        word = cursor.one_of(["ALL", "NONE"])
        return Use("SECONDARY ROLES", word if word is not None else cursor.name())
    kind = cursor.one_of(["DATABASE", "SCHEMA", "WAREHOUSE", "ROLE"]) or "DATABASE"
    return Use(kind, cursor.name())


def alter_session(cursor: Cursor) -> AlterSession:
    """Read ALTER SESSION, whose words were read.

    https://docs.snowflake.com/en/sql-reference/sql/alter-session
    """
    if cursor.accept("SET"):
        return AlterSession(rules.read_properties(cursor, SESSION, once=True))
    cursor.expect("UNSET")
    names = cursor.listed(lambda each: each.one_of(list(SESSION)) or each.fail())
    return AlterSession(unset=names)


def put(cursor: Cursor) -> Put:
    """Read PUT; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/put
    """
    file = _uri(cursor)
    stage = cursor.location()
    if isinstance(stage, Uri) and not stage.text.lower().startswith("snow://"):
        cursor.fail("a stage")
    return Put(file, stage, rules.read_properties(cursor, PUT))


def get(cursor: Cursor) -> Get:
    """Read GET; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/get
    """
    stage = cursor.location()
    return Get(stage, _uri(cursor), rules.read_properties(cursor, GET))


def list_files(cursor: Cursor) -> ListFiles:
    """Read LIST; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/list
    """
    return ListFiles(cursor.location(), _pattern(cursor))


def remove_files(cursor: Cursor) -> RemoveFiles:
    """Read REMOVE; the word itself was read.

    https://docs.snowflake.com/en/sql-reference/sql/remove
    """
    return RemoveFiles(cursor.location(), _pattern(cursor))


def copy_files(cursor: Cursor) -> CopyFiles:
    """Read COPY FILES; the words were read.

    https://docs.snowflake.com/en/sql-reference/sql/copy-files
    """
    cursor.expect("INTO")
    into = cursor.location()
    if not isinstance(into, Location):
        cursor.fail("a stage")
    cursor.expect("FROM")
    return CopyFiles(into, cursor.location(), rules.read_properties(cursor, COPY))


def _pattern(cursor: Cursor) -> str | None:
    if not cursor.accept("PATTERN"):
        return None
    cursor.expect("=")
    return cursor.string()


def _uri(cursor: Cursor) -> Uri:
    found = cursor.location()
    if not isinstance(found, Uri) or not found.text.lower().startswith("file://"):
        cursor.fail("'file://…'")
    return found
