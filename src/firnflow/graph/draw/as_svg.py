"""A graph as a self-contained SVG: no script, no font, no link; legible on light and dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from firnflow.graph.draw.layout import Layout, Piece, lay_out
from firnflow.graph.draw.picture import MARKS, Box, Picture, picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.graph.model import Graph
    from firnflow.status import TaskStatus

_MARGIN, _HEADER = 24.0, 44.0
_STACK = 8.0
"""How far the lowest box of a map's stack stands out."""
_STYLE = """
.ff{--page:#ffffff;--ink:#1c2430;--soft:#667085;--box:#f7f9fc;--edge:#b6c0cf;--line:#8793a5;--group:#eef3f9;--rim:#c9d5e4;
--accent:#2563a8;font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
@media (prefers-color-scheme:dark){.ff{--page:#10151d;--ink:#e6ebf2;--soft:#98a4b5;--box:#1b2430;--edge:#465468;
--line:#728196;--group:#161d28;--rim:#303c4d;--accent:#6db0f2}}
.ff text{fill:var(--ink);font-size:13px}
.ff .page{fill:var(--page)}
.ff .title{font-size:16px;font-weight:600}
.ff .soft{fill:var(--soft);font-size:11px}
.ff .name{font-weight:600;text-anchor:middle}
.ff .under{fill:var(--soft);font-size:11px;text-anchor:middle}
.ff .box{fill:var(--box);stroke:var(--edge);stroke-width:1.2}
.ff .source .box{stroke:var(--accent)}
.ff .finalizer .box{stroke-dasharray:5 4}
.ff .group{fill:var(--group);stroke:var(--rim);fill-opacity:.75}
.ff .label{paint-order:stroke;stroke:var(--group);stroke-width:5px}
.ff .line{fill:none;stroke:var(--line);stroke-width:1.5}
.ff .head{fill:var(--line)}
.ff .case rect{fill:var(--page);stroke:var(--accent)}
.ff .case text{fill:var(--accent);font-size:11px;font-weight:600;text-anchor:middle}
.ff .succeeded .box{fill:#2da44e2e;stroke:#2da44e}
.ff .cached .box{fill:#3b8fd92e;stroke:#3b8fd9}
.ff .failed .box{fill:#e0473c38;stroke:#e0473c}
.ff .upstream_failed .box,.ff .cancelled .box{fill:#a45bc92e;stroke:#a45bc9}
.ff .skipped .box{fill:none;stroke-dasharray:4 3}
.ff .skipped text{fill:var(--soft)}
.ff .running .box{fill:#d99a1b38;stroke:#d99a1b}
"""


def svg(graph: Graph, states: Mapping[str, TaskStatus] | None = None) -> str:
    """Return a picture as SVG; `states` (task → state) colours the tasks."""
    drawn = picture(graph, states)
    layout = lay_out(drawn, _Pixels())
    width = max(layout.width, _text_width(drawn.title, 9.0), 220.0) + 2 * _MARGIN
    final = 74.0 if drawn.finalizer else 0.0
    height = _HEADER + layout.height + final + 2 * _MARGIN
    dx, dy = (width - layout.width) / 2, _MARGIN + _HEADER
    size = f'width="{width:.0f}" height="{height:.0f}"'
    words = (
        f'<tspan class="title">{escape(drawn.name)}</tspan><tspan class="soft" dx="10">{escape(drawn.schedule)}</tspan>'
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ff" {size} viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(drawn.title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" {size} rx="12"/>',
        f'<text x="{_MARGIN}" y="{_MARGIN + 12}">{words}</text>',
        f'<g transform="translate({dx:.1f} {dy:.1f})">',
        *_body(drawn, layout),
        "</g>",
    ]
    if drawn.finalizer is not None:
        parts += _finalizer(drawn.finalizer, width, dy + layout.height)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _body(drawn: Picture, layout: Layout) -> Iterator[str]:
    for x, y, w, h in layout.groups.values():
        yield f'<rect class="group" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="10"/>'
    yield from (_line(piece) for piece in layout.pieces)
    for path, (x, y, _, _) in layout.groups.items():
        doc = f"<title>{escape(drawn.groups[path])}</title>" if drawn.groups[path] else ""
        name = escape(path.rpartition(".")[2])
        yield f'<text class="soft label" x="{x + 10:.1f}" y="{y + 16:.1f}">{doc}{name}</text>'
    for path, place in layout.boxes.items():
        yield _box(drawn.boxes[path], *place)
    yield from (_case(piece) for piece in layout.pieces if piece.label)


def _line(piece: Piece) -> str:
    """Return a piece as a curve that leaves and arrives upright, so that pieces join smoothly."""
    x1, y1, x2, y2 = piece.x1, piece.y1, piece.x2, piece.y2
    end = y2 - 7 if piece.target else y2
    bend = y2 - 24 if piece.label else end
    middle = (y1 + bend) / 2
    curve = f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {bend:.1f}" if abs(x1 - x2) > 0.5 else ""
    curve += f"V{end:.1f}" if end > bend or not curve else ""
    ends = f' data-from="{escape(piece.origin)}"' + (f' data-to="{escape(piece.target)}"' if piece.target else "")
    drawn = f'<path class="line"{ends} d="M{x1:.1f} {y1:.1f}{curve}"/>'
    if piece.target:
        drawn += f'<path class="head" d="M{x2:.1f} {y2:.1f}l-4.5 -8h9z"/>'
    return drawn


def _case(piece: Piece) -> str:
    width = _text_width(piece.label, 7.2) + 12
    x, y = piece.x2 - width / 2, piece.y2 - 30
    return (
        f'<g class="case"><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="17" rx="8.5"/>'
        f'<text x="{piece.x2:.1f}" y="{y + 12.5:.1f}">{escape(piece.label)}</text></g>'
    )


def _box(box: Box, x: float, y: float, width: float, height: float) -> str:
    state = f" {box.state}" if box.state in MARKS else ""
    height -= _STACK if box.kind == "map" else 0.0
    radius = height / 2 if box.kind == "source" else 7
    rect = (
        f'<rect class="box" x="{{x:.1f}}" y="{{y:.1f}}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.0f}"/>'
    )
    shadows = (_STACK, _STACK / 2) if box.kind == "map" else ()
    middle = x + width / 2
    return "".join(
        [
            f'<g class="{box.kind}{state}" data-task="{escape(box.path)}"><title>{escape(_tooltip(box))}</title>',
            *(_backed(rect.format(x=x + shift, y=y + shift)) for shift in shadows),
            _backed(rect.format(x=x, y=y)),
            f'<text class="name" x="{middle:.1f}" y="{y + (20 if _under(box) else 27):.1f}">{escape(box.title)}</text>',
            f'<text class="under" x="{middle:.1f}" y="{y + 35:.1f}">{escape(_under(box))}</text>'
            if _under(box)
            else "",
            "</g>",
        ]
    )


def _backed(rect: str) -> str:
    """Return a box on an opaque ground, so that lines do not shine through its colour."""
    return rect.replace('class="box"', 'class="page"') + rect


def _under(box: Box) -> str:
    return {"source": "source", "finalizer": "always runs"}.get(box.kind, box.returns)


def _tooltip(box: Box) -> str:
    return "\n".join(part for part in (box.path, box.doc, box.state) if part)


def _finalizer(box: Box, width: float, y: float) -> Iterator[str]:
    wide = _Pixels().size(box)[0]
    yield f'<path class="line" stroke-dasharray="2 5" d="M{_MARGIN} {y + 24:.1f}H{width - _MARGIN:.1f}"/>'
    yield _box(box, (width - wide) / 2, y + 42, wide, 44)


def _text_width(words: str, size: float) -> float:
    """Return about how wide a text is, given the mean width of a character; wide scripts take two."""
    return sum(size * (1.8 if ord(c) > 0x2E80 else 1.0) for c in words)


class _Pixels:
    """Sizes in pixels."""

    grid = False
    widest = 1100.0
    gap = 26.0
    rail = 16.0
    snap = 8.0
    padding = (18.0, 14.0)

    def size(self, box: Box) -> tuple[float, float]:
        return max(_text_width(box.title, 8.1), _text_width(_under(box), 6.2), 60.0) + 28.0, 44.0 + (
            _STACK if box.kind == "map" else 0.0
        )

    def slot(self, label: str) -> float:
        return _text_width(label, 7.2) + 22.0 if label else 18.0

    def title(self, group: str) -> float:
        return _text_width(group.rpartition(".")[2], 6.6) + 40.0

    def route(self, pieces: list[Piece]) -> float:
        if not pieces:
            return 0.0
        farthest = max(abs(piece.x1 - piece.x2) for piece in pieces)
        return 34.0 + min(44.0, farthest / 9) + (22.0 if any(piece.label for piece in pieces) else 0.0)
