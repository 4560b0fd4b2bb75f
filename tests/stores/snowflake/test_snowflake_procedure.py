"""The session of a procedure in place of connections: where statements go, how files move, how transactions begin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import pytest
from snowflake.connector.errors import ProgrammingError

from firnflow.project.snowflake import Snowflake
from firnflow.stores.snowflake import procedure
from firnflow.stores.snowflake.connection import connect_to
from firnflow.stores.snowflake.names import literal
from firnflow.stores.snowflake.session import NO_FILE
from firnflow.stores.state.snowflake.dialect import StateDialect

HOSTILE = '/tmp/it\'s \\ \n "x" $$ ä'


class Moved(NamedTuple):
    """A row of PUT and GET, as Snowpark gives it."""

    source: str
    status: str


class Given:
    """Snowpark's session of a procedure, as far as views ask it; schemas that are not there, files that are."""

    def __init__(self):
        self.said, self.moved, self.missing, self.files, self.place = [], [], set(), set(), ("ML", "PROD")
        self.connection = SimpleNamespace(cursor=lambda *_: self)
        self.file = SimpleNamespace(put=self._put, get=self._get)

    def execute(self, text, *_):
        self.said.append(text)
        if text.startswith("USE SCHEMA"):
            place = tuple(part.strip('"') for part in text.removeprefix("USE SCHEMA ").split("."))
            if place in self.missing:
                raise ProgrammingError(msg="does not exist", errno=2043)
            self.place = place
        self.rows = [(*self.place, "WH")] if "CURRENT_WAREHOUSE" in text else [self.place]
        return self

    def fetchall(self):
        return [] if self.said[-1].startswith("LIST") else self.rows

    def close(self):
        pass

    def _put(self, path, place, **options):
        self.moved.append((path, place, options))
        return [Moved(path, "UPLOADED")]

    def _get(self, place, folder):
        self.moved.append((place, folder))
        return [Moved(place, "DOWNLOADED")] if place in self.files else []


@pytest.fixture
def given():
    """The session of a procedure that this process executes."""
    session = Given()
    with procedure.entered(session):
        session.said.clear()
        yield session


def at(schema):
    return connect_to(Snowflake(database="ml", schema=schema), "here")[0]


def test_each_part_of_firnflow_has_a_schema_of_its_own_in_the_one_session(given):
    state, warehouse = at("prod_FIRNFLOW"), at("prod")
    given.said.clear()
    assert (state.schema, warehouse.schema, warehouse.database, warehouse.warehouse) == (
        *("PROD_FIRNFLOW", "PROD", "ML", "WH"),
    )
    for each in (state, state, warehouse, state):
        each.cursor().execute("SELECT 1")
    use = ['USE SCHEMA "ML"."PROD_FIRNFLOW"', 'USE SCHEMA "ML"."PROD"']
    assert given.said == [use[0], "SELECT 1", "SELECT 1", use[1], "SELECT 1", use[0], "SELECT 1"]


def test_a_schema_that_is_not_there_leaves_a_view_where_the_procedure_is_until_it_is_made(given):
    given.missing = {("ML", "NEW")}
    view = at("new")
    assert view.schema == "PROD"
    given.missing = set()
    view.cursor().execute("USE SCHEMA ml.new")
    assert view.schema == "new"


def test_what_is_over_leaves_the_session_where_it_was_and_no_view_of_it():
    session = Given()
    with procedure.entered(session):
        at("other").cursor().execute("SELECT 1")
        assert session.place == ("ML", "OTHER")
    assert (session.place, procedure.current()) == (("ML", "PROD"), None)


def test_files_are_moved_by_snowpark_and_the_statements_are_not_sent(given):
    cursor = at("prod").cursor()
    given.said.clear()
    put = f"PUT {literal(f'file://{HOSTILE}')} {literal('@ML.PROD.S/a')} AUTO_COMPRESS = FALSE"
    cursor.execute(f"{put} SOURCE_COMPRESSION = NONE OVERWRITE = TRUE")
    options = {"auto_compress": False, "source_compression": "NONE", "overwrite": True}
    assert given.moved == [(HOSTILE, "@ML.PROD.S/a", options)]
    assert ([each.name for each in cursor.description], cursor.fetchall()) == (
        ["source", "status"],
        [(HOSTILE, "UPLOADED")],
    )
    given.files = {"@ML.PROD.S/a"}
    cursor.execute(f"GET {literal('@ML.PROD.S/a')} {literal('file:///tmp/b/')} PATTERN = '.*a'")
    assert (given.moved[1:], given.said) == ([("@ML.PROD.S/a", "/tmp/b/")], [])
    with pytest.raises(ProgrammingError) as missing:
        cursor.execute("GET '@ML.PROD.S/c' 'file:///tmp/b/'")
    assert missing.value.errno == NO_FILE


def test_a_transaction_is_begun_with_what_changes_something_and_ended_once(given):
    view, dialect = at("prod"), StateDialect()
    given.said.clear()
    for text in ("SELECT 1", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 1"):
        dialect.do_execute(view.cursor(), text, ())
    dialect.do_commit(view)
    dialect.do_rollback(view)
    dialect.do_execute(view.cursor(), "DELETE FROM t", ())
    dialect.do_rollback(view)
    assert given.said == [
        *("SELECT 1", "BEGIN TRANSACTION", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 1", "COMMIT"),
        *("BEGIN TRANSACTION", "DELETE FROM t", "ROLLBACK"),
    ]
