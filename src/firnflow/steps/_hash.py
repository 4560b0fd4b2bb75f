"""Exact shares of rows by the hash of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.models.evaluation.keyhash import HASH, with_hash
from firnflow.steps._tables import log, one_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis


def smallest(table: ibis.Table, groups: Mapping[Any, tuple[Any, int, int]]) -> dict[Any, float]:
    """Return per group the bound below which exactly `wanted` of its hashes lie.

    Args:
        table: one with a hash.
        groups: name → (condition of the group, its rows, rows wanted). A bound lies between two neighbouring hashes,
            so the number is exact unless the keys beside it share one.
    """
    bounds: dict[Any, float] = {
        name: 0.0 if wanted <= 0 else float(2**31)
        for name, (_, rows, wanted) in groups.items()
        if wanted <= 0 or wanted >= rows
    }
    levels = {
        name: table[HASH].quantile((wanted - 0.5) / (rows - 1), where=condition)
        for name, (condition, rows, wanted) in groups.items()
        if name not in bounds
    }
    return {**bounds, **one_row(table, levels)}


def sample(table: ibis.Table, key: str, rows: int, seed: int, what: str) -> tuple[ibis.Table, int]:
    """Return at most `rows` rows of a table, chosen by their keys, and how many it has; a log line says so."""
    total = int(table.count().execute())
    if total <= rows:
        return table, total
    hashed = with_hash(table, key, seed, "sample")
    bound = smallest(hashed, {"all": (None, total, rows)})["all"]
    log.info("%s: a sample of %s of %s rows, chosen by a hash of %s", what, f"{rows:,}", f"{total:,}", key)
    return hashed.filter(hashed[HASH] < bound).drop(HASH), total
