from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from firnflow.errors import ConfigError
from firnflow.project import load_settings
from firnflow.project.account_url import account_url, is_account_url, read_account_url
from firnflow.project.secrets import has_password
from firnflow.project.snowflake import Snowflake

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = ["ml", '"My/Db"', "a;role=x", "a b", "ü?#%", "x:y@z", '"; drop', "x" * 255]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_url_says_again_what_it_was_made_of(name: str) -> None:
    section = Snowflake.model_validate(
        {"connection": name, "database": name, "schema": name, "role": name, "warehouse": name}
    )
    url = account_url(section, "prod", "FIRNFLOW", name, "artifacts")
    assert is_account_url(url)
    assert not has_password(url)
    assert read_account_url(url) == (section, ["FIRNFLOW", name, "artifacts"])
    assert read_account_url(f"{url}/objects/ab")[1][-1] == "ab"


def test_the_default_connection_has_no_name() -> None:
    section = Snowflake.model_validate({"database": "ml", "schema": "s"})
    assert account_url(section, "prod") == "snowflake:///ml/s"
    assert read_account_url("snowflake:///ml/s") == (section, [])


def test_what_a_section_does_not_say_is_mended_there() -> None:
    with pytest.raises(ConfigError, match=r"in which schema\. Mend: schema = 'ml' in \[environments.prod.snowflake\]"):
        account_url(Snowflake.model_validate({"database": "ml"}), "prod")


@pytest.mark.parametrize(
    "url", ["snowflake://", "snowflake://a", "snowflake://a/b", "snowflake://a;x=1/b/c", "x://a/b/c"]
)
def test_a_url_that_leads_nowhere(url: str) -> None:
    with pytest.raises(ConfigError, match="leads nowhere in Snowflake"):
        read_account_url(url)


SHOP = """
[project]
name = "shop"

[environments.prod]
state = "snowflake"
artifacts = "snowflake"
[environments.prod.snowflake]
connection = "acc"
database = "ml"
schema = '"My S"'

[environments.nowhere]
artifacts = "snowflake"

[environments.folder]
artifacts = "./snowflake"
"""


def test_the_word_snowflake_stands_for_the_environments_place(tmp_path: Path) -> None:
    (tmp_path / "firnflow.toml").write_text(SHOP)
    settings = load_settings(tmp_path, "prod")
    assert settings.state.reveal() == "snowflake://acc/ml/%22My%20S_FIRNFLOW%22"
    assert settings.artifacts == "snowflake://acc/ml/%22My%20S%22/FIRNFLOW/artifacts/shop"
    assert load_settings(tmp_path, "folder").artifacts == str(tmp_path / "snowflake")
    with pytest.raises(ConfigError, match=r"in which database\. Mend: database = 'ml' in \[environments.nowhere"):
        load_settings(tmp_path, "nowhere")


def test_what_runs_on_snowflake_keeps_all_there_unless_it_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "firnflow.toml").write_text("""
[project]
name = "shop"
[environments.prod]
orchestrator = "snowflake"
snowflake = { database = "ml", schema = "s" }
[environments.own]
inherits = "prod"
warehouse = "duckdb"
state = "sqlite:///own.db"
[environments.nowhere]
orchestrator = "snowflake"
""")
    there, own, nowhere = (load_settings(tmp_path, name) for name in ("prod", "own", "nowhere"))
    assert (there.warehouse, there.state.reveal()) == ("snowflake", "snowflake:///ml/s_FIRNFLOW")
    assert there.artifacts == "snowflake:///ml/s/FIRNFLOW/artifacts/shop"
    assert (own.warehouse, own.state.reveal()) == ("duckdb", f"sqlite:///{tmp_path}/own.db")
    assert own.artifacts == there.artifacts
    assert (nowhere.warehouse, nowhere.artifacts) == ("duckdb", str(tmp_path / ".firnflow" / "artifacts"))
