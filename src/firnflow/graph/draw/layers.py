"""Layers of a graph: which row each item stands in, and in which order, so that few lines cross.

The method of Sugiyama, Tagawa and Toda (1981): longest-path ranks, rails through the rows that a line passes, order by
barycentres. Lines from one origin share their rail, unless fewer lines cross where each has its own: what both cases of
a branch read then passes the verdict on both sides.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_RAILS = 20_000
_MOST_ITEMS = 80  # of a graph in which it is tried whether rails are better apart
_MOST_APART = 4  # lines of one origin


@dataclass(eq=False)
class Item:
    """A box, a group, a rail of a passing line, or a port where a line enters or leaves a group.

    `ins` and `outs` are the ports by origin (the task that a line starts at), as distances from the left edge.
    """

    key: str
    kind: str
    width: float
    height: float
    ins: dict[str, float] = field(default_factory=dict)
    outs: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    content: Any = None
    rank: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass(eq=False)
class Link:
    """A line from an item to one in the next row."""

    origin: str
    source: Item
    target: Item


def assign_ranks(items: list[Item], links: list[Link], widest: float, gap: float) -> None:
    """Put each item below all that it needs; a row that would be wider than `widest` goes on in the next one."""
    above: dict[Item, list[Item]] = {item: [] for item in items}
    below: dict[Item, list[Item]] = {item: [] for item in items}
    for link in links:
        above[link.target].append(link.source)
        below[link.source].append(link.target)
    inner = [item for item in items if item.kind not in ("entry", "exit")]
    used: dict[int, float] = {}
    for item in inner:
        rank = max((source.rank + 1 for source in above[item]), default=1)
        while used.get(rank, 0.0) and used[rank] + item.width > widest:
            rank += 1
        item.rank = rank
        used[rank] = used.get(rank, 0.0) + item.width + gap
    for item in reversed(inner):  # what needs nothing stands right above what needs it
        latest = min((target.rank for target in below[item] if target.kind != "exit"), default=0) - 1
        if not above[item] and latest > item.rank and used.get(latest, 0.0) + item.width <= widest:
            used[item.rank] -= item.width + gap
            used[latest] = used.get(latest, 0.0) + item.width + gap
            item.rank = latest
    last = max(item.rank for item in inner) + 1
    for item in items:
        if item.kind == "exit":
            item.rank = last
    numbers = {rank: number for number, rank in enumerate(sorted({item.rank for item in items}))}
    for item in items:
        item.rank = numbers[item.rank]


def arrange(items: list[Item], links: list[Link], rail: float) -> tuple[list[list[Item]], list[Link]]:
    """Return the rows with rails in them, ordered so that few lines cross, and links that each lead to the next row.

    Raises:
        GraphError: too many rails are needed.
    """
    rows, straight = _arranged(items, links, rail, set())
    if len(items) > _MOST_ITEMS:
        return rows, straight
    far: dict[tuple[str, Item], int] = {}
    for link in links:
        far[link.origin, link.source] = far.get((link.origin, link.source), 0) + (
            link.target.rank - link.source.rank > 1
        )
    fewest = crossings(rows, straight)
    apart: set[tuple[str, Item]] = set()
    for net in (net for net, count in far.items() if 2 <= count <= _MOST_APART):
        if not fewest:
            break
        tried = _arranged(items, links, rail, {*apart, net})
        count = crossings(*tried)
        if count < fewest:
            (rows, straight), fewest, apart = tried, count, {*apart, net}
    return rows, straight


def _arranged(
    items: list[Item], links: list[Link], rail: float, apart: set[tuple[str, Item]]
) -> tuple[list[list[Item]], list[Link]]:
    everything = list(items)
    straight = add_rails(everything, links, rail, apart)
    return order_rows(everything, straight), straight


def add_rails(items: list[Item], links: list[Link], rail: float, apart: set[tuple[str, Item]]) -> list[Link]:
    """Return links that each lead to the next row, by adding rails to `items`; `apart`: whose lines share none.

    Raises:
        GraphError: too many are needed.
    """
    nets: dict[tuple[str, Item, Item | None], list[Item]] = {}
    for link in links:
        alone = link.target if (link.origin, link.source) in apart else None
        nets.setdefault((link.origin, link.source, alone), []).append(link.target)
    found, count = [], 0
    for (origin, source, _), targets in nets.items():
        at = source
        for rank in range(source.rank + 1, max(target.rank for target in targets) + 1):
            found += [Link(origin, at, target) for target in targets if target.rank == rank]
            if any(target.rank > rank for target in targets):
                passing = Item(
                    f"{origin}@{rank}", "rail", rail, 0.0, {origin: rail // 2}, {origin: rail // 2}, rank=rank
                )
                items.append(passing)
                found.append(Link(origin, at, passing))
                at, count = passing, count + 1
        if count > MOST_RAILS:
            raise GraphError("The graph has too many long edges to be drawn. Use --format mermaid or json.")
    return found


def order_rows(items: list[Item], links: list[Link], sweeps: int = 8) -> list[list[Item]]:
    """Return the rows, each ordered so that few lines cross."""
    rows: list[list[Item]] = [[] for _ in range(max(item.rank for item in items) + 1)]
    for item in items:
        rows[item.rank].append(item)
    best, fewest = [list(row) for row in rows], crossings(rows, links)
    up: dict[Item, list[Link]] = {item: [] for item in items}
    down: dict[Item, list[Link]] = {item: [] for item in items}
    for link in links:
        up[link.target].append(link)
        down[link.source].append(link)
    for sweep in range(sweeps):
        if not fewest:
            break
        forward = sweep % 2 == 0
        for row, fixed in zip(rows[1:], rows, strict=False) if forward else zip(rows[-2::-1], rows[::-1], strict=False):
            place = {item: float(index) for index, item in enumerate(fixed)}
            _sort(row, place, up if forward else down, forward=forward)
        count = crossings(rows, links)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _sort(row: list[Item], place: dict[Item, float], neighbours: dict[Item, list[Link]], *, forward: bool) -> None:
    """Sort a row by the mean place of each item's neighbours; one without any keeps its place."""
    keys = {}
    for index, item in enumerate(row):
        ends = [
            place[link.source] + _share(link.source, link.source.outs, link.origin)
            if forward
            else place[link.target] + _share(link.target, link.target.ins, link.origin)
            for link in neighbours[item]
        ]
        keys[item] = sum(ends) / len(ends) if ends else float(index)
    row.sort(key=keys.__getitem__)


def _share(item: Item, ports: dict[str, float], origin: str) -> float:
    """Return where a line meets an item, from 0 (left edge) to 1."""
    return ports[origin] / item.width if item.kind == "group" and item.width else 0.5


def crossings(rows: list[list[Item]], links: Iterable[Link]) -> int:
    """Count the pairs of lines that cross."""
    place = {item: index for row in rows for index, item in enumerate(row)}
    by_rank: dict[int, list[tuple[int, float, int, float]]] = {}
    for link in links:
        start = place[link.source], _share(link.source, link.source.outs, link.origin)
        end = place[link.target], _share(link.target, link.target.ins, link.origin)
        by_rank.setdefault(link.source.rank, []).append((*start, *end))
    total = 0
    for ends in by_rank.values():
        seen: list[tuple[int, float]] = []
        for *_, target, share in sorted(ends):
            total += len(seen) - bisect.bisect_right(seen, (target, share))
            bisect.insort(seen, (target, share))
    return total
