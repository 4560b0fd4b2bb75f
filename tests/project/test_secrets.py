from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from firnflow.errors import ConfigError
from firnflow.project import secrets
from firnflow.project.secrets import Secret, hide_all, redact


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", set())
    secrets._pattern.cache_clear()


def test_a_variable_and_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t!")
    (tmp_path / "password").write_text("from file\n")
    assert Secret("env:TOKEN").reveal() == "s3cr3t!"
    assert Secret("file:password", tmp_path).reveal() == "from file"
    assert Secret(f"file:{tmp_path}/password").reveal() == "from file"
    assert redact("x s3cr3t! y 'from file'") == "x *** y '***'"


def test_what_airflow_gives_to_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://u:s3cr3t%40@h:5432/shop")
    monkeypatch.setenv("AIRFLOW_VAR_SLACK.URL", "slack://t0ken")
    assert Secret("airflow:conn/shop").reveal() == "postgresql://u:s3cr3t%40@h:5432/shop"
    assert Secret("airflow:var/slack.url").reveal() == "slack://t0ken"
    assert redact("s3cr3t%40 s3cr3t@ slack://t0ken") == "*** *** ***"


@pytest.mark.parametrize("text", ["airflow:connection/shop", "airflow:shop", "airflow:conn/", "airflow:conn/a b"])
def test_what_is_no_reference_to_airflow(text: str) -> None:
    with pytest.raises(ValueError, match="Write 'airflow:conn/NAME' or 'airflow:var/NAME'"):
        Secret(text)


def test_it_never_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t!")
    secret = Secret("env:TOKEN")
    secret.reveal()
    assert "s3cr3t!" not in f"{secret!r} {secret} {secret.reference}"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:MISSING", "MISSING is not set. Mend: export MISSING="),
        ("env:EMPTY", "EMPTY is not set"),
        ("file:nowhere", "nowhere cannot be read as text"),
        ("file:.", "cannot be read as text"),
        ("file:binary", "cannot be read as text"),
        ("file:huge", "too large for a secret"),
        ("file:empty", "is empty"),
        ("airflow:conn/shop", "only a task on Airflow is given Airflow's connection shop.* AIRFLOW_CONN_SHOP"),
        ("airflow:conn/json", "is JSON. Mend: write the connection as a URL"),
    ],
)
def test_what_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reference: str, message: str) -> None:
    monkeypatch.delenv("MISSING", raising=False)
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("AIRFLOW_CONN_JSON", '{"conn_type": "postgres"}')
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "huge").write_bytes(b"x" * 100_000)
    (tmp_path / "empty").write_bytes(b"\n")
    with pytest.raises(ConfigError, match=message):
        Secret(reference, tmp_path).reveal()


@pytest.mark.parametrize(
    "text", ["postgresql://u:pw@h/d", "postgresql+psycopg://:pw@h", "x://u:p/w@h", "https://a:b@c@d/e"]
)
def test_a_password_in_the_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"holds a password. Write a reference instead: 'env:NAME'"):
        Secret(text)


@pytest.mark.parametrize(
    "text", ["sqlite:///state.db", "postgresql://u@h:5432/d", "s3://bucket/a:b@c", "env", "env:", "file:"]
)
def test_a_text_without_a_password_is_itself(text: str) -> None:
    assert Secret(text).reveal() == text
    assert redact(text) == text


def test_what_is_replaced_in_a_text_is_shown_and_what_is_behind_a_reference_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FEED", "s3://feeds/{day}.csv")
    plain, hidden = (Secret(text).replaced("{day}", "2026-01-05") for text in ("s3://feeds/{day}.csv", "env:FEED"))
    assert plain.reveal() == hidden.reveal() == "s3://feeds/2026-01-05.csv"
    assert (plain.reference, hidden.reference) == ("s3://feeds/2026-01-05.csv", "env:FEED")


def test_each_written_form_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    password = "pä ss/\"wörd'&\\x"
    url = f"postgresql://me:{quote(password, safe='')}@db/x"
    monkeypatch.setenv("URL", url)
    Secret("env:URL").reveal()
    for text in [url, password, quote(password), quote(password, safe=""), json.dumps(password), repr(password)]:
        hidden = redact(f"before {text} after")
        assert "***" in hidden
        assert "ss" not in hidden.replace("***", "")
        assert hidden.startswith("before ")
        assert hidden.endswith(" after")


def test_a_short_secret_is_removed_only_where_it_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIN", "a1")
    Secret("env:PIN").reveal()
    assert redact("banana1 a1") == "banana1 ***"


def test_a_longer_secret_wins_over_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "secret")
    monkeypatch.setenv("B", "secretly")
    hide_all({"x": ["env:A", {"y": "env:B"}]}, Path())
    assert redact("secretly secret") == "*** ***"


def test_secrets_that_are_not_set_here_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_HERE", raising=False)
    hide_all({"x": "env:NOT_HERE", "y": 3, "z": None}, Path())
    assert redact(os.sep) == os.sep


def test_lines_of_a_key_file_are_redacted_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n")
    Secret("file:key", tmp_path).reveal()
    assert redact("log: MIIEvQIBADANBg") == "log: ***"


def test_the_digest_of_a_place_leaves_out_its_password(tmp_path: Path) -> None:
    def digest(url: str) -> str:
        (tmp_path / "url").write_text(url)
        return Secret("file:url", tmp_path).place_digest()

    for form in ("postgresql://me:{}@host/db", "postgresql://:{}@host/db", "postgresql://me@host/db?password={}&a=b"):
        assert digest(form.format("one")) == digest(form.format("m%40e"))
        assert digest(form.format("one")) != digest(form.format("one").replace("host", "other"))
    plain = "postgresql://host:5432/db"
    assert Secret(plain).place_digest() == hashlib.sha256(plain.encode()).hexdigest()
