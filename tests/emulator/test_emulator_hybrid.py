"""Hybrid tables: keys that are enforced, and transactions that wait for each other."""

from __future__ import annotations

import threading
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.server]
PARENT = "CREATE HYBRID TABLE P (ID VARCHAR(9) PRIMARY KEY, N INT)"
CHILD = """
CREATE HYBRID TABLE C (ID INT AUTOINCREMENT ORDER, "by" VARCHAR, N INT, P VARCHAR(9),
  CONSTRAINT k PRIMARY KEY (ID), CONSTRAINT u UNIQUE ("by", N), CONSTRAINT f FOREIGN KEY (P) REFERENCES P (ID),
  INDEX i (N), INDEX j (N, "by"))
"""


@pytest.fixture
def tables(sql):
    sql(PARENT)
    sql(CHILD)
    sql("INSERT INTO P VALUES ('a', 0), ('b', 0)")
    return sql


@pytest.fixture
def other(server, tables):
    """Another session in the same schema, and what runs a statement of it in a thread."""
    database = tables("SELECT CURRENT_DATABASE()")[0][0]
    with server.connect(database=database, schema="PUBLIC") as connection:
        yield type(tables)(connection)


class Later:
    """A statement that runs beside the test."""

    def __init__(self, sql, statement):
        self.found = self.error = None
        self._sql, self._statement = sql, statement
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self.found = self._sql(self._statement)
        except Exception as error:  # noqa: BLE001 - looked at below
            self.error = error

    def waits(self):
        self.thread.join(0.4)
        return self.thread.is_alive()

    def ended(self):
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.error


def test_keys_are_enforced(tables):
    tables("""INSERT INTO C ("by", N, P) VALUES ('x', 1, 'a'), ('x', 2, NULL)""")
    for statement in (
        "INSERT INTO P VALUES ('a', 1)",
        """INSERT INTO C ("by", N, P) VALUES ('x', 1, 'a')""",
        "UPDATE C SET N = 2 WHERE N = 1",
    ):
        assert tables.refused(statement).errno == 200001
    assert tables.refused("""INSERT INTO C ("by", N, P) VALUES ('x', 3, 'nosuch')""").errno == 200009
    assert tables.refused("DELETE FROM P WHERE ID = 'a'").errno == 200009
    assert tables("SELECT ID, N, P FROM C ORDER BY ID") == [(1, 1, "a"), (2, 2, None)]
    tables("BEGIN")
    tables("DELETE FROM C WHERE N = 1")
    tables("DELETE FROM P WHERE ID = 'a'")
    tables("COMMIT")
    assert tables("SELECT ID FROM P") == [("b",)]
    assert "primary key" in str(tables.refused("CREATE HYBRID TABLE Q (A INT)"))


def test_a_change_of_the_same_waits_until_the_other_has_ended(tables, other):
    tables("BEGIN")
    tables("UPDATE P SET N = N + 1 WHERE ID = 'a'")
    later = Later(other, "UPDATE P SET N = N + 1 WHERE ID = 'a'")
    assert later.waits()
    tables("COMMIT")
    assert later.ended() is None
    assert tables("SELECT N FROM P WHERE ID = 'a'") == [(2,)]


def test_a_key_that_another_has_written_is_known_once_that_has_ended(tables, other):
    tables("BEGIN")
    tables("INSERT INTO P VALUES ('c', 1)")
    later = Later(other, "INSERT INTO P VALUES ('c', 2)")
    assert later.waits()
    tables("COMMIT")
    assert later.ended().errno == 200001
    tables("BEGIN")
    tables("INSERT INTO P VALUES ('d', 1)")
    later = Later(other, "INSERT INTO P VALUES ('d', 2)")
    assert later.waits()
    tables("ROLLBACK")
    assert later.ended() is None
    assert tables("SELECT N FROM P WHERE ID = 'd'") == [(2,)]


def test_each_statement_sees_what_was_committed_before_it(tables, other):
    other("BEGIN")
    assert other("SELECT N FROM P WHERE ID = 'a'") == [(0,)]
    tables("UPDATE P SET N = 5 WHERE ID = 'a'")
    assert other("SELECT N FROM P WHERE ID = 'a'") == [(5,)]
    other("UPDATE P SET N = N + 1 WHERE ID = 'a'")
    other("COMMIT")
    assert tables("SELECT N FROM P WHERE ID = 'a'") == [(6,)]


def test_rows_that_are_selected_for_update_wait(tables, other):
    tables("BEGIN")
    tables("SELECT N FROM P WHERE ID = 'a' FOR UPDATE WAIT 5")
    assert other("SELECT N FROM P WHERE ID = 'a'") == [(0,)]
    assert other.refused("SELECT N FROM P WHERE ID = 'a' FOR UPDATE").errno == 625
    later = Later(other, "SELECT N FROM P WHERE ID = 'a' FOR UPDATE WAIT 20")
    assert later.waits()
    tables("UPDATE P SET N = 7 WHERE ID = 'a'")
    tables("COMMIT")
    assert later.ended() is None
    assert later.found == [(7,)]
    tables("CREATE TABLE T (A INT)")
    assert "hybrid" in str(tables.refused("SELECT A FROM T FOR UPDATE"))


def test_a_statement_waits_no_longer_than_its_session_says(tables, other):
    tables("BEGIN")
    tables("UPDATE P SET N = 1")
    other("ALTER SESSION SET HYBRID_TABLE_LOCK_TIMEOUT = 1")
    began = time.monotonic()
    assert other.refused("UPDATE P SET N = 2").errno == 625
    assert 0.9 < time.monotonic() - began < 5
    tables("ROLLBACK")
    other("UPDATE P SET N = 2")


def test_two_that_wait_for_each_other_are_told(tables, other):
    for name in ("T", "U"):
        tables(f"CREATE TABLE {name} (A INT)")
        tables(f"INSERT INTO {name} VALUES (1)")
    tables("BEGIN")
    other("BEGIN")
    tables("UPDATE T SET A = 2")
    other("UPDATE U SET A = 3")
    later = Later(other, "UPDATE T SET A = 3")
    assert later.waits()
    assert tables.refused("UPDATE U SET A = 2").errno == 626
    tables("ROLLBACK")
    assert later.ended() is None
    other("COMMIT")
    assert (tables("SELECT A FROM T"), tables("SELECT A FROM U")) == ([(3,)], [(3,)])


def test_rows_that_are_added_to_a_standard_table_wait_for_nobody(tables, other):
    tables("CREATE TABLE T (A INT)")
    tables("BEGIN")
    tables("INSERT INTO T VALUES (1)")
    other("INSERT INTO T VALUES (2)")
    assert other("SELECT A FROM T") == [(2,)]
    tables("COMMIT")
    assert other("SELECT A FROM T ORDER BY A") == [(1,), (2,)]


def test_a_session_that_ends_leaves_no_lock(tables, server, other):
    with server.connect(database=tables("SELECT CURRENT_DATABASE()")[0][0], schema="PUBLIC") as gone:
        gone.cursor().execute("BEGIN")
        gone.cursor().execute("UPDATE P SET N = 9")
    other("UPDATE P SET N = N + 1")
    assert tables("SELECT N FROM P WHERE ID = 'a'") == [(1,)]


def test_a_statement_that_waits_can_be_cancelled(tables, other):
    tables("BEGIN")
    tables("UPDATE P SET N = 1")
    later = Later(other, "UPDATE P SET N = 2")
    assert later.waits()
    tables("SELECT SYSTEM$CANCEL_ALL_QUERIES(?)", other.connection.session_id)
    assert later.ended().errno == 604
    tables("ROLLBACK")
