"""A hash of the key in plain integer arithmetic: the same rows are chosen in every warehouse, process and row order.

`hash()` of a warehouse is its own secret and may change with its version. Here a key is reduced to 31 bits by two
rounds of multiplication modulo the prime 2**31 - 1 with a shift between (the usual recipe for mixing bits), with
multipliers drawn from the seed. Every intermediate value fits in 63 bits.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis

PRIME = 2**31 - 1
TEXT_LENGTH = 40
HASH = "firnflow_hash"
"""The column that `with_hash` adds."""


def with_hash(table: ibis.Table, key: str, seed: int, purpose: str) -> ibis.Table:
    """Return the table with the hash of its key as a further column, an integer in [0, 2**31).

    Args:
        table: the table.
        key: integers or text; text counts up to its 40th character and its length. Another type counts as its text.
        seed: another seed, another hash.
        purpose: keeps hashes of one seed independent of each other: `split`, `sample`.
    """
    draws = _draws(f"{seed}/{purpose}")
    mixed: Any = next(draws)
    for part in _parts(table[key]):
        mixed = part * (next(draws) % 2**30 | 1) + mixed
    # One level of SQL for each step: an expression that uses another one twice would repeat its text.
    for shift in (15, 13):
        table = table.mutate(**{HASH: mixed})
        table = table.mutate(**{HASH: table[HASH] % PRIME})
        mixed = (table[HASH] ^ (table[HASH] >> shift)) * (next(draws) % 2**30 | 1)
    return table.mutate(**{HASH: mixed % PRIME})


def _parts(key: Any) -> list[Any]:
    """Return integer columns below 2**31 that together are the key."""
    if key.type().is_integer():
        key = key.cast("int64")
        return [key & PRIME, (key >> 31) & PRIME, (key >> 62) & 3]
    text = key.cast("string")
    characters = [text.substr(i, 1).ascii_str().fill_null(0).cast("int64") for i in range(TEXT_LENGTH)]
    return [text.length().cast("int64"), *characters]


def _draws(text: str) -> Iterator[int]:
    """Yield numbers in [0, 2**31 - 1) that look random and depend on the text only."""
    counter = 0
    while True:
        yield int.from_bytes(hashlib.sha256(f"{text}/{counter}".encode()).digest()[:4]) % PRIME
        counter += 1
