"""A graph in the terminal, drawn with box characters."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from firnflow.graph.draw.layout import Layout, Piece, lay_out
from firnflow.graph.draw.picture import Box, Picture, picture
from firnflow.graph.draw.tracks import assign_tracks
from firnflow.status import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.graph.model import Graph

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"
_FRAMES = {"task": "┌─┐│└┘", "map": "╔═╗║╚╝", "source": "╭─╮│╰╯", "finalizer": "┌╌┐╎└┘", "group": "┏━┓┃┗┛"}
_PORTS = {"─": "┬", "═": "╤", "╌": "┬"}
_COLOURS = {
    TaskStatus.SUCCEEDED: 32,
    TaskStatus.CACHED: 36,
    TaskStatus.FAILED: 31,
    TaskStatus.UPSTREAM_FAILED: 35,
    TaskStatus.CANCELLED: 35,
    TaskStatus.SKIPPED: 90,
    TaskStatus.RUNNING: 33,
}


def text(
    graph: Graph, states: Mapping[str, TaskStatus] | None = None, *, width: int = 100, colour: bool = False
) -> str:
    """Return a picture in Unicode characters.

    Args:
        graph: what to draw.
        states: task → state, shown as a mark before its name.
        width: columns to keep within, where the graph allows it.
        colour: whether states are also coloured, by ANSI sequences.
    """
    drawn = picture(graph, states)
    layout = _narrow(drawn, width)
    canvas = _Canvas(layout)
    for x, y, w, h in layout.groups.values():
        canvas.frame(int(x), int(y), int(w), int(h), "group")
    for piece in layout.pieces:
        canvas.line(piece)
    for path, (x, y, w, _) in layout.groups.items():
        canvas.caption(int(x), int(y), int(w), f" {path.rpartition('.')[2]} ")
    for path, (x, y, w, _) in layout.boxes.items():
        canvas.box(drawn.boxes[path], int(x), int(y), int(w))
    for piece in layout.pieces:
        canvas.arrow(piece)
    lines = [drawn.title, "", *canvas.lines(colour=colour)]
    if drawn.finalizer is not None:
        lines += ["", *_finalizer(drawn.finalizer, colour=colour)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _narrow(drawn: Picture, width: int) -> Layout:
    """Return a layout within the width, or the narrowest of a few: fewer boxes a row make it narrow and long."""
    layouts = []
    for share in (1.0, 0.75, 0.5, 0.3):
        layouts.append(lay_out(drawn, _Characters(width * share)))
        if layouts[-1].width <= width:
            break
    return min(reversed(layouts), key=lambda layout: layout.width)


def _finalizer(box: Box, *, colour: bool) -> list[str]:
    width = columns(box.title) + 4
    canvas = _Canvas(Layout(width=width, height=3))
    canvas.box(box, 0, 0, width)
    top, middle, bottom = canvas.lines(colour=colour)
    return [top, f"{middle.rstrip()} finally, whatever happened", bottom]


def columns(words: str) -> int:
    """Return how many columns a terminal needs for a text."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in words)


class _Characters:
    """Sizes in characters."""

    grid = True
    gap = 3.0
    rail = 1.0
    snap = 0.0
    padding = (2.0, 1.0)

    def __init__(self, widest: float) -> None:
        self.widest = widest

    def size(self, box: Box) -> tuple[float, float]:
        return float(max(columns(box.title) + 4, 5)), 3.0

    def slot(self, label: str) -> float:
        return float(max(columns(label) + 2, 2) if label else 2)

    def title(self, group: str) -> float:
        return float(columns(group.rpartition(".")[2]) + 6)

    def route(self, pieces: list[Piece]) -> float:
        arrows = any(piece.target for piece in pieces)
        labels = any(piece.label for piece in pieces)
        return float(assign_tracks(pieces) + labels + arrows)


class _Canvas:
    """Cells of lines that join by themselves, and characters over them."""

    def __init__(self, layout: Layout) -> None:
        self._width, self._height = int(layout.width) + 2, int(layout.height)  # a detour may go round all
        self._lines = [[0] * self._width for _ in range(self._height)]
        self._origins: dict[tuple[int, int], set[str]] = {}
        self._over: list[list[str]] = [[""] * self._width for _ in range(self._height)]
        self._colours: dict[tuple[int, int], tuple[int, int]] = {}

    def line(self, piece: Piece) -> None:
        """Draw a piece: down, along its track, down."""
        stops = [int(x) for x in (piece.x1, piece.via, piece.x2) if x is not None]
        turns = [int(piece.y1) + piece.track, int(piece.y1) + piece.second_track][: len(stops) - 1]
        at = int(piece.y1)
        for x, other, turn in zip(stops, stops[1:], turns, strict=False):
            if x != other:
                self._vertical(x, at, turn, piece)
                self._turn(x, other, turn, piece)
                at = turn + 1
        self._vertical(stops[-1], at, int(piece.y2), piece)

    def _vertical(self, x: int, start: int, end: int, piece: Piece) -> None:
        for y in range(start, end):
            self._join(x, y, _UP | _DOWN, piece)

    def _turn(self, x1: int, x2: int, y: int, piece: Piece) -> None:
        self._join(x1, y, _UP | (_RIGHT if x2 > x1 else _LEFT), piece)
        self._join(x2, y, _DOWN | (_LEFT if x2 > x1 else _RIGHT), piece)
        for x in range(min(x1, x2) + 1, max(x1, x2)):
            self._join(x, y, _LEFT | _RIGHT, piece)

    def _join(self, x: int, y: int, directions: int, piece: Piece) -> None:
        self._lines[y][x] |= directions
        self._origins.setdefault((x, y), set()).add(piece.origin)

    def _sign(self, x: int, y: int) -> str:
        """Return the line of a cell; where lines of two tasks cross, the upright one, as a bridge."""
        crossing = len(self._origins.get((x, y), ())) > 1
        return _LINES[_UP | _DOWN if crossing else self._lines[y][x]]

    def arrow(self, piece: Piece) -> None:
        """Draw the end of a line at a box, and where lines leave a box or pass the border of a group."""
        x1, y1, x2, y2 = int(piece.x1), int(piece.y1) - 1, int(piece.x2), int(piece.y2)
        above = self._over[y1][x1] if y1 >= 0 else ""
        if above:
            self._over[y1][x1] = _PORTS.get(above, "┿" if above == "━" else above)
        if y2 < self._height and self._over[y2][x2] == "━":
            self._over[y2][x2] = "┿"
        if piece.target:
            self._over[y2 - 1][x2] = "▼"
        if piece.label:
            self.write(x2 - columns(piece.label) // 2, y2 - 2, piece.label)

    def box(self, box: Box, x: int, y: int, width: int) -> None:
        """Draw a task."""
        self.frame(x, y, width, 3, box.kind)
        space = width - 4 - columns(box.title)
        self.write(x + 2 + space // 2, y + 1, box.title)
        if box.state in _COLOURS:
            self._colours[y + 1, x + 1] = (width - 2, _COLOURS[box.state])

    def frame(self, x: int, y: int, width: int, height: int, kind: str) -> None:
        """Draw a rectangle."""
        corner, top, right, side, left, low = tuple(_FRAMES[kind])
        self.write(x, y, corner + top * (width - 2) + right)
        for row in range(y + 1, y + height - 1):
            self._over[row][x] = self._over[row][x + width - 1] = side
        self.write(x, y + height - 1, left + top * (width - 2) + low)

    def caption(self, x: int, y: int, width: int, words: str) -> None:
        """Write into the upper border of a group, where no line enters if there is such a place."""
        size = columns(words)
        starts = range(x + 2, x + width - size)
        free = (at for at in starts if not any(self._lines[y][at : at + size]))
        self.write(next(free, x + 2), y, words)

    def write(self, x: int, y: int, words: str) -> None:
        """Write characters over whatever is there; a wide one takes two cells."""
        for character in words:
            size = columns(character)
            if size and x >= 0 and x + size <= self._width:
                self._over[y][x] = character
                if size == 2:
                    self._over[y][x + 1] = "\0"
            x += size

    def lines(self, *, colour: bool) -> list[str]:
        """Return the rows as text."""
        rows = []
        for y in range(self._height):
            cells = [over or self._sign(x, y) for x, over in enumerate(self._over[y])]
            for (row, x), (width, code) in self._colours.items() if colour else ():
                if row == y:
                    cells[x] = f"\x1b[{code}m{cells[x]}"
                    cells[x + width - 1] += "\x1b[0m"
            rows.append("".join(cells).replace("\0", ""))
        return rows
