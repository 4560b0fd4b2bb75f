"""Where the items of each row stand, so that lines are as straight as they can be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.graph.draw.layers import Item, Link

_STRAIGHT = {("rail", "rail"): 8.0, ("rail", "box"): 2.0, ("box", "rail"): 2.0}
"""How much a line wants to be straight, by its ends (Gansner et al., A technique for drawing directed graphs, 1993)."""


def place_rows(rows: list[list[Item]], links: list[Link], gap: Callable[[Item, Item], float], *, grid: bool) -> float:
    """Set each item's `x`; on a grid to whole numbers. Return the width of all.

    Each row in turn is moved to the weighted least-squares solution of "every line of mine is straight" under "nobody
    overlaps", downwards and upwards by turns.
    """
    for row in rows:
        _pack(row, gap)
    gaps: list[list[Link]] = [[] for _ in rows]
    for link in links:
        gaps[link.source.rank].append(link)
    for step in range(14):
        downwards = step % 2 == 0
        for row in rows[1:] if downwards else rows[-2::-1]:
            _settle(row, _wishes(gaps[row[0].rank - downwards], downwards=downwards), gap, grid=grid)
    left = min(item.x for row in rows for item in row)
    for row in rows:
        for item in row:
            item.x -= left
    return max(item.x + item.width for row in rows for item in row)


def _wishes(links: list[Link], *, downwards: bool) -> dict[Item, list[tuple[float, float]]]:
    """Return where each item would stand so that its lines are straight, and how much that matters."""
    wishes: dict[Item, list[tuple[float, float]]] = {}
    for link in links:
        shift = link.source.outs[link.origin] - link.target.ins[link.origin]
        weight = _STRAIGHT.get((link.source.kind, link.target.kind), 1.0)
        if downwards:
            wishes.setdefault(link.target, []).append((link.source.x + shift, weight))
        else:
            wishes.setdefault(link.source, []).append((link.target.x - shift, weight))
    return wishes


def _pack(row: list[Item], gap: Callable[[Item, Item], float]) -> None:
    at = 0.0
    for index, item in enumerate(row):
        item.x = at
        if index + 1 < len(row):
            at += item.width + gap(item, row[index + 1])


def _settle(
    row: list[Item],
    wishes: dict[Item, list[tuple[float, float]]],
    gap: Callable[[Item, Item], float],
    *,
    grid: bool,
) -> None:
    """Move a row as near to its wishes as the gaps allow: isotonic regression by pooling neighbours that collide."""
    offsets, at = [], 0.0
    for item, following in zip(row, [*row[1:], None], strict=True):
        offsets.append(at)
        at += item.width + (gap(item, following) if following else 0.0)
    blocks: list[list[float]] = []  # mean, weight, members
    for item, offset in zip(row, offsets, strict=True):
        wanted = wishes.get(item, [(item.x, 0.01)])
        weight = sum(w for _, w in wanted)
        blocks.append([sum(x * w for x, w in wanted) / weight - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, heavy, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * heavy) / (last[1] + heavy)
            last[1], last[2] = last[1] + heavy, last[2] + count
    means = [mean for mean, _, count in blocks for _ in range(int(count))]
    for item, offset, mean in zip(row, offsets, means, strict=True):
        item.x = (math.floor(mean + 0.5) if grid else mean) + offset
