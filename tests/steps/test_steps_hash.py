from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from firnflow.models.evaluation.keyhash import HASH, PRIME, TEXT_LENGTH, _draws, with_hash
from firnflow.steps._hash import sample, smallest


def reference(parts: list[int], seed: int, purpose: str) -> int:
    """The hash once more, in Python's integers, which cannot overflow."""
    draws = _draws(f"{seed}/{purpose}")
    mixed = next(draws) + sum(part * (next(draws) % 2**30 | 1) for part in parts)
    for shift in (15, 13):
        mixed %= PRIME
        mixed = (mixed ^ (mixed >> shift)) * (next(draws) % 2**30 | 1)
    return mixed % PRIME


def hashes(table, column="id", seed=1, purpose="split"):
    return with_hash(table, column, seed, purpose).to_pyarrow()[HASH].to_numpy()


def test_integers_hash_as_in_pythons_arithmetic(make_table):
    keys = [0, 1, 7, PRIME - 1, PRIME, 2**31, 2**40 + 3, 2**62 + 5, 2**63 - 1, -1, -(2**63)]
    found = hashes(make_table(id=pa.array(keys, pa.int64())))
    assert found.tolist() == [reference([k & PRIME, (k >> 31) & PRIME, (k >> 62) & 3], 1, "split") for k in keys]


def test_text_hashes_as_in_pythons_arithmetic(make_table):
    keys = ["", "a", "b", "7590-VHVEG", "ü€😀", "x" * 100]
    found = hashes(make_table(id=keys))
    expected = []
    for key in keys:
        codes = [ord(c) for c in key[:TEXT_LENGTH].ljust(TEXT_LENGTH, "\0")]
        expected.append(reference([len(key), *codes], 1, "split"))
    assert found.tolist() == expected


@pytest.mark.parametrize("step", [1, 2, 64, 1000])
def test_regular_keys_spread_evenly_and_independently(make_table, step):
    table = make_table(id=np.arange(20_000) * step + 100_001)
    found, other = hashes(table), hashes(table, seed=2)
    assert 0 <= found.min() < found.max() < 2**31
    assert len(np.unique(found)) == len(found)
    counts = np.histogram(found, 50, (0, PRIME))[0]
    # Chi-square with 49 degrees of freedom: 0.999999 quantile is about 113.
    assert ((counts - 400) ** 2 / 400).sum() < 113
    # Neighbouring keys, in pairs: 99 degrees of freedom, where a lattice would show in the thousands.
    pairs = np.histogram2d(found[:-1], found[1:], 10, ((0, PRIME), (0, PRIME)))[0]
    assert ((pairs - 199.99) ** 2 / 199.99).sum() < 180
    for first, second in itertools.combinations((found, other, np.roll(found, 1), np.arange(20_000)), 2):
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.04


def test_other_purposes_and_types_of_one_key(make_table):
    table = make_table(id=pa.array([1, 2, 3], pa.int32()), big=pa.array([1, 2, 3], pa.int64()))
    assert hashes(table).tolist() == hashes(table, "big").tolist()
    assert hashes(table).tolist() != hashes(table, purpose="sample").tolist()


def test_smallest_gives_exactly_the_wanted_rows(make_table):
    table = with_hash(make_table(id=range(1000)), "id", 3, "x")
    for wanted in (0, 1, 2, 500, 998, 999, 1000):
        bound = smallest(table, {"all": (None, 1000, wanted)})["all"]
        assert table.filter(table[HASH] < bound).count().execute() == wanted


def test_sample_is_exact_deterministic_and_says_so(make_table, caplog):
    caplog.set_level("INFO", "firnflow.steps")
    table = make_table(id=range(5000))
    few, total = sample(table, "id", 300, 7, "training")
    again, _ = sample(table.order_by("id").filter(table.id >= 0), "id", 300, 7, "training")
    assert total == 5000
    assert few.count().execute() == 300
    assert set(few.to_pyarrow()["id"].to_pylist()) == set(again.to_pyarrow()["id"].to_pylist())
    assert "training: a sample of 300 of 5,000 rows" in caplog.text


def test_sample_of_a_small_table_is_the_table(make_table):
    table = make_table(id=[1, 2])
    assert sample(table, "id", 2, 7, "training") == (table, 2)
