"""Lays out a picture: rows of boxes, groups laid out inside first, lines cut into pieces from row to row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from firnflow.graph.draw.coordinates import place_rows
from firnflow.graph.draw.layers import Item, Link, arrange, assign_ranks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.graph.draw.picture import Arrow, Box, Picture


@dataclass
class Piece:
    """A part of a line, from (x1, y1) down to (x2, y2); `target` and `label` where it ends at a box."""

    origin: str
    x1: float
    y1: float
    x2: float
    y2: float
    target: str = ""
    label: str = ""
    track: int = 0
    via: float | None = None
    """In a text: a column by which the piece makes a detour, from its track to a second one."""
    second_track: int = 0

    def move(self, dx: float, dy: float) -> None:
        """Shift the piece."""
        self.x1, self.x2, self.y1, self.y2 = self.x1 + dx, self.x2 + dx, self.y1 + dy, self.y2 + dy
        self.via = None if self.via is None else self.via + dx


@dataclass
class Layout:
    """Everything in its place."""

    width: float = 0.0
    height: float = 0.0
    boxes: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    """Path → x, y, width, height."""
    groups: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)


class Metric(Protocol):
    """What a format knows of its own sizes."""

    grid: bool
    widest: float
    gap: float
    rail: float
    snap: float
    """How far an arrow may be moved so that it is straight."""
    padding: tuple[float, float]
    """Of a group: at the sides, above and below."""

    def size(self, box: Box) -> tuple[float, float]:
        """Return a box's width and height."""

    def slot(self, label: str) -> float:
        """Return the room that an arrow needs at the top of a box."""

    def title(self, group: str) -> float:
        """Return the least width of a group."""

    def route(self, pieces: list[Piece]) -> float:
        """Return the height that these pieces need between two rows; may set their tracks."""


def lay_out(picture: Picture, metric: Metric) -> Layout:
    """Return where everything stands. Raises GraphError where the graph is too large to be drawn."""
    return _level(picture, "", list(picture.arrows), metric)[0]


def _level(picture: Picture, scope: str, arrows: list[Arrow], metric: Metric) -> tuple[Layout, list[Item]]:
    """Lay out what stands in a group, or at the top; return also the ports through which lines enter and leave."""
    items = {
        child: _child(picture, scope, child, arrows, metric) for child in dict.fromkeys(_children(picture.boxes, scope))
    }
    ports: dict[tuple[str, str], Item] = {}
    links: dict[tuple[str, Item, Item], Link] = {}
    for arrow in arrows:
        source, target = items.get(_child_of(scope, arrow.source)), items.get(_child_of(scope, arrow.target))
        if source is target:
            continue  # inside one of the groups
        origin = arrow.source
        source = source or ports.setdefault(("entry", origin), Item(origin, "entry", 0.0, 0.0, {}, {origin: 0.0}))
        target = target or ports.setdefault(("exit", origin), Item(origin, "exit", 0.0, 0.0, {origin: 0.0}, {}))
        links[origin, source, target] = Link(origin, source, target)
    entries = [item for (kind, _), item in ports.items() if kind == "entry"]
    exits = [item for (kind, _), item in ports.items() if kind == "exit"]
    layout = _rows([*entries, *items.values(), *exits], list(links.values()), metric)
    return layout, [*entries, *exits]


def _children(paths: Iterable[str], scope: str) -> Iterable[str]:
    return (child for path in paths if (child := _child_of(scope, path)))


def _child_of(scope: str, path: str) -> str:
    """Return the task or group right in `scope` that is or holds `path`, or "" where it is elsewhere."""
    prefix = f"{scope}." if scope else ""
    return prefix + path[len(prefix) :].partition(".")[0] if path.startswith(prefix) else ""


def _child(picture: Picture, scope: str, child: str, arrows: list[Arrow], metric: Metric) -> Item:
    if child in picture.boxes:
        labels = {arrow.source: arrow.label for arrow in arrows if arrow.target == child}
        width, height = metric.size(picture.boxes[child])
        width = max(width, sum(map(metric.slot, labels.values())))
        return Item(child, "box", width, height, {}, {child: width // 2}, labels)
    inside = [a for a in arrows if child in (_child_of(scope, a.source), _child_of(scope, a.target))]
    content, ports = _level(picture, child, inside, metric)
    side, end = metric.padding
    width = max(content.width + 2 * side, metric.title(child))
    item = Item(child, "group", width, content.height + 2 * end, content=content)
    for port in ports:
        (item.ins if port.kind == "entry" else item.outs)[port.key] = port.x + (width - content.width) // 2
    return item


def _rows(items: list[Item], links: list[Link], metric: Metric) -> Layout:
    assign_ranks(items, links, metric.widest, metric.gap)
    rows, links = arrange(items, links, metric.rail)
    _set_ports(rows, links, metric)
    gaps: list[list[Link]] = [[] for _ in rows]
    for link in links:
        gaps[link.source.rank].append(link)
    layout = Layout()
    layout.width = place_rows(rows, links, lambda a, b: _gap(a, b, metric), grid=metric.grid)
    y = 0.0
    for row in rows:
        height = max(item.height for item in row)
        for item in row:
            item.y = y
        _put(row, layout, metric)
        leaving = gaps[row[0].rank]
        for source, origin in dict.fromkeys((link.source, link.origin) for link in leaving):
            x = source.x + source.outs[origin]  # along a rail, and from a box that is lower than its row
            layout.pieces.append(Piece(origin, x, source.y + source.height, x, y + height))
        pieces = [_piece(link, y + height, metric) for link in leaving]
        y += height + (metric.route(pieces) if row is not rows[-1] else 0.0)
        for piece in pieces:
            piece.y2 = y
        layout.pieces += pieces
    layout.height = y
    layout.pieces = [piece for piece in layout.pieces if piece.y1 < piece.y2]
    return layout


def _gap(left: Item, right: Item, metric: Metric) -> float:
    return metric.gap if {left.kind, right.kind} & {"box", "group"} else metric.rail


def _set_ports(rows: list[list[Item]], links: list[Link], metric: Metric) -> None:
    """Spread the arrows over the top of each box in the order in which they come."""
    place = {item: index for row in rows for index, item in enumerate(row)}
    coming: dict[Item, list[Link]] = {}
    for link in links:
        coming.setdefault(link.target, []).append(link)
    for item, found in coming.items():
        if item.kind == "box":
            found.sort(key=lambda link: (place[link.source], link.source.outs[link.origin]))
            slots = [metric.slot(item.labels[link.origin]) for link in found]
            at = (item.width - sum(slots)) // 2
            for link, slot in zip(found, slots, strict=True):
                item.ins[link.origin] = at + slot // 2
                at += slot


def _piece(link: Link, y: float, metric: Metric) -> Piece:
    source, target = link.source, link.target
    piece = Piece(link.origin, source.x + source.outs[link.origin], y, target.x + target.ins[link.origin], y)
    if target.kind == "box":
        piece.target, piece.label = target.key, target.labels[link.origin]
        if abs(piece.x1 - piece.x2) <= metric.snap:
            piece.x2 = piece.x1
    return piece


def _put(row: list[Item], layout: Layout, metric: Metric) -> None:
    """Copy boxes, and what stands in groups, to their places."""
    for item in row:
        if item.kind == "box":
            layout.boxes[item.key] = (item.x, item.y, item.width, item.height)
        elif item.kind == "group":
            layout.groups[item.key] = (item.x, item.y, item.width, item.height)
            inner: Layout = item.content
            dx, dy = item.x + (item.width - inner.width) // 2, item.y + metric.padding[1]
            for places, found in ((layout.boxes, inner.boxes), (layout.groups, inner.groups)):
                places.update({key: (x + dx, y + dy, w, h) for key, (x, y, w, h) in found.items()})
            for origin, at in item.ins.items():
                layout.pieces.append(Piece(origin, item.x + at, item.y, item.x + at, dy))
            for origin, at in item.outs.items():
                layout.pieces.append(Piece(origin, item.x + at, dy + inner.height, item.x + at, item.y + item.height))
            for piece in inner.pieces:
                piece.move(dx, dy)
                layout.pieces.append(piece)
