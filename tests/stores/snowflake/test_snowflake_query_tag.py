"""The tag of statements of runs: by it cost is asked for."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from firnflow import context
from firnflow.stores.snowflake.query_tag import LONGEST, as_text, query_tag
from firnflow.stores.snowflake.session import session_at

HOSTILE = 'it\'s "x" $$; -- \\n é'


@pytest.fixture
def running():
    settings = SimpleNamespace(project="shop", environment="prod")
    here = context.TaskContext(
        "churn.1", "train", 1, element=2, pipeline=HOSTILE, services=SimpleNamespace(settings=settings)
    )
    token = context.enter(here)
    yield here
    context.leave(token)


def test_a_tag_says_whose_a_statement_is_and_is_never_too_long(running):
    said = {"project": "shop", "environment": "prod", "pipeline": HOSTILE, "run": "churn.1", "task": "train[2]"}
    assert json.loads(query_tag()) == {"firnflow": said}
    for letter in ("a", '"', "\0"):
        long = as_text(**dict.fromkeys(said, letter * 5_000))
        assert len(long) <= LONGEST
        assert set(json.loads(long)["firnflow"]["task"]) == {letter}


def test_outside_of_runs_there_is_none():
    assert query_tag() is None


@pytest.mark.slow
@pytest.mark.server
def test_each_statement_has_the_tag_of_the_task_that_sends_it(snowflake_url, running):
    session = session_at(snowflake_url)
    asked = "SELECT query_text, query_tag FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 20))"
    session.send("SELECT 11")
    running.task, running.element = "evaluate", -1
    session.send("SELECT 22")
    rows = [row for row in session.send(asked) if row["query_text"] in {"SELECT 11", "SELECT 22"}]  # others have others
    found = {row["query_text"]: json.loads(row["query_tag"]) for row in rows}
    assert found["SELECT 11"]["firnflow"]["task"] == "train[2]"
    assert found["SELECT 22"]["firnflow"] == {
        "project": "shop",
        "environment": "prod",
        "pipeline": HOSTILE,
        "run": "churn.1",
        "task": "evaluate",
    }
    token = context.enter(context.TaskContext("x", "y", 1))  # a unit test's: of no environment
    session.send("SELECT 33")
    context.leave(token)
    assert {row["query_text"]: row["query_tag"] for row in session.send(asked)}["SELECT 33"] == ""
