"""`firnflow plan` for Snowflake, without a Snowflake: what is said before anything is asked."""

from __future__ import annotations

import pytest

PROD = """
[environments.prod]
orchestrator = "snowflake"
state = "env:STATE_URL"
artifacts = "s3://models/shop"

[environments.prod.snowflake]
connection = "no-such-connection"
database = "ml"
schema = "prod"
warehouse = "wh"
image = "/ml/prod/images/shop:1"
files = ["orders.csv"]
secrets = {{ STATE_URL = "state_url" }}
variables = {{ FIRNFLOW_STATE = "told otherwise" }}
pool = "small"
pools.small = {{ family = "CPU_X64_S" }}
{}

[pipelines.sleepy.params]
folder = "."
"""
WRONG = [
    (PROD.replace('database = "ml"', ""), "says not which database of Snowflake it is for. Mend: database = 'ml'"),
    (PROD.replace("FIRNFLOW_STATE", "OTHER"), "containers, but the state is SQLite"),
    (PROD.replace('"s3://models/shop"', '"here"'), "but artifacts are in the folder"),
    (
        PROD.replace("{{ STATE_URL", "{{ STATE").replace("FIRNFLOW_STATE", "OTHER"),
        "do not know the variable STATE_URL. Mend: secrets = { STATE_URL =",
    ),
    (PROD.replace('"small"\n', '"smal"\n'), "wants pool 'smal', which is not there. Did you mean 'small'?"),
    (PROD.replace('schema = "prod"', 'schema = "a.b"'), "schema: one name, without dots"),
    (PROD.replace("CPU_X64_S", "cpu"), "family"),
    (
        PROD.replace("/ml/prod/images/shop:1", "shop:1"),
        "image = 'shop:1' is no image of Snowflake. Mend: image = '/data",
    ),
    (PROD.replace("warehouse =", "warehous ="), "warehous is not known. Did you mean 'warehouse'?"),
    (PROD, "no-such-connection"),
]


@pytest.fixture
def written(shop, monkeypatch):
    """Return what adds a section to the project."""
    monkeypatch.setenv("STATE_URL", f"sqlite:///{shop.root}/state.db")
    monkeypatch.setenv("SNOWFLAKE_HOME", str(shop.root / "home"))

    def write(section, more=""):
        with shop.root.joinpath("firnflow.toml").open("a") as file:
            file.write(section.format(more))
        return shop

    return write


@pytest.mark.parametrize(("section", "message"), WRONG)
def test_what_does_not_suit_snowflake_is_said_when_planning(written, monkeypatch, section, message):
    if "{{ STATE =" in section:
        monkeypatch.setenv("STATE_URL", "postgresql://nobody@127.0.0.1:1/none")
    called = written(section).call("plan", "--env", "prod")
    assert (called.code in {1, 2}, message in called.err) == (True, True), called.err
    assert "Traceback" not in called.err


def test_the_script_of_grants_needs_nobody_to_answer(written):
    text = PROD.replace('state = "env:STATE_URL"', 'state = "snowflake"').replace("FIRNFLOW_STATE", "OTHER")
    called = written(text).call("plan", "--env", "prod", "--grants")
    assert (called.code, called.out.splitlines()[0]) == (0, "CREATE ROLE IF NOT EXISTS FIRNFLOW_PROD;"), called.err
    assert "GRANT READ ON IMAGE REPOSITORY ML.PROD.IMAGES TO ROLE FIRNFLOW_PROD;" in called.out
    assert "GRANT READ ON SECRET ML.PROD.STATE_URL TO ROLE FIRNFLOW_PROD;" in called.out
