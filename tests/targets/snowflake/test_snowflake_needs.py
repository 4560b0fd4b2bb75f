"""What a role is asked for."""

from __future__ import annotations

from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.needs import needs_of


def test_where_runs_and_models_are_told_their_objects_may_be_made(project, monkeypatch):
    monkeypatch.delenv("FIRNFLOW_TRACKING")

    def asked(tracking, features="local"):
        monkeypatch.setenv("FIRNFLOW_FEATURES", features)
        made = project(more=f'[environments.prod.tracking]\nbackend = "{tracking}"\n')
        return {need.privilege for need in needs_of(made, place_of(made))}

    assert asked("snowflake") - asked("none") == {"CREATE EXPERIMENT", "CREATE MODEL"}
    featured = {f"CREATE {kind}" for kind in ("DYNAMIC TABLE", "TABLE", "VIEW")}  # and tags, as always
    assert asked("none", "snowflake") - asked("none") == featured


def test_monitors_and_tags_are_asked_for_where_there_are_some(project, monkeypatch):
    monkeypatch.delenv("FIRNFLOW_TRACKING")
    watched = '[monitors.credit]\ntable = "scores"\ntime = "at"\nscore = "probability"\n'

    def asked(more):
        made = project(more=more)
        return {need.privilege for need in needs_of(made, place_of(made))}

    tracked = '[environments.prod.tracking]\nbackend = "snowflake"\n'
    assert asked(tracked + watched) - asked(tracked) == {"CREATE MODEL MONITOR"}
    assert asked(watched) == asked(""), "another tracker makes none"
    assert asked("") - asked("tags = false\n") == {"CREATE TAG"}


def test_what_is_kept_there_may_be_made_there(project, monkeypatch):
    def asked(**stores):
        for name, value in {"state": "postgresql://db/state", "warehouse": "duckdb", **stores}.items():
            monkeypatch.setenv(f"FIRNFLOW_{name.upper()}", value)
        made = project()
        return {str(need) for need in needs_of(made, place_of(made))}

    assert asked(state="snowflake") - asked() == {"CREATE SCHEMA on database ML"}
    assert asked(warehouse="snowflake") - asked() == {f"CREATE {kind} on schema ML.PROD" for kind in ("TABLE", "VIEW")}
