"""The model card: what a version is for, where it comes from, how good it is, what was decided: in Markdown and HTML.

The headings follow M. Mitchell et al., "Model Cards for Model Reporting" (2019). All of it is read from the registry,
so that every registered version has one.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from firnflow.models.gates.verdict import Verdict
from firnflow.models.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.models.registry import ModelVersion, Promotion

_STEERING = re.compile(r"[\\`*\[\]<>#|~]|(?<!\w)_|_(?!\w)")  # an underscore in a word is only that
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Describing(Section):
    """What only people know of a model; the rest of its card is read from the registry.

    Attributes:
        intended_use: what it is for, and by whom.
        out_of_scope: what it must not be used for.
        limits: what a user must know: groups it knows little of, periods, assumptions.
        owner: who answers for it.
    """

    intended_use: str = ""
    out_of_scope: str = ""
    limits: tuple[str, ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: its head, if it has one, and its rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A block of code."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list; each point may be marked as good or bad."""

    points: tuple[tuple[bool | None, str], ...]


Block: TypeAlias = str | Rows | Code | Points
Chapter: TypeAlias = tuple[str, list[Block]]


def markdown(version: ModelVersion, aliases: dict[str, int], audit: Sequence[Promotion]) -> str:
    """Return the card as Markdown; text from outside stays text.

    Args:
        version: the version.
        aliases: alias → version of the model.
        audit: of the model, the newest first.
    """
    lines = [f"# {_md(version.place)}", "", _md(_summary(version, aliases))]
    for title, blocks in _chapters(version, audit):
        lines += ["", f"## {title}"]
        for block in blocks:
            lines += ["", *_md_block(block)]
    return "\n".join(lines) + "\n"


def html(version: ModelVersion, aliases: dict[str, int], audit: Sequence[Promotion]) -> str:
    """Return the card as one HTML page that needs nothing from elsewhere. Arguments as for `markdown`."""
    style = files("firnflow.models").joinpath("card.css").read_text(encoding="utf-8")
    parts = [f"<h1>{escape(version.place)}</h1><p>{escape(_summary(version, aliases))}</p>"]
    for title, blocks in _chapters(version, audit):
        parts.append(f"<h2>{escape(title)}</h2>" + "".join(map(_html_block, blocks)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(version.place)}</title><style>{style}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _summary(version: ModelVersion, aliases: dict[str, int]) -> str:
    called = [f"@{alias}" for alias, number in sorted(aliases.items()) if number == version.version]
    day = time.strftime("%Y-%m-%d", time.gmtime(version.created_at))
    return f"{', '.join([version.status, *called])}; registered on {day} by {version.created_by}"


def _chapters(version: ModelVersion, audit: Sequence[Promotion]) -> Iterator[Chapter]:
    """Yield the chapters in their order, without those of which nothing is known."""
    metadata = version.metadata
    lineage = metadata.get("lineage") or {}
    mine = [row for row in audit if version.version in (row.to_version, row.from_version)]
    chapters: list[Chapter] = [
        ("Intended use", _use(metadata)),
        ("Data", _data(metadata, lineage)),
        ("Training", _training(metadata, lineage)),
        ("Metrics", _metrics(metadata)),
        ("Gates", _gates(version, mine)),
        ("Limits", _limits(metadata, version, mine)),
        ("Decisions", _decisions(mine)),
        ("Provenance", _provenance(version, lineage)),
        ("How to use it", [Code(_example(version))]),
    ]
    yield from ((title, blocks) for title, blocks in chapters if blocks)


def _described(metadata: dict[str, Any]) -> Describing:
    try:
        return Describing.model_validate(metadata.get("describing") or {})
    except ValidationError:
        return Describing()


def _use(metadata: dict[str, Any]) -> list[Block]:
    said = _described(metadata)
    use: list[Block] = [said.intended_use or "Nobody has written down what it is for (steps.Describing.intended_use)."]
    use += [f"Not for: {said.out_of_scope}"] if said.out_of_scope else []
    use += [f"Owner: {said.owner}"] if said.owner else []
    return use


def _data(metadata: dict[str, Any], lineage: dict[str, Any]) -> list[Block]:
    rows = [
        (str(name), _count(each.get("rows")), str(each.get("digest"))[:16])
        for name, each in (lineage.get("data") or {}).items()
    ]
    found: list[Block] = [Rows(("table", "rows", "SHA-256"), tuple(rows))] if rows else []
    learnt, there = metadata.get("train_rows"), metadata.get("train_rows_available")
    if learnt is not None:
        sample = f", a sample of {_count(there)}" if there not in (None, learnt) else ""
        found.append(f"Learnt from {_count(learnt)} rows{sample}.")
    return found


def _training(metadata: dict[str, Any], lineage: dict[str, Any]) -> list[Block]:
    features = [str(name) for name in metadata.get("features") or ()]
    reads: list[Block] = [f"Reads {len(features)} features: {', '.join(features)}."] if features else []
    rows: list[tuple[str, str]] = [
        (name, _figure(metadata[name])) for name in ("trees", "threshold") if name in metadata
    ]
    rows += [(f"parameter {name}", text) for name, text in _flat(lineage.get("params") or {}) if "." not in name]
    return [*reads, Rows((), tuple(rows))] if rows else reads


def _metrics(metadata: dict[str, Any]) -> list[Block]:
    found, sure = metadata.get("metrics") or {}, metadata.get("intervals") or {}
    if not found:
        return []
    if not sure.get("bounds"):
        rows = tuple((str(name), _figure(value)) for name, value in found.items())
        return ["On rows that the model has not seen:", Rows(("metric", "value"), rows)]
    ends = {name: " to ".join(map(_figure, pair)) for name, pair in sure["bounds"].items()}
    return [
        "On rows that the model has not seen:",
        Rows(
            ("metric", "value", f"{sure['confidence']:.0%} interval"),
            tuple((str(name), _figure(value), ends.get(name, "-")) for name, value in found.items()),
        ),
    ]


def _verdict(version: ModelVersion, audit: Sequence[Promotion]) -> Verdict | None:
    for row in audit:
        if row.to_version == version.version and row.verdict:
            try:
                return Verdict.model_validate(row.verdict)
            except ValidationError:
                continue
    return None


def _gates(version: ModelVersion, audit: Sequence[Promotion]) -> list[Block]:
    verdict = _verdict(version, audit)
    if verdict is None:
        return []
    points = tuple((result.passed, result.reason) for result in verdict.results)
    bounds = f", each bound at {verdict.confidence:.0%}" if verdict.resamples else ""
    rows = f"Judged on {verdict.holdout.rows:,} {verdict.rows_are}{bounds}."
    return [verdict.summary, Points(points), rows]


def _limits(metadata: dict[str, Any], version: ModelVersion, audit: Sequence[Promotion]) -> list[Block]:
    points = [*_described(metadata).limits]
    verdict = _verdict(version, audit)
    if verdict is not None:
        points += verdict.notes
        for result in verdict.results:
            if result.segments:
                worst = result.segments[0]
                points.append(f"{result.name}: lowest in {worst.segment} ({_figure(worst.value)}, {worst.rows:,} rows)")
    return [Points(tuple((None, point) for point in points))] if points else []


def _decisions(audit: Sequence[Promotion]) -> list[Block]:
    rows = tuple(
        (time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.at)), row.action, row.by, row.reason) for row in audit
    )
    return [Rows(("when (UTC)", "what", "who", "why"), rows)] if rows else []


def _provenance(version: ModelVersion, lineage: dict[str, Any]) -> list[Block]:
    versions = f"firnflow {lineage.get('firnflow') or '-'}, Python {lineage.get('python') or '-'}"
    rows = [
        ("run", f"{version.run or '-'}, task {version.task or '-'}"),
        ("pipeline", f"{lineage.get('pipeline', '-')} in {lineage.get('environment', '-')}"),
        ("code", f"commit {lineage.get('commit') or '-'}, {versions}"),
        ("file", f"SHA-256 {version.digest}"),
    ]
    return [Rows((), tuple(rows))]


def _example(version: ModelVersion) -> str:
    use = "print(models.predict(model, rows))  # raw rows, as they were before any preprocessing"
    if (version.ref.get("meta") or {}).get("library") == "document":
        use = "print(model.estimator.data)  # plain JSON: what it says of a row is its owner's to know"
    return f'from firnflow import models\n\nmodel = models.load("{version.place}")\n{use}'


def _flat(data: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + str(name), str(value)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "-" if value is None else str(value)


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _md(text: str) -> str:
    """Return text that stays as it is in Markdown, also in a table."""
    return _STEERING.sub(r"\\\g<0>", " ".join(text.splitlines()))


def _md_block(block: Block) -> list[str]:
    if isinstance(block, str):
        return [_md(block)]
    if isinstance(block, Code):
        return ["```python", block.text, "```"]
    if isinstance(block, Points):
        marks = {True: "✓ ", False: "✗ ", None: ""}
        return [f"- {marks[good]}{_md(text)}" for good, text in block.points]
    head = block.head or ("",) * len(block.rows[0])
    rows = [head, ("---",) * len(head)]
    return [f"| {' | '.join(row)} |" for row in (*rows, *(tuple(map(_md, row)) for row in block.rows))]


def _html_block(block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{escape(block)}</p>"
    if isinstance(block, Code):
        return f"<pre>{escape(block.text)}</pre>"
    if isinstance(block, Points):
        marks = {True: '<b class="ok">✓</b> ', False: '<b class="no">✗</b> ', None: ""}
        return "<ul>" + "".join(f"<li>{marks[good]}{escape(text)}</li>" for good, text in block.points) + "</ul>"
    head = "".join(f"<th>{escape(cell)}</th>" for cell in block.head)
    rows = "".join(
        "<tr>"
        + "".join(f"<{tag}>{escape(cell)}</{tag}>" for tag, cell in zip(_tags(block), row, strict=True))
        + "</tr>"
        for row in block.rows
    )
    return f'<div class="wide"><table>{f"<tr>{head}</tr>" if head else ""}{rows}</table></div>'


def _tags(block: Rows) -> list[str]:
    """Return the tag of each cell: without a head the first one says what the row is."""
    width = len(block.rows[0]) if block.rows else len(block.head)
    return ["td" if block.head or at else "th" for at in range(width)]
