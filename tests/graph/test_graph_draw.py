"""Every task and every edge is in every picture: lines are followed as an eye would follow them."""

from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firnflow.context import RunSummary
from firnflow.errors import GraphError
from firnflow.graph.check import read_graph, validate
from firnflow.graph.draw import layers, mermaid, svg, text
from firnflow.graph.draw.as_text import columns
from firnflow.graph.draw.layout import Piece
from firnflow.graph.draw.picture import picture, schedule_text
from firnflow.graph.draw.tracks import assign_tracks
from firnflow.graph.model import Cron, Every, Graph, OnUpdate, Options
from firnflow.graph.pipeline import pipeline
from firnflow.graph.placeholders import each
from firnflow.graph.schema import FILE
from firnflow.graph.source import source
from firnflow.graph.task import task

VALIDATOR = jsonschema.Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8")))


@task
def node(a: Any = None, b: Any = None, c: Any = None, d: Any = None) -> Literal["x", "other case"]:
    """Do <b>something</b> & "more"."""


@task
def cleanup(summary: RunSummary) -> None: ...


@task
def depths() -> list[int]: ...


@task
def verdict() -> Literal['<&"|>', "promote"]: ...


# --- following the lines of a text ------------------------------------------------------------------------------------

OPEN = {
    "│": "ud",
    "┌": "rd",
    "┐": "ld",
    "└": "ur",
    "┘": "ul",
    "├": "urd",
    "┤": "uld",
    "┬": "lrd",
    "┴": "ulr",
    "─": "lr",
}
OPEN |= {"┼": "udlr", "┿": "ud", "▼": "u", "╤": "d"}
STEP = {"u": (0, -1), "d": (0, 1), "l": (-1, 0), "r": (1, 0)}
BACK = {"u": "d", "d": "u", "l": "r", "r": "l"}


class Drawing:
    """A text with its boxes found."""

    def __init__(self, drawn: str) -> None:
        self.rows = drawn.split("\n")
        self.boxes: list[tuple[int, int, int, str]] = []  # x, y, width, title
        for y, row in enumerate(self.rows):
            for found in re.finditer(r"┌[─┬]+┐|╔[═╤]+╗|╭[─┬]+╮", row):
                x, width = found.start(), len(found[0])
                if self.at(x, y + 1) in "│║" and self.at(x, y + 2) in "└╚╰" and self.at(x + width - 1, y + 2) in "┘╝╯":
                    self.boxes.append((x, y, width, self.rows[y + 1][x + 1 : x + width - 1].strip()))

    def at(self, x: int, y: int) -> str:
        row = self.rows[y] if 0 <= y < len(self.rows) else ""
        return row[x] if 0 <= x < len(row) else " "

    def box_at(self, x: int, y: int) -> str:
        """Return the title of the box whose upper or lower border the cell is in."""
        found = [t for bx, by, w, t in self.boxes if bx <= x < bx + w and y in (by, by + 2)]
        return found[0] if found else ""

    def edges(self) -> list[tuple[str, str]]:
        edges = []
        for y, row in enumerate(self.rows):
            for x, character in enumerate(row):
                if character == "▼":
                    (origin,) = self.origins(x, y)
                    edges.append((origin, self.box_at(x, y + 1)))
        return edges

    def origins(self, x: int, y: int) -> set[str]:
        """Return the boxes that the line arriving at an arrow comes from."""
        found, seen, todo = set(), set(), [(x, y, "u")]
        while todo:
            x, y, way = todo.pop()
            x, y = x + STEP[way][0], y + STEP[way][1]
            if (x, y, way) in seen:
                continue
            seen.add((x, y, way))
            here = self.at(x, y)
            box = self.box_at(x, y)
            if box:
                assert here in "┬╤", f"a line ends at {here!r} of {box}"
                assert way == "u"
                found.add(box)
            elif here == "│" and way in "lr":  # a bridge: the line goes on under it
                todo.append((x, y, way))
            elif here in OPEN:
                assert BACK[way] in OPEN[here], f"a line runs into {here!r} at column {x}, row {y}"
                todo += [(x, y, other) for other in OPEN[here] if other != BACK[way]]
            else:
                assert way in "ud", f"a line is lost in {here!r} at column {x}, row {y}"  # a case's label
                todo.append((x, y, way))
        return found


# --- pipelines of any shape -------------------------------------------------------------------------------------------

OPS = st.deferred(lambda: st.lists(st.one_of(TASK, TASK, TASK, GROUP), min_size=1, max_size=9))
TASK = st.tuples(
    st.lists(st.integers(0, 30), max_size=4),
    st.sampled_from(["call", "call", "map", "list"]),
    st.none() | st.tuples(st.integers(0, 30), st.sampled_from(["x", "other case"])),
)
GROUP = OPS.map(lambda ops: ("group", ops))


def wire(ops: list[Any], results: list[Any]) -> None:
    for op in ops:
        if op[0] == "group":
            inner = op[1]

            @pipeline(name=f"g{len(results)}_{len(inner)}")
            def grouped(inner=inner):
                wire(inner, results)

            grouped.function.__qualname__ += f"{id(op)}"
            grouped()
            continue
        picks, how, decided = op
        chosen = [results[i % len(results)] for i in picks if results]
        call = node.options(name=f"t{len(results)}")
        if decided and results:
            with results[decided[0] % len(results)].case(decided[1]):
                results.append(_call(call, chosen, how))
        else:
            results.append(_call(call, chosen, how))


def _call(call: Any, chosen: list[Any], how: str) -> Any:
    if how == "map":
        call.options(name=call.name + "m").map(each([1, 2]), *chosen[:3])
    return call(chosen) if how == "list" else call(*chosen)


def build(ops: list[Any]) -> Graph | None:
    @pipeline(name="random", finalizer=cleanup)
    def anything():
        wire(ops, [])

    try:
        return anything.build()
    except GraphError as error:
        if "not a name for" in str(error) or "is already in" in str(error):  # too deep, or a group's name twice
            return None
        raise


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OPS)
def test_random_graphs_come_back_and_are_drawn_whole(ops: list[Any]):
    graph = build(ops)
    if graph is None:
        return
    validate(graph)
    written = graph.model_dump_json()
    assert read_graph(written) == graph
    VALIDATOR.validate(json.loads(written))
    check_text(graph, 100)
    check_svg(graph)
    check_mermaid(graph)


def expected(graph: Graph) -> list[tuple[str, str]]:
    return sorted((arrow.source, arrow.target) for arrow in picture(graph).arrows)


def check_text(graph: Graph, width: int) -> None:
    drawn = picture(graph)
    titles = {path: box.title for path, box in drawn.boxes.items()}
    found = Drawing(text(graph, width=width))
    assert sorted(title for *_, title in found.boxes) == sorted(titles.values())
    assert sorted(found.edges()) == sorted((titles[a], titles[b]) for a, b in expected(graph))


def check_svg(graph: Graph) -> None:
    root = ET.fromstring(svg(graph))
    names = [element.get("data-task") for element in root.iter() if element.get("data-task")]
    assert sorted(names) == sorted([*graph.tasks, *(["finalizer"] if graph.finalizer else [])])
    edges = [(e.get("data-from"), e.get("data-to")) for e in root.iter() if e.get("data-to")]
    assert sorted(edges) == expected(graph)
    check_boxes_are_apart(root)


def check_boxes_are_apart(root: ET.Element) -> None:
    boxes = []
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        if group.get("data-task") and group.get("data-task") != "finalizer":
            rect = group.findall("{http://www.w3.org/2000/svg}rect")[-1]
            boxes.append([float(rect.get(name, "")) for name in ("x", "y", "width", "height")])
    for index, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[index + 1 :]:
            apart = x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y
            assert apart


def check_mermaid(graph: Graph) -> None:
    lines = mermaid(graph).splitlines()
    names = {m[1]: m[2] for line in lines if (m := re.match(r'\s*(t\d+)[\[(]+"(.*?)"', line))}
    assert sorted(names.values()) == sorted(box.title for box in picture(graph).boxes.values())
    paths = dict(zip(names, graph.tasks, strict=False)) if not graph.groups else None
    arrows = [m for line in lines if (m := re.match(r"\s*(t\d+) -->(?:\|.*?\|)? (t\d+)$", line))]
    assert len(arrows) == len(expected(graph))
    if paths:
        assert sorted((paths[m[1]], paths[m[2]]) for m in arrows) == expected(graph)


# --- what one sees ----------------------------------------------------------------------------------------------------


@pipeline
def scoring(table):
    """Score <everything>."""
    return node.options(name="score")(table)


@pipeline(finalizer=cleanup, schedule=Cron("0 6 * * *"))
def small():
    first = node.options(name="first")(source("customers"))
    models = node.options(name="train").cross_map(each([1, 2, 3]), each([4, 5]), first)
    chosen = verdict()
    with chosen.case("promote"):
        done = node.options(name="promote")(models)
        node.options(name="tell")(done)
    with chosen.case('<&"|>'):
        node.options(name="alert")(scoring(first))


def test_text():
    assert text(small.build()) == (Path(__file__).with_name("small.txt").read_text(encoding="utf-8")), (
        "look at it; if it is right: firnflow.graph.draw.text(small.build()) is the new small.txt"
    )


def test_text_is_complete():
    check_text(small.build(), 100)
    check_text(small.build(), 40)
    check_text(small.build(), 1)


def test_narrow_text_keeps_to_its_width():
    @pipeline
    def many():
        first = node.options(name="first")()
        node.options(name="last")([node.options(name=f"task_number_{i}")(first) for i in range(12)])

    for width in (60, 80, 120):
        assert max(map(len, text(many.build(), width=width).splitlines())) <= width
        check_text(many.build(), width)


def test_states_in_text():
    states = {
        "first": "succeeded",
        "train": "failed",
        "promote": "skipped",
        "unknown": "failed",
        "finalizer": "running",
    }
    drawn = text(small.build(), states)
    assert "✓ first" in drawn
    assert "✗ train ×3×2" in drawn
    assert "– promote" in drawn
    assert "▸ cleanup" in drawn
    assert "\x1b" not in drawn
    coloured = text(small.build(), states, colour=True)
    assert "\x1b[31m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == drawn


def test_svg_is_complete_and_says_what_it_shows():
    check_svg(small.build())
    drawn = svg(small.build(), {"first": "cached", "train": "no such state", "finalizer": "failed"})
    root = ET.fromstring(drawn)
    classes = {element.get("data-task"): element.get("class") for element in root.iter() if element.get("data-task")}
    assert classes["first"] == "task cached"
    assert classes["train"] == "map"
    assert classes["customers"] == "source"
    assert classes["finalizer"] == "finalizer failed"
    words = [element.text for element in root.iter() if element.text]
    assert "0 6 * * * (UTC)" in words
    assert '<&"|>' in words
    assert "train ×3×2" in words
    assert any("scoring" in "".join(element.itertext()) for element in root.iter())


def test_svg_is_self_contained():
    drawn = svg(small.build())
    assert not re.search(r"<script|<image|<use|<foreignObject|\bon\w+=|url\(|@import", drawn)
    assert re.findall(r"https?://[^\"' ]+", drawn) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme:dark" in drawn


def hostile() -> Graph:
    """Return a graph, as a file may hold it, with markup, control characters and long texts wherever text is free."""
    evil = 'x"><script>alert(1)</script>\x1b[31m\x00\u202e&amp;\n'
    data = json.loads(small.build().model_dump_json())
    for described in (data, *data["tasks"].values(), *data["groups"].values()):
        described["doc"] = evil
    for named in data["tasks"].values():
        for output in named["outputs"].values():
            output["type"] = evil + "y" * 500
        for condition in named["when"]:
            condition["case"] = evil if condition["case"] == "promote" else "数据" * 200
    return read_graph(json.dumps(data))


def test_free_text_is_escaped():
    graph = hostile()
    root = ET.fromstring(svg(graph))
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    for drawn in (svg(graph), text(graph), mermaid(graph)):
        assert "\x1b" not in drawn
        assert "\x00" not in drawn
        assert "\u202e" not in drawn
    assert "<script" not in mermaid(graph)
    assert '"x"' not in mermaid(graph)
    assert "y" * 100 not in svg(graph)
    check_svg(graph)
    check_mermaid(graph)


def test_a_state_from_outside_is_escaped():
    drawn = svg(small.build(), {"first": '"><script>'})
    assert "<script>" not in drawn
    ET.fromstring(drawn)


def test_mermaid():
    drawn = mermaid(small.build(), {"first": "succeeded", "train": "failed"})
    assert drawn.startswith('---\ntitle: "small · 0 6 * * * (UTC)"\n---\nflowchart TD\n')
    assert '  t0[("customers")]' in drawn
    assert '  t1["✓ first"]:::succeeded' in drawn
    assert '  t2[["✗ train ×3×2"]]:::failed' in drawn
    assert '  t3 -->|"promote"| t4' in drawn
    assert '  t3 -->|"#60;#38;#34;#124;#62;"| t6' in drawn
    assert '  subgraph scoring_group["scoring"]\n    t6["score"]\n  end' in drawn
    assert "  t7 -.-> finalizer" in drawn
    assert "classDef failed" in drawn
    assert "classDef cached" not in drawn


def test_a_case_is_shown_where_the_branch_begins():
    labels = {(arrow.source, arrow.target): arrow.label for arrow in picture(small.build()).arrows}
    assert labels["verdict", "promote"] == "promote"
    assert labels["promote", "tell"] == ""
    assert ("verdict", "tell") not in labels


BRANCH = """\
branch

        ┌──────┐
        │ load │
        └───┬──┘
  ┌───────┬─┴──────────┐
  │       ▼            │
  │   ┌───────┐        │
  │   │ judge │        │
  │   └───┬───┘        │
  │ ┌─────┴─────┐      │
  │ x      other case  │
  ▼ ▼           ▼      ▼
┌─────┐   ┌────────────┐
│ one │   │    two     │
└──┬──┘   └──────┬─────┘
   └─────┐ ┌─────┘
         ▼ ▼
      ┌──────┐
      │ join │
      └──────┘
"""


def test_what_both_cases_read_passes_the_verdict_on_both_sides():
    @pipeline
    def branch():
        data = node.options(name="load")()
        decision = node.options(name="judge")(data)
        with decision.case("x"):
            one = node.options(name="one")(data)
        with decision.case("other case"):
            two = node.options(name="two")(data)
        node.options(name="join")(one, two)

    assert text(branch.build()) == BRANCH


def test_of_two_lines_the_one_that_crosses_less_is_above():
    fork = [Piece("fork", 27, 0, end, 9) for end in (20, 37)]
    far = Piece("far", 38, 0, 22, 9)
    assert assign_tracks([*fork, far]) == 2
    assert (fork[0].track, fork[1].track, far.track) == (0, 0, 1)


def test_how_often_a_map_runs():
    @pipeline
    def maps():
        numbers = depths()
        node.options(name="static").map(each([1, 2, 3]), each(numbers))
        node.options(name="computed").map(each(numbers))
        node.options(name="cross").cross_map(each(numbers), each([1, 2]))
        node.options(name="listed").map(each([numbers, 3]))

    times = {path: box.times for path, box in picture(maps.build()).boxes.items()}
    assert times == {"depths": "", "static": "×3", "computed": "×n", "cross": "×n×2", "listed": "×2"}


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Cron("0 6 * * *", timezone="Europe/Zurich"), "0 6 * * * (Europe/Zurich)"),
        (Every("90m"), "every 1h30m"),
        (OnUpdate("a") & (OnUpdate("b") | OnUpdate("c")), "on update of a and (b or c)"),
        (OnUpdate("a"), "on update of a"),
    ],
)
def test_schedules_in_words(schedule, words: str):
    assert schedule_text(schedule) == words


def test_columns():
    assert columns("abc") == 3
    assert columns("数据") == 4
    assert columns(unicodedata.normalize("NFD", "é")) == 1


def test_a_graph_that_is_too_large_says_so(monkeypatch):
    monkeypatch.setattr(layers, "MOST_RAILS", 5)

    @pipeline
    def long():
        first = node.options(name="first")()
        at = first
        for number in range(10):
            at = node.options(name=f"t{number}")(at)
        node.options(name="last")(at, first)

    with pytest.raises(GraphError, match=r"too many long edges to be drawn. Use --format mermaid"):
        text(long.build())
    assert "t9" in mermaid(long.build())


def test_a_thousand_tasks_are_drawn():
    @pipeline
    def chain():
        at = None
        for number in range(1000):
            at = node.options(name=f"t{number}")(at)

    graph = chain.build()
    assert text(graph).count("▼") == 999
    assert svg(graph).count('class="head"') == 999
    assert Options() == graph.tasks["t0"].options
