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
    featured = {f"CREATE {kind}" for kind in ("DYNAMIC TABLE", "TABLE", "TAG", "VIEW")}
    assert asked("none", "snowflake") - asked("none") == featured
