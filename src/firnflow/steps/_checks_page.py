"""What checks have found, as one HTML page, or as a section of a report."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from firnflow.monitoring.wording import moment
from firnflow.steps._html import document, percent, tiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.stores.checks.result import CheckResult, Distribution, Finding

_OUTCOMES = {
    "passed": "All rules are kept",
    "warned": "There are warnings",
    "quarantined": "Rows were set aside",
    "stopped": "Nothing went on",
}
_MARKS = {("failed", "error"): "✗\u00a0broken", ("failed", "warn"): "!\u00a0warning"}
_STATUS = {"passed": "✓ kept", "skipped": "– not compared"}
_ROW, _BAR, _TEXT, _SHARE = 26, 300, 190, 60  # pixels of the picture


def page(result: CheckResult) -> str:
    """Return the page; every text that comes from data is escaped."""
    run = f" in run {result.run}" if result.run else ""
    parts = [
        f"<h1>Checks of {escape(result.table)}</h1>",
        f'<p class="lead">{escape(result.summary)}</p>',
        *_parts(result),
    ]
    return document(f"Checks of {result.table}", parts, f"Made by Firnflow{escape(run)}, {moment(result.checked_at)}.")


def section(result: CheckResult) -> str:
    """Return what was found as a part of another page."""
    return "\n".join([f"<h2>The data</h2><p>{escape(result.summary)}</p>", *_parts(result)])


def _parts(result: CheckResult) -> Iterator[str]:
    share = percent(result.bad_rows / result.rows, 2) if result.rows else ""
    kept = f"kept in {escape(result.kept_in)}" if result.kept_in else "they break a rule that stops"
    yield tiles(
        [
            ("Outcome", _OUTCOMES[result.outcome], "", f"on_failure = {result.on_failure}"),
            ("Rows", f"{result.rows:,}", "", "were looked at"),
            ("Bad rows", f"{result.bad_rows:,}", share, kept),
            ("Rules", f"{len(result.findings):,}", "", f"{len(result.broken)} of them broken"),
        ]
    )
    if result.note:
        yield f'<div class="note"><p>{escape(result.note)}</p></div>'
    yield f"<h2>Rules</h2>{_table(result)}"
    if result.distributions:
        yield "<h2>Beside the last versions</h2>" + '<div class="pair">'
        yield from map(_distribution, sorted(result.distributions, key=lambda each: -each.psi))
        yield "</div>"


def _table(result: CheckResult) -> str:
    others = [each for each in result.findings if each.status != "failed"]
    rows = "".join(map(_row, [*result.broken, *others]))
    head = '<tr><th></th><th>rule</th><th class="n">rows</th><th>such as</th><th>found</th></tr>'
    return f'<div class="card scroll"><table class="rows">{head}{rows}</table></div>'


def _row(each: Finding) -> str:
    mark = _MARKS.get((each.status, each.severity)) or _STATUS[each.status]
    kind = ' class="worse"' if (each.status, each.severity) == ("failed", "error") else ""
    shown = ", ".join(each.examples)
    rows = f"{each.rows:,}" if each.rows is not None else ""
    return (
        f'<tr{kind}><td>{mark}</td><td>{escape(each.name)}</td><td class="n">{rows}</td><td>{escape(shown)}</td>'
        f"<td>{escape(each.found)}</td></tr>"
    )


def _distribution(found: Distribution) -> str:
    """Return the shares of each bin as a picture: the last versions above, what was checked below."""
    most = max((*found.before, *found.after), default=0.0) or 1.0
    bars = "".join(
        f'<text x="{_TEXT - 8}" y="{at * _ROW + 17}" text-anchor="end" fill="currentColor">'
        f"{escape(_short(label))}</text>"
        f"{_bar(at * _ROW + 3, before / most, 'var(--line)')}{_bar(at * _ROW + 13, after / most, 'var(--first)')}"
        f'<text x="{_TEXT + _BAR + _SHARE}" y="{at * _ROW + 17}" text-anchor="end" fill="currentColor">'
        f"{percent(after, 1)}</text>"
        for at, (label, before, after) in enumerate(zip(found.bins, found.before, found.after, strict=True))
    )
    height = len(found.bins) * _ROW + 4
    box = f'viewBox="0 0 {_TEXT + _BAR + _SHARE + 4} {height}" style="max-width: 560px"'
    return (
        f"<figure><h3>{escape(found.column)}</h3>"
        f'<svg {box} font-size="13" role="img">{bars}</svg>'
        f"<figcaption>Share of rows: grey the last versions, blue what was checked. PSI {found.psi:.3f}</figcaption>"
        "</figure>"
    )


def _bar(top: float, share: float, colour: str) -> str:
    return f'<rect x="{_TEXT}" y="{top}" width="{max(1.0, share * _BAR):.1f}" height="9" rx="2" fill="{colour}"/>'


def _short(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"
