"""The stability index of `firnflow data diff` and that of the emulated model monitors: where they agree, where not."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from firnflow.emulator.models import drift
from firnflow.stores.tables.distribution import shift


def both(before, after, kind):
    """Return our index and the monitor's, which leaves out what is missing."""
    con = duckdb.connect()
    for name, values in (("before", before), ("after", after)):
        con.register(name, pa.table({"x": values}))
    there = [np.array([each for each in values if each is not None]) for values in (before, after)]
    return shift(con, ["before", "after"], "x", kind).psi, drift.population_stability_index(*there)


@pytest.fixture
def chance():
    return np.random.default_rng(3)


def test_they_agree_on_numbers_and_on_texts(chance):
    normal = [chance.normal(each, 1, 6_007).tolist() for each in (0, 0.5, 40)]
    for after in normal[1:]:
        ours, theirs = both(normal[0], after, "DOUBLE")
        assert ours == pytest.approx(theirs, rel=1e-12)
        assert ours > 0.1
    few = [chance.integers(0, 4, 6_007).tolist() for _ in range(2)]
    assert both(*few, "BIGINT")[0] == pytest.approx(both(*few, "BIGINT")[1], rel=1e-12)
    texts = [chance.choice(["a", "b", "c"], 6_007, p=share).tolist() for share in ([0.6, 0.3, 0.1], [0.1, 0.3, 0.6])]
    ours, theirs = both(*texts, "VARCHAR")
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_they_differ_where_values_are_missing_or_rare_and_where_rows_are_few(chance):
    same = chance.normal(0, 1, 6_007).tolist()
    ours, theirs = both(same, [None if at % 2 else each for at, each in enumerate(same)], "DOUBLE")
    assert ours > 1, "half of them are missing now"
    assert theirs < 0.01, "a monitor counts those that are there"
    many = [[f"t{each}" for each in chance.integers(start, start + 40, 6_007)] for start in (0, 10)]
    ours, theirs = both(*many, "VARCHAR")
    assert theirs > 2 * ours, "beyond the ten commonest we tell none apart"
    ours, theirs = both([1.0, 2.0], [1.0, 1.0], "DOUBLE")
    assert theirs > 2 * ours, "of two rows an empty bin says little to us"
    assert math.isfinite(theirs)


def test_the_others_are_what_their_definitions_say(chance):
    before, after = chance.normal(0, 1, 500), chance.normal(1, 2, 700)
    assert drift.wasserstein(before, before + 3) == pytest.approx(3)
    assert drift.wasserstein(before, after) == pytest.approx(drift.wasserstein(after, before))
    assert drift.jensen_shannon(before, before) == 0
    assert drift.jensen_shannon(before, before + 100) == pytest.approx(0.758, abs=1e-3), "all in the last tenth"
    assert drift.jensen_shannon(np.array(["a"]), np.array(["b"])) == 1
    assert drift.difference_of_means(before, after) == pytest.approx(after.mean() - before.mean())
