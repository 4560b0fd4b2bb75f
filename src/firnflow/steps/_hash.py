"""A hash of the key in plain integer arithmetic: the same rows are chosen in every warehouse, process and row order.

`hash()` of a warehouse is its own secret and may change with its version. Here a key is reduced to 31 bits by two
rounds of multiplication modulo the prime 2**31 - 1 with a shift between (the usual recipe for mixing bits), with
multipliers drawn from the seed. Every intermediate value fits in 63 bits.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import ibis

from firnflow.steps._tables import log, one_row

if TYPE_CHECKING:
    from collections.abc import Mapping

PRIME = 2**31 - 1
TEXT_LENGTH = 40


def key_hash(key: Any, seed: int, purpose: str) -> Any:
    """Return the hash of a key column as an integer column in [0, 2**31).

    Args:
        key: integers or text; text counts up to its 40th character and its length. Another type counts as its text.
        seed: another seed, another hash.
        purpose: keeps hashes of one seed independent of each other: `split`, `sample`.
    """
    draws = _draws(f"{seed}/{purpose}")
    if key.type().is_integer():
        key = key.cast("int64")
        parts = [key & PRIME, (key >> 31) & PRIME, (key >> 62) & 3]
    else:
        text = key.cast("string")
        characters = [text.substr(i, 1).ascii_str().fill_null(0).cast("int64") for i in range(TEXT_LENGTH)]
        parts = [text.length().cast("int64"), *characters]
    mixed = ibis.literal(next(draws), type="int64")
    for part in parts:
        mixed = mixed + part * (next(draws) % 2**30 | 1)
    for shift in (15, 13):
        mixed = mixed % PRIME
        mixed = (mixed ^ (mixed >> shift)) * (next(draws) % 2**30 | 1)
    return mixed % PRIME


def _draws(text: str) -> Any:
    counter = 0
    while True:
        yield int.from_bytes(hashlib.sha256(f"{text}/{counter}".encode()).digest()[:4]) % PRIME
        counter += 1


def smallest(table: ibis.Table, hashed: Any, groups: Mapping[Any, tuple[Any, int, int]]) -> dict[Any, float]:
    """Return per group the bound below which exactly `wanted` of its hashes lie.

    Args:
        table: the table.
        hashed: its hash column.
        groups: name → (condition of the group, its rows, rows wanted). A bound lies between two neighbouring hashes,
            so the number is exact unless the keys beside it share one.
    """
    bounds: dict[Any, float] = {
        name: 0.0 if wanted <= 0 else float(PRIME + 1)
        for name, (_, rows, wanted) in groups.items()
        if wanted <= 0 or wanted >= rows
    }
    levels = {
        name: hashed.quantile((wanted - 0.5) / (rows - 1), where=condition)
        for name, (condition, rows, wanted) in groups.items()
        if name not in bounds
    }
    return {**bounds, **one_row(table, levels)}


def sample(table: ibis.Table, key: str, rows: int, seed: int, what: str) -> tuple[ibis.Table, int]:
    """Return at most `rows` rows of a table, chosen by their keys, and how many it has; a log line says so."""
    total = int(table.count().execute())
    if total <= rows:
        return table, total
    hashed = key_hash(table[key], seed, "sample")
    bound = smallest(table, hashed, {"all": (None, total, rows)})["all"]
    log.info("%s: a sample of %s of %s rows, chosen by a hash of %s", what, f"{rows:,}", f"{total:,}", key)
    return table.filter(hashed < bound), total
