"""The graph knows the families of types by name, the values by their value types: the two must agree."""

from __future__ import annotations

import pytest

from firnflow.graph.kinds import KINDS, UMBRELLAS
from firnflow.values.registry import own_types


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_graph_accepts_along_an_edge_what_the_values_can_store(kind):
    stored = {name for each in own_types() if each.kind == kind for name in each.types}
    assert stored - set(UMBRELLAS) == KINDS[kind]


def test_each_umbrella_is_of_a_kind():
    assert set(UMBRELLAS.values()) <= set(KINDS)
