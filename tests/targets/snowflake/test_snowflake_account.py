"""How an account is spoken to: connections that are cut, what is refused."""

from __future__ import annotations

import pytest

from firnflow.errors import StoreError
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.grammar.statements import ListFiles
from firnflow.targets.snowflake.grammar.values import Location, Name
from firnflow.targets.snowflake.grants import Need, missing

pytestmark = pytest.mark.slow  # the connector takes seconds to load


@pytest.fixture(scope="module")
def errors():
    return pytest.importorskip("snowflake.connector.errors")


class Connection:
    """A connection whose statements end as a list says: rows, or an error."""

    def __init__(self, *ends):
        self.ends, self.said, self.description = list(ends), [], None

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def execute(self, text):
        self.said.append(text)
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        names, self.rows = end
        self.description = [type("Column", (), {"name": name}) for name in names]

    def fetchall(self):
        return self.rows


def account_of(*connections):
    left = list(connections)
    return Account(lambda: left.pop(0))


LISTING = ListFiles(Location(Name(("S",))))


def test_a_connection_that_is_cut_is_opened_again(errors, monkeypatch):
    monkeypatch.setattr("firnflow.stores.snowflake.session.PAUSES", (0.0,))
    cut = errors.OperationalError("250003: connection was cut")
    first, second = Connection(cut), Connection((["name"], [("a",)]), cut)
    account = account_of(first, second, Connection(cut))
    assert account.files(LISTING.stage) == {"a": "None"}
    assert first.said == second.said == ["LIST @S"]
    with pytest.raises(StoreError, match=r"cannot be reached: .*was cut. Mend: the same command goes on"):
        account.files(LISTING.stage)


def test_what_is_refused_is_said_with_the_statement(errors):
    refused = errors.ProgrammingError("no such role", errno=3001)
    with pytest.raises(StoreError, match=r"Snowflake refuses: .*no such role\n  LIST @S"):
        account_of(Connection(refused)).do(LISTING)


def test_what_is_not_there_is_nothing_and_another_error_is_one(errors):
    gone = errors.ProgrammingError("does not exist or not authorized", errno=2003)
    assert account_of(Connection(gone)).files(LISTING.stage) == {}
    with pytest.raises(StoreError, match="Snowflake refuses"):
        account_of(Connection(errors.ProgrammingError("no", errno=1003))).files(LISTING.stage)


def grants_of(*rows):
    names = ["privilege", "granted_on", "name"]
    return names, list(rows)


def test_grants_of_roles_that_a_role_has_count(errors):
    role = (["current_role()"], [("CHILD",)])
    own = grants_of(("USAGE", "ROLE", "PARENT"), ("USAGE", "WAREHOUSE", '"my wh"'))
    parent = grants_of(("EXECUTE TASK", "ACCOUNT", "X"), ("USAGE", "ROLE", "CHILD"))
    needs = [Need("EXECUTE TASK", "ACCOUNT", None), Need("USAGE", "WAREHOUSE", Name(("my wh",)))]
    lacks = Need("CREATE TASK", "SCHEMA", Name(("ML", "PROD")))
    connection = Connection(role, own, parent)
    assert missing(account_of(connection), [*needs, lacks]) == [lacks]
    assert str(lacks) == "CREATE TASK on schema ML.PROD"
    assert connection.said[1:] == ["SHOW GRANTS TO ROLE CHILD", "SHOW GRANTS TO ROLE PARENT"]
    admin = Connection((["current_role()"], [("ACCOUNTADMIN",)]))
    assert missing(account_of(admin), [lacks]) == []
