"""Rows of characters for the lines between two rows of boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firnflow.graph.draw.layout import Piece


_MOST_COMPARED = 100  # nets between two rows


class _Net:
    """The pieces that leave one port: they share one horizontal line, on one track. `after`: what must be above it."""

    def __init__(self, start: float, ends: set[float], pieces: list[Piece], after: _Net | None = None) -> None:
        self.start, self.ends, self.pieces, self.after = start, ends - {start}, pieces, after
        self.low, self.high = min(start, *ends), max(start, *ends)
        self.level = -1

    def meets(self, other: _Net) -> bool:
        """Whether the horizontal lines would touch."""
        return self.low <= other.high and other.low <= self.high

    def crossings_above(self, other: _Net) -> int:
        """Return how often the two cross if this horizontal line is above the other."""
        return (self.low < other.start < self.high) + sum(other.low < end < other.high for end in self.ends)


def assign_tracks(pieces: list[Piece]) -> int:
    """Set the track of each piece so that lines only cross at right angles; return how many tracks there are.

    A net that ends in the column in which another begins goes below it. Where that is a circle, one net makes a detour
    by a free column (a dogleg, as in the routing of circuit boards: Deutsch, A dogleg channel router, 1976).
    """
    by_start: dict[float, list[Piece]] = {}
    for piece in pieces:
        by_start.setdefault(piece.x1, []).append(piece)
    nets = [_Net(start, {piece.x2 for piece in found}, found) for start, found in sorted(by_start.items())]
    waiting = [net for net in nets if net.ends]
    tracks: list[list[_Net]] = []
    placed: dict[float, _Net] = {}  # by the column in which they begin
    worse = _costs(waiting)
    while waiting:
        starts = {net.start for net in waiting}
        free = [net for net in waiting if not net.ends & starts and (net.after is None or net.after.level >= 0)]
        if not free:
            waiting = _detour(waiting, pieces, tracks, placed)
            continue
        net = min(free, key=lambda net: (sum(worse.get((net, o), 0) for o in waiting), net.high - net.low, net.low))
        waiting.remove(net)
        _place(net, tracks, placed)
    return len(tracks)


def _costs(nets: list[_Net]) -> dict[tuple[_Net, _Net], int]:
    """Return for pairs of nets how many more crossings there are if the first is above the second, and not below."""
    if len(nets) > _MOST_COMPARED:
        return {}
    return {
        (one, other): cost
        for one in nets
        for other in nets
        if one is not other and one.meets(other) and (cost := one.crossings_above(other) - other.crossings_above(one))
    }


def _place(net: _Net, tracks: list[list[_Net]], placed: dict[float, _Net]) -> None:
    """Put a net on the first track that is free and below all that it must be below."""
    above = [placed[column].level for column in net.ends if column in placed]
    level = max([*above, net.after.level if net.after else -1]) + 1 if above or net.after else 0
    while level < len(tracks) and any(net.meets(other) for other in tracks[level]):
        level += 1
    if level == len(tracks):
        tracks.append([])
    tracks[level].append(net)
    net.level, placed[net.start] = level, net
    for piece in net.pieces:
        if net.after:
            piece.second_track = level
        else:
            piece.track = level


def _detour(
    waiting: list[_Net], pieces: list[Piece], tracks: list[list[_Net]], placed: dict[float, _Net]
) -> list[_Net]:
    """Cut a net of a circle in two: place its way to a free column; return what waits, with its way on from there."""
    ends = {column for net in waiting for column in net.ends}
    starts = {net.start for net in waiting}
    circle = [net for net in waiting if net.start in ends and net.ends & starts and not net.after]
    net = min(circle, key=lambda net: (net.high - net.low, net.low))
    taken = {column for piece in pieces for column in (piece.x1, piece.x2, piece.via) if column is not None}
    last = int(max(taken))
    columns = [column for column in range(last) if column not in taken] or [last + 1]
    via = float(min(columns, key=lambda column: abs(column - net.start)))
    rest = {piece.x2 for piece in net.pieces}
    for piece in net.pieces:
        piece.via = via
    first = _Net(net.start, {via}, net.pieces)
    _place(first, tracks, placed)
    return [other for other in waiting if other is not net] + [_Net(via, rest, net.pieces, first)]
