"""Rows of characters for the lines between two rows of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firnflow.graph.draw.layout import Piece


@dataclass(eq=False)
class _Net:
    """The pieces that leave one port; they share one horizontal line."""

    start: float
    pieces: list[Piece]

    def __post_init__(self) -> None:
        ends = [piece.x2 for piece in self.pieces]
        self.low, self.high = min(self.start, *ends), max(self.start, *ends)
        self.columns = {*ends} - {self.start}

    def meets(self, other: _Net) -> bool:
        """Whether the horizontal lines would touch."""
        return self.low <= other.high and other.low <= self.high


def assign_tracks(pieces: list[Piece]) -> int:
    """Set the track of each piece so that lines only ever cross at right angles; return how many tracks there are.

    A net that ends in the column in which another begins goes below it. Where that is a circle, an arrow is moved by a
    column.
    """
    by_start: dict[float, list[Piece]] = {}
    for piece in pieces:
        by_start.setdefault(piece.x1, []).append(piece)
    waiting = [net for start, found in sorted(by_start.items()) if (net := _Net(start, found)).columns]
    starts = {net.start: net for net in waiting}
    tracks: list[list[_Net]] = []
    placed: dict[_Net, int] = {}
    while waiting:
        free = [net for net in waiting if all(_is_placed(column, net, starts, placed) for column in net.columns)]
        net = min(free or waiting, key=lambda net: (net.high - net.low, net.low))
        if not free:
            _move_arrows(net, starts, pieces)
        waiting.remove(net)
        level = max((placed[starts[c]] + 1 for c in net.columns if c in starts and starts[c] in placed), default=0)
        while level < len(tracks) and any(net.meets(other) for other in tracks[level]):
            level += 1
        if level == len(tracks):
            tracks.append([])
        tracks[level].append(net)
        placed[net] = level
        for piece in net.pieces:
            piece.track = level
    return len(tracks)


def _move_arrows(net: _Net, starts: dict[float, _Net], pieces: list[Piece]) -> None:
    """Move the arrows of a net out of the columns in which others begin."""
    for piece in net.pieces:
        taken = {column for other in pieces for column in (other.x1, other.x2)}
        if piece.target and starts.get(piece.x2, net) is not net:
            piece.x2 = next((x for x in (piece.x2 + 1, piece.x2 - 1) if x not in taken), piece.x2)
    net.__post_init__()


def _is_placed(column: float, net: _Net, starts: dict[float, _Net], placed: dict[_Net, int]) -> bool:
    above = starts.get(column)
    return above is None or above is net or above in placed
