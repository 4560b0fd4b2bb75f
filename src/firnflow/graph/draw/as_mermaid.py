"""A graph as Mermaid text, which GitHub and most Markdown viewers draw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from firnflow.graph.draw.picture import Box, Picture, picture
from firnflow.status import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.graph.model import Graph

_SHAPES = {"task": ("[", "]"), "map": ("[[", "]]"), "source": ("[(", ")]"), "finalizer": ("([", "])")}
_CLASSES = {
    TaskStatus.SUCCEEDED: "fill:#d6f5dd,stroke:#1a7f37,color:#0b3d1a",
    TaskStatus.CACHED: "fill:#d8ecfa,stroke:#0969a8,color:#06304d",
    TaskStatus.FAILED: "fill:#fbdcd9,stroke:#c02c20,color:#5c100a",
    TaskStatus.UPSTREAM_FAILED: "fill:#f3e3fa,stroke:#8a3ab0,color:#3f1654",
    TaskStatus.CANCELLED: "fill:#f3e3fa,stroke:#8a3ab0,color:#3f1654",
    TaskStatus.SKIPPED: "fill:#eeeeee,stroke:#888888,color:#444444,stroke-dasharray:4 3",
    TaskStatus.RUNNING: "fill:#fdf0cc,stroke:#b07a00,color:#4d3600",
}


def mermaid(graph: Graph, states: Mapping[str, TaskStatus] | None = None) -> str:
    """Return a flowchart; `states` (task → state) colours the tasks."""
    drawn = picture(graph, states)
    ids = {path: f"t{number}" for number, path in enumerate(drawn.boxes)}
    lines = ["---", f"title: {json.dumps(drawn.title, ensure_ascii=False)}", "---", "flowchart TD"]
    lines += _nodes(drawn, ids, "", "  ")
    for arrow in drawn.arrows:
        label = f"|{_quoted(arrow.label)}|" if arrow.label else ""
        lines.append(f"  {ids[arrow.source]} -->{label} {ids[arrow.target]}")
    if drawn.finalizer is not None:
        lines.append(f"  {_node('finalizer', drawn.finalizer)}")
        sources = {arrow.source for arrow in drawn.arrows}
        lines += [f"  {ids[path]} -.-> finalizer" for path in drawn.boxes if path not in sources]
    used = {box.state for box in (*drawn.boxes.values(), drawn.finalizer) if box}
    lines += [f"  classDef {state} {look}" for state, look in sorted(_CLASSES.items()) if state in used]
    return "\n".join(lines) + "\n"


def _nodes(drawn: Picture, ids: dict[str, str], scope: str, indent: str) -> list[str]:
    """Return the tasks of a group, and its groups, in order."""
    lines: list[str] = []
    prefix = f"{scope}." if scope else ""
    inside = [path for path in drawn.boxes if path.startswith(prefix)]
    for child in dict.fromkeys(prefix + path[len(prefix) :].partition(".")[0] for path in inside):
        if child in drawn.boxes:
            lines.append(indent + _node(ids[child], drawn.boxes[child]))
            continue
        lines.append(f"{indent}subgraph {child.replace('.', '__')}_group[{_quoted(child.rpartition('.')[2])}]")
        lines += [*_nodes(drawn, ids, child, f"{indent}  "), f"{indent}end"]
    return lines


def _node(identity: str, box: Box) -> str:
    before, after = _SHAPES[box.kind]
    state = f":::{box.state}" if box.state in _CLASSES else ""
    return f"{identity}{before}{_quoted(box.title)}{after}{state}"


def _quoted(words: str) -> str:
    """Return a label in quotes; what Mermaid or HTML would read as its own is written as a character code."""
    return '"' + "".join(c if c.isalnum() or c in " _.,:-×✓≡✗⊘–▸" else f"#{ord(c)};" for c in words) + '"'
