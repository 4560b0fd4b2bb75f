from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from firnflow.engine.memory import Memory
from firnflow.values import Ref


def ref(digest):
    return Ref("table", "pandas", digest, where=f"objects/{digest}")


@pytest.mark.parametrize("value", [pa.table({"x": [1]}), pl.DataFrame({"x": [1]})])
def test_a_table_is_found_as_its_own_type_only(value):
    memory = Memory(10**6)
    memory.keep(ref("a"), value)
    assert memory.find(ref("a"), type(value)).equals(value)
    assert memory.find(ref("a"), pd.DataFrame) is None
    assert memory.find(ref("b"), type(value)) is None


def test_a_polars_frame_that_a_task_changes_in_place_is_whole_for_the_next():
    memory = Memory(10**6)
    memory.keep(ref("a"), pl.DataFrame({"x": [1], "y": [2]}))
    memory.find(ref("a"), pl.DataFrame).drop_in_place("x")
    assert memory.find(ref("a"), pl.DataFrame).columns == ["x", "y"]


def test_the_oldest_go_first():
    memory = Memory(2500)
    for name in "abc":
        memory.keep(ref(name), pa.table({"x": np.zeros(125)}))
    assert memory.digests() == ["b", "c"]
    memory.find(ref("b"), pa.Table)
    memory.keep(ref("d"), pa.table({"x": np.zeros(125)}))
    assert memory.digests() == ["b", "d"]


def test_what_is_too_large_or_can_be_changed_is_not_kept():
    memory = Memory(100)
    memory.keep(ref("a"), pa.table({"x": np.zeros(1000)}))
    memory.keep(ref("b"), [1, 2])
    memory.keep(ref("c"), np.zeros(3))
    memory.keep(ref("d"), pd.DataFrame({"x": [1]}))
    assert memory.digests() == []
