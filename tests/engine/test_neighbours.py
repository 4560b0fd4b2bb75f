"""Which states are asked before anything is deleted from a store."""

from __future__ import annotations

import pytest

from firnflow.engine.neighbours import place_of
from firnflow.errors import StoreError
from firnflow.project import load_settings
from firnflow.stores import Stores
from firnflow.stores.state import State

FILE = """
[project]
name = "shop"

[environments.prod]
state = "env:NOBODY_HAS_IT_HERE"
artifacts = "{artifacts}"
"""


@pytest.mark.parametrize(("artifacts", "is_asked"), [("elsewhere", False), (".firnflow/artifacts", True)])
def test_the_state_of_an_environment_is_read_where_it_has_values_in_the_same_store(tmp_path, artifacts, is_asked):
    (tmp_path / "firnflow.toml").write_text(FILE.format(artifacts=artifacts))
    settings = load_settings(tmp_path)
    state, stores = State(f"sqlite:///{tmp_path}/state.db"), Stores.open(settings, tmp_path)
    try:
        if is_asked:
            with (
                pytest.raises(StoreError, match="NOBODY_HAS_IT_HERE is not set"),
                place_of(tmp_path, settings, state, stores.artifacts),
            ):
                pass
        else:
            with place_of(tmp_path, settings, state, stores.artifacts) as place:
                assert list(place.others) == []
    finally:
        stores.close()
        state.close()
