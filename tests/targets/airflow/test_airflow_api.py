"""Calls of Airflow's API: what is repeated, how long is waited, what is said of what went wrong."""

from __future__ import annotations

import dataclasses
import socket
import time

import pytest

from firnflow.errors import ConfigError, TargetError
from firnflow.project import redact
from firnflow.project.orchestrators import Airflow
from firnflow.project.settings import load_settings
from firnflow.targets.airflow.api import Api

DROP, SLOW, DRIP = "drop", "slow", "drip"
TOKEN = {"token": "env:AIRFLOW_TOKEN"}


@pytest.fixture
def api(airflow, tmp_path, monkeypatch):
    """Makes an API of which the section says this."""
    monkeypatch.setenv("AIRFLOW_TOKEN", "canary-token")
    monkeypatch.setenv("AIRFLOW_PASSWORD", "canary-word")
    (tmp_path / "firnflow.toml").write_text('[project]\nname = "shop"\n')
    settings = load_settings(tmp_path)

    def make(**section):
        section = Airflow.model_validate({"url": airflow.url, **(section or TOKEN)})
        return Api(dataclasses.replace(settings, airflow=section), waits=(0.0, 0.0))

    return make


@pytest.mark.parametrize("first", [DROP, (503, {"detail": "locked"}), (429, {"detail": "slowly"})])
def test_what_can_be_asked_twice_is_asked_again(api, airflow, first):
    airflow.on("GET dags/a b/c", first, {"is": "there"})
    assert api().get("dags", "a b/c") == {"is": "there"}
    assert [call.path for call in airflow.calls] == ["/api/v2/dags/a%20b%2Fc"] * 2
    assert airflow.calls[0].headers["Authorization"] == "Bearer canary-token"


def test_what_would_be_done_twice_is_asked_once(api, airflow):
    airflow.on("POST backfills", DROP, {"id": 1})
    with pytest.raises(TargetError, match="cannot be reached") as raised:
        api().post("backfills", data={})
    assert (raised.value.is_passing, raised.value.is_again, len(airflow.calls)) == (True, False, 1)


def test_it_is_not_asked_for_ever(api, airflow):
    airflow.on("GET dags", (502, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(TargetError, match="answers 502 Bad Gateway") as raised:
        api().get("dags")
    assert (raised.value.is_again, len(airflow.calls)) == (True, 3)


def test_a_token_is_asked_for_once_and_again_when_it_has_ended(api, airflow):
    airflow.on("POST auth/token", (201, {"access_token": "canary-first"}), (201, {"access_token": "canary-second"}))
    airflow.on("GET dags", {"dags": []}, (401, {"detail": "ended"}), {"dags": [1]})
    made = api(user="ann", password="env:AIRFLOW_PASSWORD")
    assert [made.get("dags"), made.get("dags")] == [{"dags": []}, {"dags": [1]}]
    assert airflow.calls[0].data == {"username": "ann", "password": "canary-word"}
    assert [call.headers.get("Authorization") for call in airflow.calls] == [
        *(None, "Bearer canary-first", "Bearer canary-first", None, "Bearer canary-second")
    ]
    assert redact("canary-second, canary-word") == "***, ***"


def test_an_airflow_that_asks_nobody_who_he_is(api, airflow):
    airflow.on("GET auth/token", (201, {"access_token": "t"}))
    airflow.on("GET dags", {"dags": []})
    assert api(patience="5s").get("dags") == {"dags": []}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {"detail": "no"}), "does not know who asks: the token is wrong, or has ended. Mend: token in"),
        ((403, {"detail": "Forbidden"}), "does not allow it: Forbidden. Mend: token"),
        ((404, {"detail": "no DAG"}), "answers 404: no DAG"),
        ((409, {"detail": {"reason": "Unique constraint"}}), "answers 409: Unique constraint"),
        ((422, {"detail": [{"loc": ["body", "conf", "x"], "msg": "wrong"}]}), "answers 422: conf.x: wrong"),
        ((400, {"detail": "a\u202e\x1b[31m " + "y" * 9999}), "y…"),
        ((302, b"", {"Location": "http://127.0.0.1:1/login?token=x"}), "sends elsewhere: http://127.0.0.1:1/login. M"),
        ((200, b"<html>Sign in", {"Content-Type": "text/html"}), "answers with text/html that is no JSON. Mend: is"),
        ((200, b"[" * 200_000, {}), "no JSON"),
        ((500, {"detail": "x"}), "answers 500: x"),
        (SLOW, "gave no answer within 0.2 s. Mend: patience = '2m'"),
    ],
)
def test_what_is_said_of_a_refusal(api, airflow, answer, said):
    airflow.on("POST x", answer)
    began = time.monotonic()
    with pytest.raises(TargetError) as raised:
        api(patience=0.2 if answer == SLOW else 5, **TOKEN).post("x", data={})
    message = str(raised.value)
    assert said in message
    assert len(message) < 900
    assert message.isprintable()
    assert "canary" not in message
    assert time.monotonic() - began < 3
    assert len(airflow.calls) == 1


def test_an_answer_that_drips_is_not_waited_for(api, airflow):
    airflow.on("POST x", DRIP)
    began = time.monotonic()
    with pytest.raises(TargetError, match=r"no answer within 0\.3 s"):
        api(patience=0.3, **TOKEN).post("x", data={})
    assert time.monotonic() - began < 2


def test_a_server_that_is_not_there_or_speaks_no_tls(api, airflow):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TargetError, match=r"cannot be reached: Connection refused\. Mend: is its API"):
        api(**TOKEN, url=f"http://127.0.0.1:{port}").get("dags")
    with pytest.raises(TargetError, match=r"no safe connection: .*SSL_CERT_FILE=/path"):
        api(**TOKEN, url=airflow.url.replace("http:", "https:")).get("dags")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"url": None}, "says not where Airflow's API is. Mend: url = 'http://localhost:8080'"),
        ({"user": "ann"}, "a user, and no password. Mend: password = 'env:AIRFLOW_PASSWORD'"),
    ],
)
def test_what_is_missing_in_the_settings(api, section, said):
    with pytest.raises(ConfigError) as raised:
        api(**section)
    assert said in str(raised.value)


@pytest.mark.parametrize(("status", "said"), [(401, "look at user and password"), (404, "look at user and password")])
def test_a_user_who_is_not_known(api, airflow, status, said):
    airflow.on("POST auth/token", (status, {"detail": "canary-word is wrong"}))
    with pytest.raises(ConfigError) as raised:
        api(user="ann", password="env:AIRFLOW_PASSWORD").get("dags")
    assert said in redact(str(raised.value))
    assert str(raised.value).count("Mend:") == 1
    assert "canary" not in redact(str(raised.value))


def test_a_token_with_a_line_end_becomes_no_header(api, monkeypatch):
    made = api()
    monkeypatch.setenv("AIRFLOW_TOKEN", "one\r\nX-Other: two")
    with pytest.raises(ConfigError, match="holds a line end"):
        made.get("dags")


@pytest.mark.parametrize("url", ["ftp://a", "a", "http://ann:pw@a", "https://a?b", "https://a b", "https://"])
def test_what_is_no_address(url):
    with pytest.raises(ValueError, match=r"write it like https://airflow\.example\.com, without a user"):
        Airflow.model_validate({"url": url})


def test_the_address_of_the_api_is_as_good_as_that_of_the_page(api, airflow):
    airflow.on("GET dags", {"dags": []})
    assert api(**TOKEN, url=f"{airflow.url}/api/v2/").get("dags") == {"dags": []}
