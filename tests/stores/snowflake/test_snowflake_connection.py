"""How Snowflake is reached: what a connection asks for, from a laptop and in a container, and what it is warned of."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from firnflow.errors import ConfigError, MissingExtraError, StoreError
from firnflow.project.snowflake import Snowflake
from firnflow.stores.snowflake import connection


@pytest.fixture
def settings():
    section = Snowflake.model_validate({"connection": "shop", "database": "ml", "schema": '"My S"', "role": "deployer"})
    return SimpleNamespace(snowflake=section, environment="prod")


@pytest.fixture
def connector(monkeypatch):
    """A connector that takes down what it is asked for, and fails as it is told."""
    made = SimpleNamespace(asked={}, fails=None, Error=type("Error", (Exception,), {}))

    def connect(**asked):
        made.asked = asked
        if made.fails is not None:
            raise made.fails
        return SimpleNamespace(_authenticator="SNOWFLAKE_JWT", cursor=None)

    made.connect = connect
    made.operational = operational = type("OperationalError", (made.Error,), {})
    monkeypatch.setitem(sys.modules, "snowflake", SimpleNamespace(connector=made))
    monkeypatch.setitem(sys.modules, "snowflake.connector", made)
    monkeypatch.setitem(sys.modules, "snowflake.connector.errors", SimpleNamespace(OperationalError=operational))
    for name in ("HOST", "ACCOUNT", "TOKEN"):
        monkeypatch.delenv(f"SNOWFLAKE_{name}", raising=False)
    return made


def test_the_section_says_which_connection_and_where_its_sessions_begin(settings, connector, tmp_path):
    _, notes = connection.connect(settings, tmp_path)
    waits = {"login_timeout": 60, "backoff_policy": connection.waits}
    assert connector.asked == {
        "connection_name": "shop",
        "role": "deployer",
        "database": "ml",
        "schema": '"My S"',
        **waits,
    }
    assert notes == []


@pytest.mark.parametrize("how", ["file", "variable"])
def test_a_container_logs_in_by_its_token_with_the_rights_of_its_service(
    settings, connector, tmp_path, monkeypatch, how
):
    monkeypatch.setenv("SNOWFLAKE_HOST", "h")
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "a")
    monkeypatch.setenv("SNOWFLAKE_DATABASE", "of the job")
    if how == "file":
        (tmp_path / "token").write_text("secret\n")
        monkeypatch.setattr(connection, "TOKEN", tmp_path / "token")
    else:
        monkeypatch.setenv("SNOWFLAKE_TOKEN", "secret")
    connection.connect(settings, tmp_path)
    asked = connector.asked
    assert (asked["authenticator"], asked["token"], asked["host"], asked["account"]) == ("oauth", "secret", "h", "a")
    assert asked["database"] == "ml"
    assert not {"connection_name", "role"} & asked.keys()


def test_a_token_without_a_host_is_of_no_container(settings, connector, tmp_path, monkeypatch):
    monkeypatch.setenv("SNOWFLAKE_TOKEN", "of another tool")
    connection.connect(settings, tmp_path)
    assert connector.asked["connection_name"] == "shop"


def test_without_a_name_it_is_the_default_connection(settings, connector, tmp_path, monkeypatch):
    settings.snowflake = settings.snowflake.model_copy(update={"connection": None})
    config = SimpleNamespace(CONFIG_MANAGER={"default_connection_name": "mine"})
    monkeypatch.setitem(sys.modules, "snowflake.connector.config_manager", config)
    connection.connect(settings, tmp_path)
    assert connector.asked["connection_name"] == "mine"
    connector.fails = connector.Error("Invalid connection_name 'mine', known ones are []")
    with pytest.raises(ConfigError, match=r"connection = 'mine': .*Mend: \[mine\] with account, user"):
        connection.connect(settings, tmp_path)


def test_what_fails_says_where_it_is_mended(settings, connector, tmp_path, monkeypatch):
    connector.fails = connector.operational("no route\nmore")
    with pytest.raises(StoreError, match=r"cannot be reached: no route\. Mend: see account"):
        connection.connect(settings, tmp_path)
    connector.fails = connector.Error("Invalid connection_name 'shop'")
    with pytest.raises(ConfigError, match=r"environment prod: connection = 'shop'.*Mend: \[shop\]"):
        connection.connect(settings, tmp_path)
    monkeypatch.setitem(sys.modules, "snowflake.connector", None)
    with pytest.raises(MissingExtraError, match=r"snowflake-connector-python is not installed"):
        connection.connect(settings, tmp_path)


def test_a_password_is_noted_and_a_key_pair_is_not():
    by_password = SimpleNamespace(_authenticator="SNOWFLAKE")
    assert connection._warnings(by_password, "shop") == [
        "connection 'shop' logs in by a password; a key pair is safer: private_key_file in connections.toml"
    ]
    assert connection._warnings(SimpleNamespace(_authenticator="SNOWFLAKE_JWT"), "shop") == []
