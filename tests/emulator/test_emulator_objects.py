"""What is neither rows nor files: pools, secrets, tags, dynamic tables, notifications."""

from __future__ import annotations

import re
import uuid

import pytest

from firnflow.emulator.account import Account

pytestmark = pytest.mark.slow


@pytest.fixture
def name(sql):
    """A name for something that belongs to the whole account."""
    found = f"N{uuid.uuid4().hex[:8].upper()}"
    yield found
    sql("USE ROLE ACCOUNTADMIN")
    for kind in ("COMPUTE POOL", "WAREHOUSE", "NOTIFICATION INTEGRATION", "USER"):
        sql(f"DROP {kind} IF EXISTS {found}")


def test_a_pool_is_made_changed_shown_and_dropped(sql, name):
    made = f"CREATE COMPUTE POOL {name} MIN_NODES = 1 MAX_NODES = 2 INSTANCE_FAMILY = CPU_X64_S"
    sql(f"{made} INITIALLY_SUSPENDED = TRUE COMMENT = 'it''s'")
    assert "already exists" in str(sql.refused(made))
    (shown,) = sql.maps(f"SHOW COMPUTE POOLS LIKE '{name.lower()}'")
    assert (shown["state"], shown["max_nodes"], shown["comment"]) == ("SUSPENDED", 2, "it's")
    sql(f"ALTER COMPUTE POOL {name} SET MAX_NODES = 5")
    sql(f"ALTER COMPUTE POOL {name} RESUME")
    (described,) = sql.maps(f"DESCRIBE COMPUTE POOL {name}")
    assert (described["state"], described["max_nodes"]) == ("IDLE", 5)
    sql(f"DROP COMPUTE POOL {name}")
    assert sql(f"SHOW COMPUTE POOLS LIKE '{name}'") == []


def test_create_or_alter_changes_just_what_it_says(sql, name):
    sql(f"CREATE OR ALTER WAREHOUSE {name} WAREHOUSE_SIZE = LARGE AUTO_SUSPEND = 60")
    sql(f"GRANT USAGE ON WAREHOUSE {name} TO ROLE SYSADMIN")
    before = sql.maps(f"SHOW WAREHOUSES LIKE '{name}'")[0]
    sql(f"CREATE OR ALTER WAREHOUSE {name} WAREHOUSE_SIZE = SMALL")
    after = sql.maps(f"SHOW WAREHOUSES LIKE '{name}'")[0]
    assert (before["size"], before["auto_suspend"], after["size"], after["auto_suspend"]) == ("Large", 60, "Small", 600)
    assert after["created_on"] == before["created_on"]
    assert len(sql(f"SHOW GRANTS ON WAREHOUSE {name}")) == 2


def test_show_takes_what_is_asked_for(sql):
    for each in ("a1", "a2", "b1"):
        sql(f"CREATE TAG {each}")
    assert [row["name"] for row in sql.maps("SHOW TAGS LIKE 'A%'")] == ["A1", "A2"]
    assert [row["name"] for row in sql.maps("SHOW TAGS STARTS WITH 'A' LIMIT 1 FROM 'A1'")] == ["A2"]
    assert sql("SHOW TAGS STARTS WITH 'a'") == []
    assert sql("SHOW SCHEMAS LIKE 'nosuch'") == []
    assert sql("SHOW WAREHOUSES LIKE 'nosuch'") == []


def test_a_tag_is_on_what_it_was_set_on(sql):
    sql("CREATE TAG team ALLOWED_VALUES 'red', 'blue'")
    sql("CREATE TABLE t (a INT) WITH TAG (team = 'red')")
    sql("CREATE STAGE s")
    sql("ALTER STAGE s SET TAG team = 'blue'")
    assert "is not allowed for tag" in str(sql.refused("ALTER STAGE s SET TAG team = 'green'"))
    assert sql("SELECT SYSTEM$GET_TAG('team', 't', 'table'), SYSTEM$GET_TAG('team', 's', 'stage')") == [("red", "blue")]
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    found = sql.maps(f"SELECT * FROM TABLE({database}.INFORMATION_SCHEMA.TAG_REFERENCES('t', 'TABLE'))")
    assert [(row["TAG_NAME"], row["TAG_VALUE"]) for row in found] == [("TEAM", "red")]
    sql("DROP TAG team")
    assert "does not exist" in str(sql.refused("ALTER STAGE s SET TAG team = 'red'"))


def test_a_secret_never_says_what_it_holds(sql):
    sql("CREATE SECRET key TYPE = GENERIC_STRING SECRET_STRING = 'canary-secret'")
    sql("CREATE SECRET a TYPE = GENERIC_STRING COMMENT = 'kept' secret_string='it''s canary, \\' canary' ")
    sql("CREATE SECRET b TYPE = PASSWORD USERNAME = 'u' PASSWORD = $$'canary'$$ COMMENT = 'kept'")
    for value, name in (("it''''s canary", "c"), ("canary", "d")):
        secret = f"CREATE SECRET {name} TYPE = GENERIC_STRING COMMENT = ''kept'' SECRET_STRING = ''{value}''"
        sql(f"EXECUTE IMMEDIATE '{secret}'")
    sql.refused("CREATE SECRET e TYPE = GENERIC_STRING COMMENT = 'kept' SECRET_STRING = 'canary")
    history = "SELECT query_text FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 8))"
    assert str(sql(history)).count("kept") == 5
    for statement in ("SHOW SECRETS", "DESCRIBE SECRET key", history):
        assert "canary" not in str(sql(statement))
    assert "Missing option" in str(sql.refused("CREATE SECRET other TYPE = PASSWORD USERNAME = 'x'"))


def test_a_dynamic_table_has_the_rows_of_its_query(sql):
    sql("CREATE TABLE t AS SELECT 1 AS id")
    head = "CREATE DYNAMIC TABLE d TARGET_LAG = '1 hour' WAREHOUSE = COMPUTE_WH AS"
    assert "invalid identifier" in str(sql.refused(f"{head} SELECT nosuch FROM t"))
    sql(f"{head} SELECT id, COUNT(*) AS n FROM t GROUP BY id")
    sql("CREATE DYNAMIC TABLE below (x) TARGET_LAG = DOWNSTREAM WAREHOUSE = COMPUTE_WH AS SELECT n FROM d")
    sql("INSERT INTO t VALUES (1)")
    assert sql("SELECT * FROM d") == [(1, 1)]
    sql("ALTER DYNAMIC TABLE d REFRESH")
    assert sql("SELECT * FROM d") == [(1, 2)]
    assert sql("SELECT x FROM below") == [(2,)]
    assert "can not be changed by DML" in str(sql.refused("INSERT INTO d VALUES (1, 1)"))
    assert "already exists" in str(sql.refused("CREATE TABLE d (a INT)"))


def test_a_message_is_sent_to_whom_it_may_be(sql, name):
    sql(f"CREATE NOTIFICATION INTEGRATION {name} TYPE = EMAIL ENABLED = TRUE ALLOWED_RECIPIENTS = ('a@b.c')")
    assert "are not allowed" in str(sql.refused(f"CALL SYSTEM$SEND_EMAIL('{name}', 'x@y.z', 's', 't')"))
    assert sql(f"CALL SYSTEM$SEND_EMAIL('{name}', 'a@b.c', 's', 't')") == [("true",)]
    sql(f"ALTER NOTIFICATION INTEGRATION {name} SET ENABLED = FALSE")
    assert "is disabled" in str(sql.refused(f"CALL SYSTEM$SEND_EMAIL('{name}', 'a@b.c', 's', 't')"))


def test_a_message_reaches_a_server_of_this_machine(server, sql, name):
    import http.server
    import threading

    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            got.append((self.path, self.headers["X-Key"], self.rfile.read(length).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as hook:
        thread = threading.Thread(target=hook.handle_request)
        thread.start()
        sql("CREATE SECRET key TYPE = GENERIC_STRING SECRET_STRING = 'canary-key'")
        sql(
            f"CREATE NOTIFICATION INTEGRATION {name} TYPE = WEBHOOK ENABLED = TRUE WEBHOOK_SECRET = key "
            f"WEBHOOK_URL = 'http://127.0.0.1:{hook.server_port}/hook' "
            "WEBHOOK_HEADERS = ('X-Key' = 'SNOWFLAKE_WEBHOOK_SECRET') "
            'WEBHOOK_BODY_TEMPLATE = \'{"text": "SNOWFLAKE_WEBHOOK_MESSAGE"}\''
        )
        sql(
            "CALL SYSTEM$SEND_SNOWFLAKE_NOTIFICATION(SNOWFLAKE.NOTIFICATION.TEXT_PLAIN('run failed'), "
            f"SNOWFLAKE.NOTIFICATION.INTEGRATION('{name}'))"
        )
        thread.join(10)
    assert got == [("/hook", "canary-key", '{"text": "run failed"}')]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE COMPUTE POOL p MIN_NODES = 3 MAX_NODES = 2 INSTANCE_FAMILY = CPU_X64_S", "at most MAX_NODES"),
        ("CREATE COMPUTE POOL p MIN_NODES = 1 MAX_NODES = 2 INSTANCE_FAMILY = HUGE", "Invalid instance family 'HUGE'"),
        ("CREATE COMPUTE POOL p MIN_NODES = 1 FROBNICATE = 2", "syntax error"),
        ("CREATE WAREHOUSE w WAREHOUSE_SIZE = TINY", "invalid value 'TINY'"),
        ("ALTER WAREHOUSE COMPUTE_WH FROBNICATE", "syntax error"),
        ("DROP ROLE SYSADMIN", "does not exist or not authorized"),
        ("CREATE NOTIFICATION INTEGRATION n TYPE = EMAIL ENABLED = TRUE WEBHOOK_URL = 'https://x'", "invalid property"),
        ("ALTER SESSION SET NOSUCH = 1", "syntax error"),
        ("SHOW FROBS", "Unsupported feature 'SHOW FROBS'"),
        ("DESCRIBE SECRET nosuch", "does not exist or not authorized"),
    ],
)
def test_what_is_wrong_is_refused(sql, statement, said):
    error = sql.refused(statement)
    assert re.search(said, str(error)), error


@pytest.mark.parametrize("what", ["DATABASE", "SCHEMA"])
def test_a_session_may_end_while_what_it_is_in_is_dropped(tmp_path, monkeypatch, what):
    account = Account(tmp_path)
    try:
        mine, other = account.login("EMULATOR"), account.login("EMULATOR")
        for statement in ("CREATE DATABASE D", "CREATE SCHEMA D.S"):
            mine.execute(statement)
        other.execute("USE SCHEMA D.S")
        listed = account.sessions

        def sessions():
            found = listed()
            account.logout(other.token)
            return found

        monkeypatch.setattr(account, "sessions", sessions)
        mine.execute(f"DROP {what} {'D' if what == 'DATABASE' else 'D.S'}")
        assert [each.token for each in listed()] == [mine.token]
    finally:
        account.close()
